"""The ways of training an epoch that `benchmarks.training` holds against each other, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.scoring import prepare
from storage.options import TrainingOptions
from storage.records import ModelName
from storage.sequences import Sequences
from tasks.training.job import STREAMS
from tasks.training.runtime import prepare_keras

if TYPE_CHECKING:
    from tasks.features.batching import LengthBatches


_BATCH_SIZE = 256


@dataclass(frozen=True)
class Way:
    """What a turn trains with.

    Attributes:
        count: Batches of a turn.
    """

    model: ModelName
    options: TrainingOptions
    count: int


Turn = Callable[[], float]
"""Trains some batches, and gives the share of an epoch that these are."""
Batch = tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.float32]]


class Reviews:
    """Encoded, cut and standardised reviews, with labels drawn at random, since no speed depends on them."""

    def __init__(self, folder: Path) -> None:
        """Read what `write` left."""
        with np.load(folder / "reviews.npz") as arrays:
            self.sequences = Sequences.from_lengths(arrays["tokens"], arrays["lengths"])
            self.features = arrays["features"]
            self.num_words = int(arrays["num_words"])
        self.labels = np.random.default_rng(0).integers(0, 2, len(self.sequences)).astype(np.uint8)

    @staticmethod
    def write(folder: Path, reviews: Path, rows: int) -> None:
        """Prepare training reviews of a Parquet file, once for all processes."""
        prepared = prepare(reviews, rows, split="train")
        np.savez(
            folder / "reviews.npz",
            tokens=prepared.sequences.values,
            lengths=prepared.sequences.lengths,
            features=prepared.features,
            num_words=prepared.encoder.num_words,
        )


def spread(widths: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Numbers of batches that stand for all: evenly spread over their widths."""
    order = np.argsort(widths, kind="stable")
    positions = (np.arange(count) + 0.5) * len(order) / count
    return order[positions.astype(np.int64)]


def our_turn(way: Way, reviews: Reviews) -> Turn:
    """The way of `tasks.training`."""
    prepare_keras(STREAMS.get(way.model, 1))
    from tasks.models import build_model
    from tasks.training.acceleration import accelerated, adam
    from tasks.training.loop import seeded

    options = way.options
    plain = seeded(build_model(way.model, num_words=reviews.num_words, num_features=reviews.features.shape[1]), 7)
    model, _ = accelerated(plain, options.precision)
    model.compile(adam(options.learning_rate, options.clip_norm), "binary_crossentropy", metrics=["accuracy"])
    batches = by_length(reviews, way, tuple(model.input))
    numbers = _chosen(reviews, batches, way)
    return _fitting(model, batches.__getitem__, numbers, batches.batches_per_epoch)


def by_length(reviews: Reviews, way: Way, inputs: tuple[str, ...] = ()) -> LengthBatches:
    """Batches of the first epoch, as the project draws them."""
    from tasks.features.batching import LengthBatches

    size = way.options.batch_size or _BATCH_SIZE
    return LengthBatches(reviews.sequences, reviews.features, reviews.labels, inputs=inputs, batch_size=size, seed=7)


def _chosen(reviews: Reviews, batches: LengthBatches, way: Way) -> npt.NDArray[np.int64]:
    widths = np.array([reviews.sequences.lengths[rows].max() for rows in batches.rows_of_epoch(0)])
    return spread(widths, min(way.count, len(widths)))


def notebook_turn(way: Way, reviews: Reviews) -> Turn:
    """Keras' own layers without a mask, and Adam, on reviews padded on the left to the longest."""
    prepare_keras()
    import keras

    from tasks.models import build_model

    keras.utils.set_random_seed(7)
    masked = build_model(way.model, num_words=reviews.num_words, num_features=reviews.features.shape[1])
    config = masked.get_config()
    for layer in config["layers"]:
        if layer["class_name"] == "Embedding":
            layer["config"]["mask_zero"] = False
    model = keras.Model.from_config(config)
    model.compile(keras.optimizers.Adam(), "binary_crossentropy", metrics=["accuracy"])
    size, width = _BATCH_SIZE, int(reviews.sequences.lengths.max())

    def batch(number: int) -> Batch:
        rows = np.arange(number * size, min((number + 1) * size, len(reviews.labels)))
        padded = reviews.sequences.take(rows).padded(width)
        shifts = width - reviews.sequences.lengths[rows]
        on_the_left = np.take_along_axis(padded, (np.arange(width) - shifts[:, None]) % width, axis=1)
        inputs = {"seq": on_the_left, "feat": reviews.features[rows]}
        return {key: inputs[key] for key in model.input}, reviews.labels[rows, None].astype(np.float32)

    whole = -(-len(reviews.labels) // size)
    return _fitting(model, batch, spread(np.zeros(whole, dtype=np.int64), min(way.count, whole)), whole)


def _fitting(model: Any, batch: Callable[[int], Any], numbers: npt.NDArray[np.int64], of_epoch: int) -> Turn:
    """A turn is one call of `fit` on these batches."""
    import keras

    class Chosen(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return len(numbers)

        def __getitem__(self, index: int) -> Any:
            return batch(int(numbers[index]))

    def turn() -> float:
        model.fit(Chosen(), shuffle=False, verbose=0)
        return len(numbers) / of_epoch

    return turn


def torch_turn(way: Way, reviews: Reviews) -> Turn:
    """The advanced model in plain PyTorch, on the device that it finds, its batches drawn at random."""
    order = np.random.default_rng(7).permutation(len(reviews.labels))
    size = _BATCH_SIZE
    rows = [order[start : start + size] for start in range(0, len(order), size)]
    return _stepping(reviews, rows[: way.count], len(rows))


def torch_by_length_turn(way: Way, reviews: Reviews) -> Turn:
    """The same loop on our batches."""
    batches = by_length(reviews, way)
    rows = batches.rows_of_epoch(0)
    return _stepping(reviews, [rows[number] for number in _chosen(reviews, batches, way)], len(rows))


def _stepping(reviews: Reviews, batches: list[npt.NDArray[np.int64]], of_epoch: int) -> Turn:
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence

    device = _torch_device()
    parts = nn.ModuleDict(
        {
            "embedding": nn.Embedding(reviews.num_words, 128, padding_idx=0),
            **_torch_lstms(),
            "words": nn.Sequential(nn.Linear(64, 64), nn.ReLU()),
            "features": nn.Sequential(
                nn.Linear(reviews.features.shape[1], 32), nn.ReLU(), nn.BatchNorm1d(32), nn.Dropout(0.5)
            ),
            "head": nn.Sequential(nn.Linear(96, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 1)),
        }
    ).to(device)
    optimizer = torch.optim.Adam(parts.parameters())

    def step(rows: npt.NDArray[np.int64]) -> None:
        taken = reviews.sequences.take(rows)
        lengths = torch.as_tensor(taken.lengths.astype(np.int64))
        embedded = parts["embedding"](torch.as_tensor(taken.padded(int(taken.lengths.max())), device=device))
        embedded = nn.functional.dropout1d(embedded.transpose(1, 2), 0.3).transpose(1, 2)
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = parts["second"](parts["first"](packed)[0])
        words = parts["words"](torch.cat([last[0], last[1]], 1))
        features = parts["features"](torch.as_tensor(reviews.features[rows], device=device))
        logits = parts["head"](torch.cat([words, features], 1))[:, 0]
        labels = torch.as_tensor(reviews.labels[rows], dtype=torch.float32, device=device)
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(logits, labels).backward()
        optimizer.step()

    # On a processor, its gradient of a packed sequence takes long: at each step it fills zeros of the whole one's size.
    return _torch_steps(step, batches if device.type == "cuda" else batches[:1], of_epoch)


def cudnn_turn(way: Way, reviews: Reviews) -> Turn:
    """The LSTMs of the advanced model and nothing else, forth and back, on what lies on the device already."""
    import torch
    from torch import nn
    from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

    device = _torch_device()
    lstms = nn.ModuleDict(_torch_lstms()).to(device)
    batches = by_length(reviews, way)
    rows = batches.rows_of_epoch(0)
    packed = []
    for number in _chosen(reviews, batches, way):
        lengths = torch.as_tensor(reviews.sequences.lengths[rows[number]].astype(np.int64))
        embedded = torch.randn(len(lengths), int(lengths.max()), 128, device=device)
        packed.append(pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False))

    def step(batch: PackedSequence) -> None:
        batch.data.requires_grad_()
        lstms.zero_grad()
        _, (last, _) = lstms["second"](lstms["first"](batch)[0])
        last.sum().backward()

    return _torch_steps(step, packed, len(rows))


def _torch_device() -> Any:
    import torch

    torch.manual_seed(7)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _torch_lstms() -> dict[str, Any]:
    from torch import nn

    return {
        "first": nn.LSTM(128, 64, batch_first=True, bidirectional=True),
        "second": nn.LSTM(128, 32, batch_first=True, bidirectional=True),
    }


def _torch_steps(step: Callable[[Any], None], batches: Sequence[Any], of_epoch: int) -> Turn:
    """A turn is a step on each of these."""
    import torch

    def turn() -> float:
        for batch in batches:
            step(batch)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return len(batches) / of_epoch

    return turn


TURNS: dict[str, Callable[[Way, Reviews], Turn]] = {
    "ours": our_turn,
    "notebook": notebook_turn,
    "torch": torch_turn,
    "torch-by-length": torch_by_length_turn,
    "cudnn": cudnn_turn,
}
