"""What training fast costs in accuracy: every way is trained with the same seeds, and measured on the test reviews.

`ours` is `retrain run` with its defaults. `bfloat16` rounds products. `plain` has Keras' own layers and Adam, in
float32. `batch-256`, `batch-512` and `batch-1024` take batches of that size, at the same learning rate. The reviews are
split as `retrain run` splits them, whatever the seed, and all else is the product's: loop, early stopping, metrics.

    python -m benchmarks.accuracy --reviews imdb_reviews.parquet

Each training is a process of its own, and is written down when it ends: the same command goes on where another was
interrupted. Without `--reviews` it shows what the file holds. With a GPU, `KERAS_BACKEND=jax` or `KERAS_BACKEND=torch`
before it trains there; one file holds the trainings of several devices.

A difference is ours minus the other way's, of the same seed, with Student's interval over the seeds, which is wide with
three of them. One that holds zero shows no difference; a difference as large as its ends may still be there.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import click

from benchmarks.accuracy_pairs import Trained, figures_of, table
from benchmarks.figures import write_result
from benchmarks.machine import machine
from storage.matrices import read_featurized, read_matrix, write_matrices
from storage.options import ColumnOptions, DataOptions, FeatureOptions, TrainingOptions
from storage.records import MODEL_NAMES, SPLITS, ModelName
from storage.snapshots import content_id
from storage.versions import code_digest
from tasks.evaluation.metrics import evaluate
from tasks.features.matrices import fit_and_featurize
from tasks.features.vocabulary import Vocabulary
from tasks.sources.base import Limits
from tasks.sources.parquet import ParquetSource
from tasks.sources.texts import TextPart, gather
from tasks.training.job import STREAMS
from tasks.training.progress import LineProgress
from tasks.training.runtime import device_name, prepare_keras

RESULTS = Path(__file__).parent / "results" / "accuracy.json"
WAYS: dict[str, TrainingOptions] = {
    "ours": TrainingOptions(),
    "bfloat16": TrainingOptions(precision="bfloat16"),
    "plain": TrainingOptions(precision="float32"),
    "batch-256": TrainingOptions(batch_size=256),
    "batch-512": TrainingOptions(batch_size=512),
    "batch-1024": TrainingOptions(batch_size=1024),
}
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        folder: Of the matrices.
        matrices_id: Those to train on.
        epochs: Most epochs.
    """

    folder: Path
    matrices_id: str
    model: ModelName
    way: str
    seed: int
    epochs: int


def in_a_process(work: Callable[..., Result], *arguments: Any) -> Result:
    """Do it in a process of its own, which leaves no memory and no threads."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def prepare(reviews: Path, rows: int, folder: Path) -> tuple[str, dict[str, Any]]:
    """Split and featurize as `retrain run` does; returns the id of the matrices below `folder`, and what they hold.

    Args:
        reviews: A Parquet file.
        rows: Most reviews of train, validation included, and of test; 0 takes all.
        folder: Where they go.
    """
    options = DataOptions()
    limits = Limits(options.max_uncompressed_bytes, options.max_rows, options.max_text_length)
    part = TextPart(reviews.stem, ParquetSource(reviews, limits), ColumnOptions())
    spool, refused = folder / "spool.parquet", folder / "refused.jsonl"
    gathered = gather([part], options, rows, spool=spool, quarantine=refused)
    vocabulary = Vocabulary.from_json(dict(gathered.texts.vocabulary))
    matrices, encoder, scaler = fit_and_featurize(gathered.splits, FeatureOptions(), vocabulary)
    snapshot = content_id(gathered.splits)
    matrices_id = write_matrices(
        folder, matrices, snapshot_id=snapshot, encoder=encoder.to_json(), scaler=scaler.to_json(), tables=()
    )
    counts = {f"{name}_rows": len(matrix) for name, matrix in matrices.items()}
    return matrices_id, {**counts, "snapshot": snapshot[:12]}


def device() -> str:
    """What would train in this process."""
    prepare_keras()
    return device_name()


def train(job: Job) -> Trained:
    """Do a job in this process, the epochs' lines on its error stream."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("tasks").setLevel(logging.INFO)
    prepare_keras(STREAMS.get(job.model, 1))
    from tasks.features.batching import predict

    matrices = {split: read_matrix(job.folder, job.matrices_id, split) for split in SPLITS}
    trained = training_of(job.way)(
        job.model,
        matrices["train"],
        matrices["validation"],
        WAYS[job.way],
        epochs=job.epochs,
        seed=job.seed,
        num_words=read_featurized(job.folder, job.matrices_id).encoder["num_words"],
        progress=LineProgress(),
    )
    test = matrices["test"]
    found = evaluate("test", test.labels, predict(trained.model, test.sequences, test.features))
    return Trained(
        device=device_name(),
        model=job.model,
        way=job.way,
        seed=job.seed,
        products=trained.products,
        epochs=len(trained.epochs),
        best_epoch=trained.best_epoch,
        seconds=round(trained.seconds, 1),
        accuracy=found.confusion.accuracy,
        auc=found.auc,
        code=code_digest()[:12],
    )


def training_of(way: str) -> Callable[..., Any]:
    """The product's loop; for the plain way, with nothing of the product's own in what it trains."""
    import keras

    from tasks.training.loop import train_model

    if way != "plain":
        return train_model
    return patch.multiple(
        "tasks.training.loop",
        accelerated=lambda model, _: (model, "float32"),
        adam=lambda learning_rate, clip_norm: keras.optimizers.Adam(learning_rate, global_clipnorm=clip_norm),
    )(train_model)


def read_trainings(output: Path) -> list[Trained]:
    """Those that a file holds; none where there is no file."""
    if not output.is_file():
        return []
    return [Trained(**one) for one in json.loads(output.read_text(encoding="utf-8"))["found"]["trainings"]]


def write_trainings(output: Path, settings: dict[str, Any], trainings: Sequence[Trained]) -> None:
    """Write them all, with what they come to; whoever is interrupted leaves the file as it was."""
    partial = output.with_name(f"{output.name}.partial")
    write_result(
        partial,
        machine=machine("keras", "numpy"),
        settings=settings,
        found={"trainings": [asdict(one) for one in trainings]},
        figures=figures_of(trainings),
    )
    partial.replace(output)


def check_settings(output: Path, settings: dict[str, Any]) -> None:
    """Refuse to add to trainings on other reviews, or of other lengths.

    Raises:
        ClickException: The file holds such.
    """
    if output.is_file() and (held := json.loads(output.read_text(encoding="utf-8"))["settings"]) != settings:
        raise click.ClickException(
            f"{output} holds trainings of {held}, which cannot be compared with {settings}: name another with --output."
        )


def do(jobs: Iterable[Job], settings: dict[str, Any], output: Path, *, again: bool) -> None:
    """Train what the file does not hold, or all of it, and write each down when it is done.

    Raises:
        ClickException: The file holds trainings of other settings.
    """
    check_settings(output, settings)
    trained = {one.key: one for one in read_trainings(output)}
    here = in_a_process(device)
    for job in jobs:
        if again or (here, job.model, job.way, job.seed) not in trained:
            one = in_a_process(train, job)
            trained[one.key] = one
            write_trainings(output, settings, [*trained.values()])
            words = f"accuracy {one.accuracy:.4f}, AUC {one.auc:.4f}, {one.epochs} epochs in {one.seconds:.0f} s"
            click.echo(f"{one.model}, {one.way}, seed {one.seed}: {words}", err=True)


@click.command()
@click.option(
    "--reviews",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A Parquet file with columns split, text and label; without it, nothing is trained.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Trainings of each way.")
@click.option("--models", type=click.Choice(MODEL_NAMES), multiple=True, default=MODEL_NAMES, help="May be repeated.")
@click.option("--ways", type=click.Choice(list(WAYS)), multiple=True, default=list(WAYS), help="May be repeated.")
@click.option("--rows", type=click.IntRange(min=0), default=0, help="Most reviews of train and of test; 0 takes all.")
@click.option("--epochs", type=click.IntRange(min=1), default=12, show_default=True, help="Most epochs of a training.")
@click.option("--again", is_flag=True, help="Train what the file holds, too, and replace it.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Where trainings go.")
def main(
    reviews: Path | None,
    seeds: int,
    models: tuple[ModelName, ...],
    ways: tuple[str, ...],
    rows: int,
    epochs: int,
    again: bool,
    output: Path,
) -> None:
    """Train every way with every seed, and compare them on the test reviews."""
    if reviews is not None:
        wanted = [(model, way, seed) for seed in range(1, seeds + 1) for model in models for way in ways]
        with tempfile.TemporaryDirectory() as made:
            matrices_id, counts = in_a_process(prepare, reviews, rows, Path(made))
            jobs = [Job(Path(made), matrices_id, *one, epochs) for one in wanted]
            do(jobs, {**counts, "epochs": epochs}, output, again=again)
    click.echo(table(read_trainings(output)))


if __name__ == "__main__":
    main()
