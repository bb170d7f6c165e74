"""How long each command takes from a cold shell until its answer is there, and a run that finds nothing to do.

Each is a process of its own, with the files of its libraries in the page cache. In each round they take turns with a
bare Python, and with a program that imports first of all what the commands need between them.

    python -m benchmarks.start_up

Makes a small run in a home of its own, and asks about that one. `--home` names one where a run of this very code and
configuration has come to its decision, and costs more: that of all reviews.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from benchmarks.figures import Figure, write_result
from benchmarks.machine import machine

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results" / "start_up.json"
RETRAIN = str(Path(sys.executable).with_name("retrain"))
BARE, ALL_FIRST = "python, bare", "python, all imported first"
ALL = "import tensorflow, keras, prefect, sqlalchemy, alembic, sklearn.metrics, scipy.stats, pandas, matplotlib.figure"
# Seconds.
TARGETS = {"retrain --help": 0.3, "retrain history": 0.5}
NOTHING_TO_DO, MOST_FOR_NOTHING = "retrain run, nothing to do", 10.0
_SMALL = (
    "--source",
    "synthetic",
    "--epochs",
    "2",
    "--set",
    "synthetic.num_train=600",
    "--set",
    "synthetic.num_test=200",
)


@dataclass(frozen=True)
class Home:
    """Where the commands look.

    Attributes:
        folder: The home of the store.
        environment: Variables of all processes.
        run: Arguments of the `retrain run` that was made there.
    """

    folder: Path
    environment: Mapping[str, str]
    run: tuple[str, ...]

    @classmethod
    def at(cls, folder: Path, prefect: Path, run: Sequence[str]) -> Home:
        """A home in `folder`, with Prefect's own in another one and no server."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
        own = {"RETRAIN_HOME": str(folder), "PREFECT_HOME": str(prefect), "PYTHONPATH": os.pathsep.join(paths)}
        return cls(folder, kept | own, tuple(run))

    def call(self, *command: str) -> str:
        """What a command prints.

        Raises:
            ClickException: It failed.
        """
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise click.ClickException(f"`{' '.join(command)}` failed with {done.returncode}, and said: {said}")
        return done.stdout

    def seconds(self, *command: str) -> float:
        """How long a command takes, from its start until it is gone."""
        started = time.perf_counter()
        self.call(*command)
        return time.perf_counter() - started


def commands_of(line: str) -> dict[str, tuple[str, ...]]:
    """What is measured in turns, by name: the two references first."""
    asked = (
        *(("--help",), ("history",), ("show", "latest"), ("sql", "SELECT count(*) FROM run_overview"), ("champion",)),
        *(("compare", "latest", "latest"), ("report", "latest"), ("trend", line)),
    )
    named = {f"retrain {arguments[0]}": (RETRAIN, *arguments) for arguments in asked}
    return {BARE: (sys.executable, "-c", "pass"), ALL_FIRST: (sys.executable, "-c", ALL), **named}


def measure(home: Home, repeats: int) -> dict[str, list[float]]:
    """Seconds of each command, one figure a round, after a round that is not counted."""
    # The small run may have promoted nothing; then `retrain champion` has no answer that could be waited for.
    (latest,) = json.loads(home.call(RETRAIN, "history", "--limit", "1", "--flow", "retrain", "--json"))
    commands = commands_of(latest["line"])
    if not json.loads(home.call(RETRAIN, "sql", "--json", "SELECT line FROM champions LIMIT 1")):
        del commands["retrain champion"]
    rounds = [{name: home.seconds(*command) for name, command in commands.items()} for _ in range(repeats + 1)]
    return {name: [one[name] for one in rounds[1:]] for name in commands}


def measure_nothing_to_do(home: Home, repeats: int) -> list[float]:
    """Seconds of a run that finds its decision already made, with Prefect's temporary server.

    Raises:
        ClickException: There was something to do.
    """
    seconds = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        said = home.call(RETRAIN, "run", *home.run)
        seconds.append(time.perf_counter() - started)
        if "nothing has changed since run" not in said:
            raise click.ClickException(f"the run had something to do: it said {said.strip()!r}")
    return seconds[1:]


def summary(seconds: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Of each command the median in seconds, and the medians of its ratios to both references of the same round."""
    bare, all_first = (np.array(seconds[name]) for name in (BARE, ALL_FIRST))
    return {
        name: {
            "seconds": round(float(np.median(taken)), 3),
            "to_bare": round(float(np.median(taken / bare)), 2),
            "to_all_first": round(float(np.median(taken / all_first)), 3),
        }
        for name, taken in ((name, np.array(values)) for name, values in seconds.items())
    }


def figures(found: Mapping[str, Mapping[str, float]], nothing_to_do: float) -> list[Figure]:
    """The rows of the common table: seconds where seconds are promised, else against the program that imports all."""
    rows = []
    for name in (name for name in found if name not in (BARE, ALL_FIRST)):
        ours = found[name]["seconds"]
        if name in TARGETS:
            rows.append(Figure(name, "s", ours, target=TARGETS[name]))
        else:
            beside = found[ALL_FIRST]["seconds"], "importing all libraries first", found[name]["to_all_first"]
            rows.append(Figure(name, "s", ours, *beside))
    return [*rows, Figure(NOTHING_TO_DO, "s", nothing_to_do, target=MOST_FOR_NOTHING)]


def markdown(found: Mapping[str, Mapping[str, float]], nothing_to_do: float) -> str:
    """The figures as a table in Markdown."""
    lines = ["| command | seconds | to a bare Python | to importing all first |", "|---|---|---|---|"]
    for name, of in found.items():
        lines.append(f"| `{name}` | {of['seconds']:.2f} | {of['to_bare']:.1f} | {of['to_all_first']:.2f} |")
    return "\n".join([*lines, f"| `{NOTHING_TO_DO}` | {nothing_to_do:.2f} | | |"]) + "\n"


@click.command()
@click.option("--repeats", type=click.IntRange(min=1), default=7, show_default=True, help="Rounds of the commands.")
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="Runs with nothing to do.")
@click.option(
    "--home",
    "given",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A home with a finished `retrain run` of this code.  [default: a new one, with a small run]",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Where figures go.")
def main(repeats: int, runs: int, given: Path | None, output: Path) -> None:
    """Measure the start of each command, and a run that has nothing to do."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given is None:
            (folder / "home").mkdir()
            home = Home.at(folder / "home", folder / "prefect", _SMALL)
            home.call(RETRAIN, "run", *home.run)
        else:
            home = Home.at(given.absolute(), folder / "prefect", ())
        nothing = measure_nothing_to_do(home, runs)
        seconds = measure(home, repeats)
    found, nothing_to_do = summary(seconds), float(np.median(nothing))
    write_result(
        output,
        machine=machine("prefect", "sqlalchemy", "tensorflow"),
        settings={"repeats": repeats, "runs": runs, "source": "the home's own" if given else "synthetic"},
        found={**found, NOTHING_TO_DO: {"seconds": round(nothing_to_do, 2)}},
        figures=figures(found, nothing_to_do),
    )
    click.echo(markdown(found, nothing_to_do))


if __name__ == "__main__":
    main()
