"""What a whole run takes, stage by stage, and how much of it is neither training nor prediction nor the probe.

    python -m benchmarks.whole_run --reviews imdb_reviews.parquet

runs `retrain run` on the file in a fresh home, with a temporary Prefect server; `--run latest` tells the same of a run
that is in the store of your own home, without what its process took beside it. What stands after `--` is handed on to
`retrain run`.

Training is the stages `train MODEL`, the start of their processes included. Prediction is `predict MODEL`, which loads
the model and scores validation and test rows once, and `predict again MODEL`, the wait for what the checks ask of the
published model, the start of the process that answers included. The probe is `probe`. All else is outside. A share is
of the time that the store gives the run. What the process takes before and after it, such as the imports and the start
of Prefect, is told by itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.figures import Figure, markdown, read_figures, write_result
from benchmarks.machine import machine
from storage.metrics.reader import MetricsReader
from storage.settings import Settings

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "whole_run.json"
LARGEST_SHARE = 5.0
"""Per cent of a run that may be outside of training, prediction and the probe."""
LARGEST_GIGABYTES = 3.0
_INSIDE = ("train ", "predict ")


def run_in(home: Path, arguments: Sequence[str]) -> float:
    """Run `retrain run` in a fresh home, its log on this terminal; returns the seconds that its process took.

    Raises:
        ClickException: It failed.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RETRAIN_", "PREFECT_"))}
    own = {"RETRAIN_HOME": str(home), "PREFECT_HOME": str(home / "prefect"), "PYTHONPATH": str(ROOT)}
    quiet = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    patient = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180"}
    command = [str(Path(sys.executable).with_name("retrain")), "run", *arguments]
    started = time.monotonic()
    status = subprocess.run(command, cwd=home, env={**kept, **quiet, **patient, **own}, check=False).returncode
    if status != 0:
        raise click.ClickException(f"`retrain run` ended with status {status}: nothing was measured.")
    return time.monotonic() - started


def account_of(run: dict[str, Any]) -> dict[str, Any]:
    """Seconds, share and peak memory of each stage, and what is outside of training, prediction and the probe.

    Args:
        run: As the store's reader gives it.
    """
    total = run["seconds"]
    stages = [
        {
            "name": stage["name"],
            "seconds": round(stage["seconds"], 2),
            "percent": round(100 * stage["seconds"] / total, 2),
            "peak_memory_bytes": stage["peak_memory_bytes"],
        }
        for stage in run["stages"]
    ]
    inside = sum(stage["seconds"] for stage in run["stages"] if is_inside(stage["name"]))
    return {
        "seconds": round(total, 2),
        "outside_seconds": round(total - inside, 2),
        "peak_memory_bytes": max(stage["peak_memory_bytes"] for stage in run["stages"]),
        "stages": stages,
    }


def is_inside(stage: str) -> bool:
    """Whether a stage is training, prediction or the probe."""
    return stage.startswith(_INSIDE) or stage == "probe"


def figures_of(found: dict[str, Any], num_reviews: int) -> list[Figure]:
    """The account as rows of the common table."""
    total, outside = found["seconds"], found["outside_seconds"]
    what = f"whole run, {num_reviews:,} reviews"
    figures = [
        Figure(what, "s", total),
        Figure(f"{what}: outside training, prediction and the probe", "%", 100 * outside / total, target=LARGEST_SHARE),
        Figure(f"{what}: peak memory", "GB", found["peak_memory_bytes"] / 1e9, target=LARGEST_GIGABYTES),
        *(Figure(f"{what}: {stage['name']}", "s", stage["seconds"]) for stage in found["stages"]),
        Figure(f"{what}: between the stages", "s", total - sum(stage["seconds"] for stage in found["stages"])),
    ]
    if "process_seconds" in found:
        figures.append(Figure(f"{what}: imports, Prefect's start and end", "s", found["process_seconds"] - total))
    return figures


@click.command()
@click.option(
    "--reviews", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="What the run is to be trained on."
)
@click.option("--run", "name", help="Tell of this run of your own home's store, an id or latest; nothing is run.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Where figures go.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(reviews: Path | None, name: str | None, output: Path, arguments: tuple[str, ...]) -> None:
    """Measure a whole run; ARGUMENTS, after --, are handed on to `retrain run`."""
    if (reviews is None) == (name is None):
        raise click.UsageError("what is to be told of? Name a file with --reviews, or a run with --run.")
    if reviews is None:
        run = MetricsReader(Settings.from_environment().database_url).run(name or "latest")
        beside: dict[str, float] = {}
    else:
        with tempfile.TemporaryDirectory(prefix="whole-run-") as folder:
            home = Path(folder)
            seconds = run_in(home, ["--source", str(reviews.resolve()), *arguments])
            run = MetricsReader(Settings.from_environment({"RETRAIN_HOME": folder}).database_url).run("latest")
            beside = {"process_seconds": round(seconds, 2)}
    if run["flow"] != "retrain" or run["state"] != "completed":
        raise click.ClickException(f"run {run['id']} is no retraining that came to its decision.")
    found = account_of(run) | beside
    num_reviews = sum(run["snapshot"][f"num_{split}"] for split in ("train", "validation", "test"))
    settings = {"rows": num_reviews, "device": run["device"], "arguments": " ".join(arguments) or "none"}
    write_result(
        output,
        machine=machine("keras", "numpy", "prefect", "tensorflow"),
        settings=settings,
        found=found,
        figures=figures_of(found, num_reviews),
    )
    click.echo(markdown(read_figures(output)))


if __name__ == "__main__":
    main()
