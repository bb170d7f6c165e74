"""What Prefect itself costs: its import, its first flow run, each further run and each task, and what it adds in all.

    python -m benchmarks.prefect_cost

With and without a server, the same flows run, whose tasks do nothing but call the function that a plain loop calls
too, each way in a home of its own and in several processes, of which the medians count. Without a server, one is
started for the process; the very first in a home makes that server's database as well, once and for all, and is told
by itself.

What counts is what Prefect adds to a command: a server comes up while the command imports what it works with, so that
its start does not cost what it takes. Two commands take turns, from their start until they are gone. One begins as
`retrain run` does, imports the flow, and runs one of as many empty tasks as a retraining has stages, and one more for
its report; the other imports the same less Prefect and what needs it, and calls the same functions. What the one takes
longer than the other, in the median of all pairs, is held against the last retraining that ran to its decision in the
metrics store.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.machine import machine
from flows.cli.shared import collect_rarely, prepare_flow, prepare_prefect
from storage.errors import NotFoundError, RetrainError
from storage.metrics.reader import MetricsReader
from storage.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "prefect_cost.json"
WAYS = ("without a server", "with a server")
# So many that their time stands out from how much one run differs from another.
_MANY_TASKS = 200
_SERVER_START_SECONDS = 180


def measure(repeats: int, tasks: int) -> dict[str, float]:
    """Seconds in this process: of the import, the first run and a further run; of a task and a plain call, if any."""
    started = time.perf_counter()
    prepare_flow(Settings.from_environment())
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE

    imported = time.perf_counter() - started
    from flows.runs import run_here

    step = task(name="nothing", cache_policy=NO_CACHE)(_nothing)

    @flow(name="cost")
    def cost(tasks: int) -> Any:
        return sum(step(number) for number in range(tasks))

    first = _seconds(lambda: run_here(cost, 0))
    run = float(np.median([_seconds(lambda: run_here(cost, 0)) for _ in range(repeats)]))
    found = {"import": imported, "first_run": first, "run": run}
    if tasks:
        full, calls = _seconds(lambda: run_here(cost, tasks)), _seconds(lambda: sum(map(_nothing, range(tasks))))
        found |= {"task": (full - run) / tasks, "call": calls / tasks}
    return found


def run_with_prefect(tasks: int) -> None:
    """Begin as `retrain run` does, and run so many empty tasks instead of its stages."""
    prepare_flow(Settings.from_environment())
    importlib.import_module("flows.retrain")
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE

    from flows.runs import run_here

    step = task(name="nothing", cache_policy=NO_CACHE)(_nothing)

    @flow(name="cost")
    def cost() -> Any:
        return sum(step(number) for number in range(tasks))

    run_here(cost)


def run_without_prefect(tasks: int, modules: Sequence[str]) -> None:
    """Import what `retrain run` works with, and call the same functions.

    Raises:
        ClickException: One of the modules imports Prefect.
    """
    prepare_prefect()
    for module in modules:
        importlib.import_module(module)
    for number in range(tasks):
        _nothing(number)
    if "prefect" in sys.modules:
        raise click.ClickException("what is to be without Prefect has imported it.")


def modules_without_prefect() -> list[str]:
    """What the flow imports of this project, less the flows and the tasks, which alone know Prefect."""
    program = "import json, sys, flows.retrain; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    ours = (name for name in json.loads(done.stdout) if name.startswith(("storage.", "tasks.")))
    return [name for name in ours if name.startswith("storage.") or name.count(".") > 1]


def added(home: Path, api_url: str | None, tasks: int, pairs: int) -> list[float]:
    """Seconds that a command takes longer with Prefect, of each pair of commands; those before do not count."""
    environment = {**_environment(home), **({"PREFECT_API_URL": api_url} if api_url else {})}
    plain = ("--plain", ",".join(modules_without_prefect()))
    differences = []
    for _ in range(pairs + 1):
        without = _seconds(lambda: _call(environment, "--tasks", str(tasks), *plain))
        differences.append(_seconds(lambda: _call(environment, "--tasks", str(tasks), "--whole")) - without)
    return differences[1:]


def _nothing(number: int) -> int:
    return number


def _seconds(what: Any) -> float:
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def cost_of(repeats: int, processes: int, home: Path, api_url: str | None) -> dict[str, float]:
    """Medians over processes that run no task, and what a task costs in one more."""
    costs = medians([in_process(repeats, home, api_url) for _ in range(processes)])
    # It comes last: after many tasks, the server is busy for a while with what it was told of them.
    return costs | in_process_with_tasks(repeats, home, api_url)


def in_process_with_tasks(repeats: int, home: Path, api_url: str | None) -> dict[str, float]:
    """What a task costs, and a plain call."""
    found = in_process(repeats, home, api_url, _MANY_TASKS)
    return {name: found[name] for name in ("task", "call")}


def in_process(repeats: int, home: Path, api_url: str | None, tasks: int = 0) -> dict[str, float]:
    """What `measure` finds in a process that starts now."""
    environment = {**_environment(home), **({"PREFECT_API_URL": api_url} if api_url else {})}
    found: dict[str, float] = json.loads(_call(environment, "--tasks", str(tasks), "--repeats", str(repeats)))
    return found


def _call(environment: Mapping[str, str], *arguments: str) -> str:
    command = [sys.executable, "-P", "-m", "benchmarks.prefect_cost", *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"the measuring process failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def medians(costs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each figure, the median over the processes."""
    return {name: float(np.median([cost[name] for cost in costs])) for name in costs[0]}


@contextmanager
def server(home: Path) -> Iterator[str]:
    """A server of our own on a free port; its API's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**_environment(home), "PREFECT_SERVER_API_PORT": str(port)}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=quiet, stderr=quiet)
    url = f"http://127.0.0.1:{port}/api"
    try:
        _wait(process, f"{url}/health")
        yield url
    finally:
        process.terminate()
        process.wait(60)


def _wait(process: subprocess.Popen[bytes], health: str) -> None:
    deadline = time.monotonic() + _SERVER_START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise click.ClickException(f"the Prefect server did not answer within {_SERVER_START_SECONDS} seconds.")


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    # A home where `retrain up` has started nothing.
    homes = {"PREFECT_HOME": str(home), "RETRAIN_HOME": str(home / "retrain")}
    own = {**homes, "PREFECT_LOGGING_LEVEL": "ERROR", "PYTHONPATH": os.pathsep.join(paths)}
    return {**kept, **own, "DO_NOT_TRACK": "1", "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120"}


def last_retraining(reader: MetricsReader) -> dict[str, Any]:
    """The last retraining that ran to its decision: its line, its wall time in seconds and its number of stages.

    Raises:
        NotFoundError: There is none.
    """
    for summary in reader.history(1000):
        if (summary.flow, summary.state) == ("retrain", "completed") and summary.seconds is not None:
            stages = reader.run(summary.id)["stages"]
            return {"run": summary.id, "line": summary.line, "seconds": summary.seconds, "stages": len(stages)}
    raise NotFoundError("no retraining has run to its decision yet: `retrain run` makes one.")


def share_of(added: float, retraining: Mapping[str, Any]) -> float:
    """Prefect's share of the whole time of a retraining that takes so many seconds more with it."""
    return float(added / (retraining["seconds"] + added))


def markdown(found: Mapping[str, Mapping[str, float]]) -> str:
    """The figures as a table in Markdown."""
    lines = [
        "| | import, s | first run, s | run, s | task, ms | added to a command, s | share of the retraining |",
        "|---|---|---|---|---|---|---|",
    ]
    for way, cost in found.items():
        seconds = " | ".join(f"{cost[name]:.2f}" for name in ("import", "first_run", "run"))
        shared = f"{cost['added']:.2f} | {100 * cost['share']:.2f} %"
        lines.append(f"| {way} | {seconds} | {1000 * cost['task']:.2f} | {shared} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--repeats", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each kind.")
@click.option("--processes", type=click.IntRange(min=1), default=3, show_default=True, help="Processes of each way.")
@click.option("--pairs", type=click.IntRange(min=1), default=5, show_default=True, help="Pairs of commands.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Where figures go.")
@click.option("--tasks", type=click.IntRange(min=0), hidden=True)
@click.option("--whole", is_flag=True, hidden=True)
@click.option("--plain", hidden=True)
def main(
    repeats: int, processes: int, pairs: int, output: Path, tasks: int | None, whole: bool, plain: str | None
) -> None:
    """Measure what Prefect costs, and its share of the last retraining in the metrics store."""
    if tasks is not None:
        # One of the processes that are measured, which begins as the command does.
        collect_rarely()
        if plain is not None:
            run_without_prefect(tasks, plain.split(","))
        elif whole:
            run_with_prefect(tasks)
        else:
            click.echo(json.dumps(measure(repeats, tasks)))
        return
    try:
        retraining = last_retraining(MetricsReader(Settings.from_environment().database_url))
    except RetrainError as error:
        raise click.ClickException(str(error)) from error
    stages = retraining["stages"] + 1
    with tempfile.TemporaryDirectory() as name:
        homes = [Path(name) / str(number) for number in range(len(WAYS))]
        first_time = in_process(1, homes[0], None)["first_run"]
        more = [added(homes[0], None, stages, pairs)]
        costs = [cost_of(repeats, processes, homes[0], None)]
        with server(homes[1]) as url:
            more.append(added(homes[1], url, stages, pairs))
            costs.append(cost_of(repeats, processes, homes[1], url))
    found = {
        way: {**cost, "added": float(np.median(pair)), "share": share_of(float(np.median(pair)), retraining)}
        for way, cost, pair in zip(WAYS, costs, more, strict=True)
    }
    result = {
        "machine": machine("prefect"),
        "settings": {"repeats": repeats, "processes": processes, "pairs": pairs, "tasks": _MANY_TASKS},
        "retraining": retraining,
        "first_time": first_time,
        "added": dict(zip(WAYS, more, strict=True)),
        "found": found,
    }
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    click.echo(markdown(found))
    click.echo(f"The very first run without a server: {first_time:.1f} s.")


if __name__ == "__main__":
    main()
