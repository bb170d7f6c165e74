"""How long an epoch of training takes on a GPU, against a plain loop of PyTorch and against cuDNN's LSTMs alone.

    KERAS_BACKEND=jax python -m benchmarks.training_gpu --reviews imdb_reviews.parquet

PyTorch's loop (`torch.nn.LSTM`, packed) has our batches of similar length and, once more, batches drawn at random. The
notebook's way, on the same backend, is padded and knows no lengths. Each way is a process of its own, alone on the GPU
and one after the other, since larger batches take most of its memory; each trains whole epochs, of which the medians
count. Without a GPU it trains all the same, for hours.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.figures import Figure, markdown, read_figures, write_result
from benchmarks.machine import machine
from benchmarks.options import reviews_option
from benchmarks.training import ROWS
from benchmarks.training_ways import Reviews, Way
from benchmarks.training_worker import worker
from storage.options import TrainingOptions
from storage.records import ModelName

RESULTS = Path(__file__).parent / "results" / "training_gpu.json"
AGAINST = {
    "torch-by-length": "a plain loop of PyTorch on the same batches",
    "cudnn": "its LSTMs alone on the same batches",
    "torch": "a plain loop of PyTorch",
    "notebook": "the notebook's way",
}
# Nine tenths of the speed of PyTorch's loop, and two seconds an epoch.
LARGEST_RATIO, MOST_SECONDS = 1 / 0.9, 2.0
_GROWN = 1024
_BILSTM: ModelName = "advanced_bilstm_features"
WAYS: dict[str, tuple[str, ModelName, TrainingOptions]] = {
    "ours": ("ours", _BILSTM, TrainingOptions(batch_size=256)),
    "ours, float32": ("ours", _BILSTM, TrainingOptions(batch_size=256, precision="float32")),
    "ours, grown": ("ours", _BILSTM, TrainingOptions(batch_size=_GROWN)),
    **{way: (way, _BILSTM, TrainingOptions()) for way in AGAINST},
    "ours, baseline": ("ours", "baseline_avgpool", TrainingOptions()),
    "notebook, baseline": ("notebook", "baseline_avgpool", TrainingOptions()),
}


def figures_of(epochs: Mapping[str, Sequence[float]]) -> list[Figure]:
    """The rows: our batches of 256 against each of the others, then the larger batches and the other precision."""
    ours = epochs["ours"]
    name = f"{_BILSTM}, an epoch on a GPU"
    figures = [
        _against(name, ours, epochs[way], words, LARGEST_RATIO if way == "torch-by-length" else None)
        for way, words in AGAINST.items()
    ]
    grown = float(np.median(epochs["ours, grown"]))
    return [
        *figures,
        _against(f"{name}, tfloat32", ours, epochs["ours, float32"], "float32", None),
        Figure(f"{name}, batches of {_GROWN:,}", "s", grown, target=MOST_SECONDS),
        _against("baseline_avgpool, an epoch on a GPU", *_baselines(epochs), AGAINST["notebook"], None),
    ]


def _baselines(epochs: Mapping[str, Sequence[float]]) -> tuple[Sequence[float], Sequence[float]]:
    return epochs["ours, baseline"], epochs["notebook, baseline"]


def _against(
    name: str, ours: Sequence[float], reference: Sequence[float], against: str, target: float | None
) -> Figure:
    """They did not take turns: what is compared is their medians."""
    medians = float(np.median(ours)), float(np.median(reference))
    return Figure(name, "s", *medians, against, medians[0] / medians[1], target)


@click.command()
@reviews_option
@click.option("--rows", type=click.IntRange(min=1), default=ROWS, show_default=True, help="Reviews of an epoch.")
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Epochs of each way.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Where figures go.")
def main(reviews: Path, rows: int, repeats: int, output: Path) -> None:
    """Measure an epoch of both models on the training reviews."""
    epochs, ready = dict[str, list[float]](), dict[str, dict[str, Any]]()
    with tempfile.TemporaryDirectory() as made:
        Reviews.write(Path(made), reviews, rows)
        for label, (way, model, options) in WAYS.items():
            with worker(way, Way(model, options, rows), Path(made)) as (ready[label], turn):
                epochs[label] = [turn() for _ in range(repeats)]
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    write_result(
        output,
        machine=machine("keras", "torch") | {"backend": backend, "gpu": ready["ours"]["device"]},
        settings={"rows": rows, "repeats": repeats},
        found={"epochs": epochs, "ready": ready},
        figures=figures_of(epochs),
    )
    click.echo(markdown(read_figures(output)))


if __name__ == "__main__":
    main()
