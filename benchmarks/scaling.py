"""How the time and the memory of ingest, featurization, checks and scoring grow with the number of reviews.

    python -m benchmarks.scaling --rows 1000 --rows 10000 --rows 100000 --rows 1000000

Each stage of each size runs in a process of its own, one after the other, on synthetic reviews as text in a Parquet
file. Two peaks are told. Anonymous memory is what the stage holds and nobody can take from it: this must fit into the
machine. Resident memory has the pages of mapped files on top, which the system drops where it needs the room.

The slope is that between the two largest sizes. What it says of ten million reviews is an extrapolation. CPU time
stands beside the seconds, since these tell what else the machine did, too: where only the seconds grow faster than the
reviews, the stage itself does not.

Time grows with the reviews, with two exceptions. Below some ten thousand, what is the same for any number shows. The
checks' linear probe reads at most 50,000 reviews of each split, so that its part, which is most of the checks' time at
100,000 reviews, grows no more from there on: a million cost less each.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.figures import Figure, write_result
from benchmarks.machine import machine
from benchmarks.scaling_picture import draw
from benchmarks.scaling_stages import STAGES, run_stage, write_reviews

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "scaling.json"
PICTURE = ROOT / "docs" / "scaling.png"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
FAR_ROWS = 10_000_000
FAR_BYTES = 4 * 2**30
"""What ten million reviews may take."""
_SAMPLE_SECONDS = 0.02

Cost = dict[str, float]


def measure(rows: int, folder: Path) -> dict[str, Cost]:
    """Of each stage: seconds of wall and of CPU time, peak of resident and of anonymous memory in bytes."""
    reviews, home = folder / "reviews.parquet", folder / "home"
    write_reviews(reviews, rows)
    return {name: in_process(name, reviews, home) for name in STAGES}


def in_process(stage: str, reviews: Path, home: Path) -> Cost:
    """Run a stage in a process that starts now, and look at its memory from outside."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    # Keras says nothing then of what it might do better.
    environment = {**os.environ, "RETRAIN_HOME": str(home), "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "2"}
    for name in ("RETRAIN_DATABASE_URL", "RETRAIN_SOURCES"):
        environment.pop(name, None)
    command = [sys.executable, "-P", "-m", "benchmarks.scaling", "--stage", stage, str(reviews)]
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as wrong:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=said, stderr=wrong)
        peaks = _peaks(process)
        said.seek(0)
        wrong.seek(0)
        if process.returncode:
            reason = (wrong.read().strip().splitlines() or ["it said nothing"])[-1]
            raise click.ClickException(f"the stage {stage} failed with {process.returncode}: {reason}")
        took = json.loads(said.read().splitlines()[-1])
        return {name: round(seconds, 3) for name, seconds in took.items()} | peaks


def _peaks(process: subprocess.Popen[bytes]) -> Cost:
    """The largest amounts that the system tells while the process runs; the resident one is the system's own peak."""
    status = Path(f"/proc/{process.pid}/status")
    peaks = {"resident": 0.0, "anonymous": 0.0}
    while process.poll() is None:
        told = dict(re.findall(r"^(VmHWM|RssAnon):\s+(\d+) kB$", status.read_text(encoding="utf-8"), re.M))
        for name, key in (("resident", "VmHWM"), ("anonymous", "RssAnon")):
            peaks[name] = max(peaks[name], 1024.0 * int(told.get(key, 0)))
        time.sleep(_SAMPLE_SECONDS)
    return peaks


def growth(costs: Mapping[int, Cost]) -> dict[str, Any]:
    """Of a stage: what one more review costs between the two largest sizes, and what that makes of ten million."""
    fewer, more = sorted(costs)[-2:]
    steps = {name: (costs[more][name] - costs[fewer][name]) / (more - fewer) for name in costs[more]}
    far = {name: costs[more][name] + steps[name] * (FAR_ROWS - more) for name in ("anonymous", "seconds")}
    return {
        "microseconds_per_review": round(1e6 * steps["seconds"], 2),
        "anonymous_bytes_per_review": round(steps["anonymous"], 1),
        "resident_bytes_per_review": round(steps["resident"], 1),
        # 1 is linear, below it fixed costs still show.
        "exponents": {
            name: round(_exponent(costs[fewer][name], costs[more][name], more / fewer), 2)
            for name in costs[more]
            if name.endswith("seconds")
        },
        "anonymous_at_10_million": round(far["anonymous"]),
        "seconds_at_10_million": round(far["seconds"], 1),
    }


def _exponent(before: float, after: float, ratio: float) -> float:
    return math.log(after / before) / math.log(ratio)


def figures_of(found: Mapping[str, Mapping[str, Any]]) -> list[Figure]:
    """Rows of the table of all benchmarks: each size, and what ten million reviews would take, against the bound."""
    figures = []
    for stage, of in found.items():
        for rows, cost in of["costs"].items():
            what = f"{stage}, {int(rows):,} reviews"
            figures.append(Figure(what, "s", cost["seconds"]))
            figures.append(Figure(f"{what}, CPU time", "s", cost["cpu_seconds"]))
            figures.append(Figure(f"{what}: anonymous memory", "GiB", cost["anonymous"] / 2**30))
        far = of["growth"]["anonymous_at_10_million"] / 2**30
        what = f"{stage}, 10,000,000 reviews, extrapolated: anonymous memory"
        figures.append(Figure(what, "GiB", far, target=FAR_BYTES / 2**30))
    return figures


def markdown(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The figures as two tables in Markdown: what each size took, and how that grows."""
    lines = [
        "| stage | reviews | seconds | of CPU time | peak anonymous, MiB | peak resident, MiB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for stage, of in found.items():
        for rows, cost in of["costs"].items():
            peaks = " | ".join(f"{cost[name] / 2**20:,.0f}" for name in ("anonymous", "resident"))
            took = f"{cost['seconds']:,.1f} | {cost['cpu_seconds']:,.1f}"
            lines.append(f"| {stage} | {int(rows):,} | {took} | {peaks} |")
    lines += [
        "",
        "| stage | µs a review | grows as rows to the | CPU time to the | anonymous bytes a review "
        "| extrapolated to 10,000,000 reviews: anonymous, GiB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for stage, of in found.items():
        grown = of["growth"]
        lines.append(
            f"| {stage} | {grown['microseconds_per_review']:.1f} "
            f"| {grown['exponents']['seconds']:.2f} | {grown['exponents']['cpu_seconds']:.2f} "
            f"| {grown['anonymous_bytes_per_review']:,.0f} | {grown['anonymous_at_10_million'] / 2**30:.1f} |"
        )
    return "\n".join(lines) + "\n"


def found_of(measured: Mapping[int, Mapping[str, Cost]]) -> dict[str, dict[str, Any]]:
    """The costs by stage, and how they grow."""
    by_stage = {stage: {rows: costs[stage] for rows, costs in measured.items()} for stage in STAGES}
    return {
        stage: {"costs": {str(rows): cost for rows, cost in costs.items()}, "growth": growth(costs)}
        for stage, costs in by_stage.items()
    }


def _sizes(_context: click.Context, _parameter: click.Parameter, sizes: Sequence[int]) -> list[int]:
    if len(set(sizes)) < 2:
        raise click.BadParameter("name at least two sizes: a slope needs two.")
    return sorted(set(sizes))


@click.command()
@click.option("--rows", "sizes", multiple=True, type=click.IntRange(min=300), default=SIZES, callback=_sizes)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Where figures go.")
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), default=PICTURE, help="Where the plot goes."
)
@click.option("--stage", nargs=2, hidden=True, type=(click.Choice(list(STAGES)), click.Path(path_type=Path)))
def main(sizes: list[int], output: Path, picture: Path, stage: tuple[str, Path] | None) -> None:
    """Measure all stages at each number of reviews, --rows; the largest needs about 10 kB of disk for each review."""
    if stage is not None:
        # One of the processes that are measured.
        click.echo(json.dumps(run_stage(*stage)))
        return
    measured: dict[int, dict[str, Cost]] = {}
    for rows in sizes:
        with tempfile.TemporaryDirectory() as name:
            measured[rows] = measure(rows, Path(name))
        click.echo(f"{rows:,} reviews: {json.dumps(measured[rows])}", err=True)
    found = found_of(measured)
    settings = {"sizes": sizes, "memory": "sampled every 20 ms from /proc", "slope": "between the two largest sizes"}
    described = machine("pyarrow", "numpy", "scikit-learn", "keras")
    write_result(output, machine=described, settings=settings, found=found, figures=figures_of(found))
    draw(found, picture)
    click.echo(markdown(found))


if __name__ == "__main__":
    main()
