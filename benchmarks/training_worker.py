"""A process that trains one of the `benchmarks.training_ways` when it is told to, with its own threads and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks.training_ways import TURNS, Reviews, Way
from storage.options import TrainingOptions
from storage.records import ModelName
from tasks.training.runtime import device_name

ROOT = Path(__file__).resolve().parents[1]


def work(way: str, model: ModelName, options: str, count: str, folder: str) -> None:
    """Be the process: a turn for each line that comes, answered by what makes an epoch, in seconds.

    Before the first it says what trains, and how long it took to get ready: each shape is traced, memory is taken.
    """
    started = time.perf_counter()
    turn = TURNS[way](Way(model, TrainingOptions.model_validate_json(options), int(count)), Reviews(Path(folder)))
    for _ in range(2):
        turn()
    device = device_name() if way in ("ours", "notebook") else "PyTorch"
    print(json.dumps({"device": device, "warm_up": round(time.perf_counter() - started, 2)}), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        share = turn()
        print((time.perf_counter() - started) / share, flush=True)


@contextmanager
def worker(way: str, given: Way, folder: Path) -> Iterator[tuple[dict[str, Any], Callable[[], float]]]:
    """A process that has warmed up: what it said then, and what gives it a turn and the seconds of an epoch."""
    arguments = [way, given.model, given.options.model_dump_json(), str(given.count), str(folder)]
    command = [sys.executable, "-m", "benchmarks.training_worker", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        try:
            ready = json.loads(_answer(process))
            click.echo(f"{given.model}, {way}: {ready['device']}, ready after {ready['warm_up']} s", err=True)
            yield ready, partial(_turn, process)
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


if __name__ == "__main__":
    work(*sys.argv[1:])  # type: ignore[arg-type]
