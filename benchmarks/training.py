"""How long an epoch of training takes, against the notebook's way and a plain loop of PyTorch.

The project's way is that of `retrain run`: batches of similar length, the layers, the optimizer, the precision and the
threads of `tasks.training`. The notebook's is Keras' `fit` on reviews padded to one length, in one order of lengths,
with Keras' own layers and Adam. PyTorch's, where it is installed, is `torch.nn.LSTM` on packed sequences. All train on
the same reviews. Each way is a process of its own, since threads are set once; the processes take turns, and each turn
trains some batches from all over an epoch.

    python -m benchmarks.training --reviews imdb_reviews.parquet

`python -m benchmarks.training_gpu` is the same for a GPU.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.figures import Figure, markdown, read_figures, write_result
from benchmarks.machine import machine
from benchmarks.options import reviews_option
from benchmarks.training_ways import Reviews, Way
from benchmarks.training_worker import worker
from storage.options import TrainingOptions
from storage.records import MODEL_NAMES, ModelName

RESULTS = Path(__file__).parent / "results" / "training.json"
LARGEST_RATIOS: dict[ModelName, float] = {"baseline_avgpool": 0.5, "advanced_bilstm_features": 0.4}
AGAINST = {"notebook": "the notebook's way", "torch": "a plain loop of PyTorch"}
ROWS = 22_500


@dataclass(frozen=True)
class Compared:
    """Ways that took turns.

    Attributes:
        ready: By way, what trains and after how many seconds it was ready.
        epochs: By way, the seconds an epoch takes, `(repeats,)`.
    """

    ready: dict[str, dict[str, Any]]
    epochs: dict[str, list[float]]


def compare(given: Way, ways: tuple[str, ...], folder: Path, repeats: int) -> Compared:
    """All ways have their turn before one has its next."""
    with ExitStack() as stack:
        workers = {way: stack.enter_context(worker(way, given, folder)) for way in ways}
        compared = Compared({way: ready for way, (ready, _) in workers.items()}, {way: [] for way in ways})
        for _ in range(repeats):
            for way, (_, turn) in workers.items():
                compared.epochs[way].append(turn())
    return compared


def figure_of(name: ModelName, way: str, epochs: dict[str, list[float]]) -> Figure:
    """The row for what ours is held against."""
    target = LARGEST_RATIOS[name] if way == "notebook" else None
    return Figure.of_turns(f"{name}, an epoch", epochs["ours"], epochs[way], against=AGAINST[way], target=target)


@click.command()
@reviews_option
@click.option("--rows", type=click.IntRange(min=1), default=ROWS, show_default=True, help="Reviews of an epoch.")
@click.option(
    "--batches",
    type=click.IntRange(min=1),
    default=11,
    show_default=True,
    help="Batches of a turn of the BiLSTM; the other model trains whole epochs.",
)
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Turns of each way.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Where figures go.")
def main(reviews: Path, rows: int, batches: int, repeats: int, output: Path) -> None:
    """Measure an epoch of both models on the training reviews."""
    figures, found = list[Figure](), dict[str, Any]()
    with tempfile.TemporaryDirectory() as made:
        Reviews.write(Path(made), reviews, rows)
        for model in MODEL_NAMES:
            # What takes no time is trained whole: beginning and ending a turn would count too much.
            given = Way(model, TrainingOptions(), batches if model == "advanced_bilstm_features" else rows)
            # Two at a time: the threads of one that waits can take time from the others.
            for way in ways_of(model):
                compared = compare(given, ("ours", way), Path(made), repeats)
                found[f"{model}, {way}"] = asdict(compared)
                figures.append(figure_of(model, way, compared.epochs))
    settings = {"rows": rows, "batches_of_a_turn": batches, "repeats": repeats}
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    described = machine("keras", backend) | {"backend": backend}
    write_result(output, machine=described, settings=settings, found=found, figures=figures)
    click.echo(markdown(read_figures(output)))


def ways_of(model: ModelName) -> tuple[str, ...]:
    """What there is to hold a model against where nothing is named."""
    has_torch = model == "advanced_bilstm_features" and importlib.util.find_spec("torch") is not None
    return ("notebook", "torch") if has_torch else ("notebook",)


if __name__ == "__main__":
    main()
