"""How long the store's views and the cook book's queries take on a store of very many runs.

    python -m benchmarks.store_queries FOLDER

makes `store-100000.db` there, unless it is there already. Each query is asked once to warm up and then some times more,
on an ordinary reading connection, until all of its rows are fetched. A view is asked as a person would: for its newest
100 rows, of a line and of all, or for the best 20.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
from sqlalchemy import Connection, text

from benchmarks.large_store import LINES, SHARES, fill
from benchmarks.machine import machine
from storage.metrics.engine import reading_engine
from storage.metrics.recipes import recipes
from storage.metrics.tables import Base
from storage.metrics.views import VIEWS

RESULTS = Path(__file__).parent / "results" / "store_queries.json"
LARGEST_MS = 50
"""What each query may take."""
_NEWEST = {"served": "served_from", "ledger": "last_used"}


@dataclass(frozen=True)
class Query:
    """A statement with its parameters, under the name of the view or the recipe."""

    name: str
    sql: str
    parameters: Mapping[str, str]


def queries(connection: Connection) -> list[Query]:
    """All that is asked: each view, of a line and of all, and each recipe, about what the store has."""
    values = _values(connection)
    asked = []
    for view in VIEWS:
        how, order = "newest 100", f"ORDER BY {_NEWEST.get(view.name, 'started_at')} DESC LIMIT 100"
        if view.name == "leaderboard":
            how, order = "best 20", "ORDER BY accuracy DESC LIMIT 20"
        asked.append(Query(f"{view.name}, {how}", f"SELECT * FROM {view.name} {order}", {}))
        of_line = f"SELECT * FROM {view.name} WHERE line = :line {order}"
        asked.append(Query(f"{view.name}, {how} of a line", of_line, {"line": values["line"]}))
    for recipe in recipes():
        asked.append(Query(recipe.name, recipe.sql, {name: values[name] for name in recipe.parameters}))
    return asked


def _values(connection: Connection) -> dict[str, str]:
    """A value for each parameter of the cook book that finds rows."""
    line = LINES[6]
    run_id, snapshot_id, test_id = connection.execute(
        text(
            "SELECT run_id, snapshot_id, test_id FROM run_overview WHERE line = :line AND flow = 'retrain'"
            " AND state = 'completed' ORDER BY started_at DESC LIMIT 1"
        ),
        {"line": line},
    ).one()
    return {
        **{"line": line, "model": "baseline_avgpool", "run": run_id, "snapshot": snapshot_id, "test": test_id},
        **{"day": "2026-03-03", "since": "2025-11-23"},
    }


def measure(url: str, repeats: int) -> dict[str, dict[str, Any]]:
    """Of each query: medians in milliseconds of wall and of CPU time, and how many rows it gives."""
    with reading_engine(url).connect() as connection:
        return {query.name: _timed(connection, query, repeats) for query in queries(connection)}


def _timed(connection: Connection, query: Query, repeats: int) -> dict[str, Any]:
    statement = text(query.sql)
    rows = len(connection.execute(statement, query.parameters).all())
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        connection.execute(statement, query.parameters).all()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {"rows": rows, "wall_ms": round(1000 * median(walls), 2), "cpu_ms": round(1000 * median(cpus), 2)}


def markdown(found: dict[str, dict[str, Any]]) -> str:
    """The figures as a table in Markdown, the slowest query first."""
    lines = ["| view or recipe | rows | ms | ms of CPU |", "|---|---|---|---|"]
    for name, of in sorted(found.items(), key=lambda item: -item[1]["cpu_ms"]):
        lines.append(f"| {name} | {of['rows']} | {of['wall_ms']:.1f} | {of['cpu_ms']:.1f} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--runs", type=click.IntRange(min=100), default=100_000, show_default=True, help="Runs in the store.")
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Times that each is asked.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Where figures go.")
def main(folder: Path, runs: int, repeats: int, output: Path) -> None:
    """Ask a store in FOLDER, which is made if it is not there, all questions: 100,000 runs take 3 GB.

    Example: python -m benchmarks.store_queries /var/tmp --runs 10000 --output few.json
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"store-{runs}.db"
    url = f"sqlite:///{file}"
    if not file.exists():
        making = file.with_suffix(".making")
        making.unlink(missing_ok=True)
        fill(f"sqlite:///{making}", runs)
        making.rename(file)
    found = measure(url, repeats)
    settings = {"runs": runs, "bytes": file.stat().st_size, "shares": SHARES, "repeats": repeats, "rows": rows_of(url)}
    result = {
        "machine": machine("sqlalchemy") | {"sqlite": sqlite3.sqlite_version},
        "settings": settings,
        "found": found,
    }
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    click.echo(markdown(found))


def rows_of(url: str) -> dict[str, int]:
    """How many rows each table has."""
    with reading_engine(url).connect() as connection:
        return {
            name: connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0 for name in sorted(Base.metadata.tables)
        }


if __name__ == "__main__":
    main()
