"""How long an epoch of training takes, against the notebook's way and a plain loop of PyTorch.

The project's way is that of `retrain run`: batches of similar length, the layers, the optimizer, the precision and the
threads of `tasks.training`. The notebook's is Keras' `fit` on reviews padded to one length, in one order of lengths,
with Keras' own layers and Adam. PyTorch's, where it is installed, is `torch.nn.LSTM` on packed sequences. All train on
the same reviews. Each way is a process of its own, since threads are set once; the processes take turns, and each turn
trains some batches from all over an epoch.

    python -m benchmarks.training --reviews imdb_reviews.parquet

With a GPU, `KERAS_BACKEND=jax` or `KERAS_BACKEND=torch` before it trains there, and `--batches 88` measures
whole epochs; the notebook's way is on that backend, too.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from benchmarks.figures import Figure, markdown, read_figures, write_result
from benchmarks.machine import machine
from benchmarks.scoring import prepare
from storage.options import TrainingOptions
from storage.records import MODEL_NAMES, ModelName
from storage.sequences import Sequences
from tasks.training.job import STREAMS
from tasks.training.runtime import device_name, prepare_keras

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "training.json"
LARGEST_RATIOS: dict[ModelName, float] = {"baseline_avgpool": 0.5, "advanced_bilstm_features": 0.4}
AGAINST = {"notebook": "the notebook's way", "torch": "a plain loop of PyTorch"}
_ROWS = 22_500

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


def our_turn(name: ModelName, reviews: Reviews, count: int) -> Turn:
    """The way of `tasks.training`."""
    prepare_keras(STREAMS.get(name, 1))
    from tasks.features.batching import LengthBatches
    from tasks.models import build_model
    from tasks.training.acceleration import accelerated, adam
    from tasks.training.loop import seeded

    options = TrainingOptions()
    plain = seeded(build_model(name, num_words=reviews.num_words, num_features=reviews.features.shape[1]), 7)
    model, _ = accelerated(plain, options.precision)
    model.compile(adam(options.learning_rate, options.clip_norm), "binary_crossentropy", metrics=["accuracy"])
    batches = LengthBatches(
        reviews.sequences,
        reviews.features,
        reviews.labels,
        inputs=tuple(model.input),
        batch_size=options.batch_size,
        seed=7,
    )
    widths = np.array([reviews.sequences.lengths[rows].max() for rows in batches.rows_of_epoch(0)])
    return _fitting(model, lambda number: batches[number], spread(widths, min(count, len(widths))), len(widths))


def notebook_turn(name: ModelName, reviews: Reviews, count: int) -> Turn:
    """Keras' own layers without a mask, and Adam, on reviews padded on the left to the longest."""
    prepare_keras()
    import keras

    from tasks.models import build_model

    keras.utils.set_random_seed(7)
    masked = build_model(name, num_words=reviews.num_words, num_features=reviews.features.shape[1])
    config = masked.get_config()
    for layer in config["layers"]:
        if layer["class_name"] == "Embedding":
            layer["config"]["mask_zero"] = False
    model = keras.Model.from_config(config)
    model.compile(keras.optimizers.Adam(), "binary_crossentropy", metrics=["accuracy"])
    size, width = TrainingOptions().batch_size, int(reviews.sequences.lengths.max())

    def batch(number: int) -> Batch:
        rows = np.arange(number * size, min((number + 1) * size, len(reviews.labels)))
        padded = reviews.sequences.take(rows).padded(width)
        shifts = width - reviews.sequences.lengths[rows]
        on_the_left = np.take_along_axis(padded, (np.arange(width) - shifts[:, None]) % width, axis=1)
        inputs = {"seq": on_the_left, "feat": reviews.features[rows]}
        return {key: inputs[key] for key in model.input}, reviews.labels[rows, None].astype(np.float32)

    whole = -(-len(reviews.labels) // size)
    return _fitting(model, batch, spread(np.zeros(whole, dtype=np.int64), min(count, whole)), whole)


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


def torch_turn(_: ModelName, reviews: Reviews, count: int) -> Turn:
    """The advanced model in plain PyTorch, on the device that it finds."""
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(7)
    parts = nn.ModuleDict(
        {
            "embedding": nn.Embedding(reviews.num_words, 128, padding_idx=0),
            "first": nn.LSTM(128, 64, batch_first=True, bidirectional=True),
            "second": nn.LSTM(128, 32, batch_first=True, bidirectional=True),
            "words": nn.Sequential(nn.Linear(64, 64), nn.ReLU()),
            "features": nn.Sequential(
                nn.Linear(reviews.features.shape[1], 32), nn.ReLU(), nn.BatchNorm1d(32), nn.Dropout(0.5)
            ),
            "head": nn.Sequential(nn.Linear(96, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 1)),
        }
    ).to(device)
    optimizer = torch.optim.Adam(parts.parameters())
    size = TrainingOptions().batch_size

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

    order = np.random.default_rng(7).permutation(len(reviews.labels))
    rows = [order[start : start + size] for start in range(0, len(order), size)]
    # On a processor, its gradient of a packed sequence takes long: at each step it fills zeros of the whole one's size.
    taken_rows = rows[: count if device.type == "cuda" else 1]

    def turn() -> float:
        for batch in taken_rows:
            step(batch)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return len(taken_rows) / len(rows)

    return turn


TURNS: dict[str, Callable[[ModelName, Reviews, int], Turn]] = {
    "ours": our_turn,
    "notebook": notebook_turn,
    "torch": torch_turn,
}


def work(way: str, name: ModelName, folder: Path, count: int) -> None:
    """Be one of the processes: a turn for each line that comes, answered by what makes an epoch, in seconds."""
    turn = TURNS[way](name, Reviews(folder), count)
    # Each shape is traced once, and memory is taken.
    for _ in range(2):
        turn()
    print("PyTorch" if way == "torch" else device_name(), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        share = turn()
        print((time.perf_counter() - started) / share, flush=True)


@contextmanager
def worker(way: str, name: ModelName, folder: Path, count: int) -> Iterator[Callable[[], float]]:
    """A process that has warmed up: what gives it a turn, and says how many seconds an epoch takes."""
    command = [sys.executable, "-m", "benchmarks.training", "--worker", way, "--model", name, "--batches", str(count)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*command, "--folder", str(folder)], env=environment, stdin=pipe, stdout=pipe, text=True, cwd=ROOT
    ) as process:
        try:
            click.echo(f"{name}, {way}: {_answer(process).strip()}", err=True)
            yield partial(_turn, process)
        finally:
            process.terminate()


def _turn(process: subprocess.Popen[str]) -> float:
    assert process.stdin is not None
    process.stdin.write("turn\n")
    process.stdin.flush()
    return float(_answer(process))


def _answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    if not (line := process.stdout.readline()):
        raise click.ClickException("a training process ended before its turn.")
    return line


def compare(name: ModelName, ways: tuple[str, ...], folder: Path, count: int, repeats: int) -> dict[str, list[float]]:
    """Seconds an epoch takes each way, `(repeats,)`; all have their turn before one has its next."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with ExitStack() as stack:
        workers = {way: stack.enter_context(worker(way, name, folder, count)) for way in ways}
        for _ in range(repeats):
            for way, turn in workers.items():
                seconds[way].append(turn())
    return seconds


def figure_of(name: ModelName, way: str, epochs: dict[str, list[float]]) -> Figure:
    """The row for what ours is held against."""
    target = LARGEST_RATIOS[name] if way == "notebook" else None
    return Figure.of_turns(f"{name}, an epoch", epochs["ours"], epochs[way], against=AGAINST[way], target=target)


@click.command()
@click.option(
    "--reviews",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A Parquet file with columns split and text.",
)
@click.option("--rows", type=click.IntRange(min=1), default=_ROWS, show_default=True, help="Reviews of an epoch.")
@click.option(
    "--batches",
    type=click.IntRange(min=1),
    default=11,
    show_default=True,
    help="Batches of a turn of the BiLSTM; the other model trains whole epochs.",
)
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Turns of each way.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Where figures go.")
@click.option("--worker", "way", type=click.Choice(list(TURNS)), hidden=True)
@click.option("--model", "name", type=click.Choice(MODEL_NAMES), hidden=True)
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), hidden=True)
def main(
    reviews: Path | None,
    rows: int,
    batches: int,
    repeats: int,
    output: Path,
    way: str | None,
    name: ModelName | None,
    folder: Path | None,
) -> None:
    """Measure an epoch of both models on the training reviews."""
    if way and name and folder:
        work(way, name, folder, batches)
        return
    if reviews is None:
        raise click.UsageError("name a Parquet file of reviews with --reviews.")
    figures, found = list[Figure](), dict[str, Any]()
    with tempfile.TemporaryDirectory() as made:
        Reviews.write(Path(made), reviews, rows)
        for model in MODEL_NAMES:
            # What takes no time is trained whole: beginning and ending a turn would count too much.
            count = batches if model == "advanced_bilstm_features" else rows
            has_torch = model == "advanced_bilstm_features" and importlib.util.find_spec("torch") is not None
            # Two at a time: the threads of one that waits can take time from the others.
            for way in ("notebook", *(["torch"] if has_torch else [])):
                epochs = compare(model, ("ours", way), Path(made), count, repeats)
                found[f"{model}, {way}"] = epochs
                figures.append(figure_of(model, way, epochs))
    settings = {"rows": rows, "batches_of_a_turn": batches, "repeats": repeats}
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    described = machine("keras", backend) | {"backend": backend}
    write_result(output, machine=described, settings=settings, found=found, figures=figures)
    click.echo(markdown(read_figures(output)))


if __name__ == "__main__":
    main()
