"""Which libraries a command may import: it is them that a command which only reads spends its time on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.flows.conftest import record_rejection
from tests.storage.conftest import Bench

ROOT = Path(__file__).parents[3]
HEAVY = {
    *("alembic", "apprise", "fastapi", "jinja2", "keras", "matplotlib", "numpy", "pandas", "prefect", "psutil"),
    *("pyarrow", "pydantic", "rich", "scipy", "sklearn", "sqlalchemy", "tensorflow", "torch", "urllib.request"),
    "sqlalchemy.dialects.postgresql",
}
# The tables, and where they are printed.
READING = {"sqlalchemy", "rich"}
PAGES = {"jinja2", "matplotlib", "numpy", "pyarrow", "scipy"}
# What a run was asked for is shown beside the defaults.
SHOWING = READING | {"pydantic"}


def imported(program: str) -> set[str]:
    """The heavy modules that a process has in the end, which prints nothing on standard error but them."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return HEAVY & set(json.loads(done.stderr))


def imported_by_command(arguments: Iterable[str]) -> set[str]:
    return imported(f"from flows.cli import cli\ncli({list(arguments)!r}, standalone_mode=False)")


@pytest.mark.parametrize(
    "command", ["--help", "run --help", "history --help", "report --help", "sql --help", "up --help"]
)
def test_a_help_text_needs_no_library_but_click(command: str) -> None:
    assert imported_by_command(command.split()) == set()


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        (["history"], READING),
        (["history", "--json", "--model", "baseline_avgpool"], READING),
        (["champion"], READING),
        (["sql", "--recipes"], READING),
        (["sql", "SELECT 1"], READING),
        (["show", "latest"], SHOWING),
        (["compare", "latest", "latest"], SHOWING | {"numpy", "pyarrow", "scipy"}),
        (["report", "latest"], SHOWING | PAGES),
        (["trend", "imdb"], SHOWING | PAGES),
    ],
    # A set has another order in each process.
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_that_reads_imports_what_it_shows_with_and_no_more(
    served_twice: Bench, command: list[str], allowed: set[str]
) -> None:
    record_rejection(served_twice)
    assert imported_by_command(command) <= allowed


def test_a_run_imports_what_trains_and_tests_only_where_it_does() -> None:
    assert not {"alembic", "keras", "pandas", "sklearn", "tensorflow", "torch"} & imported("import flows.retrain")
