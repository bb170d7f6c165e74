"""The page of the store: its schema, each table, column and view, and how long queries take.

    python -m benchmarks.store_page

writes docs/store.md; a test holds that it is what this gives. The descriptions stand where the columns are made, in
`storage/metrics/tables.py` and `storage/metrics/views.py`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Column, Double, Index, Integer, Table
from sqlalchemy.types import REAL, BigInteger

from benchmarks.store_queries import LARGEST_MS, RESULTS, markdown
from storage.metrics.tables import Base
from storage.metrics.types import Flag, Json, UtcDateTime
from storage.metrics.views import VIEWS, View

PAGE = Path(__file__).parents[1] / "docs" / "store.md"
_KINDS = (
    (UtcDateTime, "time"),
    (Json, "JSON"),
    (Flag, "yes or no"),
    ((Double, REAL), "number"),
    ((BigInteger, Integer), "integer"),
)
_HEAD = """# The metrics store

What every run did is in one database: SQLite in `~/.retrain/metrics.db`, or PostgreSQL where `RETRAIN_DATABASE_URL`
names one. Begin with the [views](#views), or with [questions and their answers](cookbook.md).

A *time* is UTC: on SQLite text such as `2026-03-02T03:00:00.000000Z`, which sorts as time does and compares with a day
such as `'2026-03-02'`; on PostgreSQL a `timestamptz`. *Yes or no* is 1 or 0 on SQLite. *JSON* is text in both. Shares,
such as an accuracy, are from 0 to 1.

This page is made by `python -m benchmarks.store_page`.
"""


def page(stored: dict[str, Any]) -> str:
    """The page in Markdown, with the stored figures of `benchmarks.store_queries`."""
    tables = Base.metadata.sorted_tables
    parts = [_HEAD, "## Schema", "", diagram(tables), "", "## Views", ""]
    parts += [part for view in VIEWS for part in _of_view(view)]
    parts += ["## Tables", ""]
    parts += [part for table in tables for part in _of_table(table)]
    return "\n".join([*parts, *_of_speed(stored)])


def diagram(tables: Sequence[Table]) -> str:
    """The tables and what refers to what, as Mermaid draws it."""
    referred = {key.column.table for table in tables for key in table.foreign_keys}
    lines = [f"    {table.name}" for table in tables if not table.foreign_keys and table not in referred]
    for table in tables:
        for constraint in sorted(table.foreign_key_constraints, key=lambda constraint: list(constraint.column_keys)):
            of = set(constraint.columns)
            many = "o|" if of == set(table.primary_key) or all(column.unique for column in of) else "o{"
            one = "|o" if any(column.nullable for column in of) else "||"
            label = ", ".join(constraint.column_keys)
            lines.append(f'    {constraint.referred_table.name} {one}--{many} {table.name} : "{label}"')
    return "\n".join(["```mermaid", "erDiagram", *lines, "```"])


def description(table: Table) -> str:
    """What one row of a table is: the first paragraph of its class."""
    (mapped,) = (mapper.class_ for mapper in Base.registry.mappers if mapper.local_table is table)
    return " ".join((inspect.getdoc(mapped) or "").split("\n\n")[0].split())


def _of_view(view: View) -> Iterator[str]:
    yield from (f"### {view.name}", "", view.description, "", "| column | what it holds |", "|---|---|")
    yield from (f"| `{name}` | {words} |" for name, words in view.columns.items())
    yield ""


def _of_table(table: Table) -> Iterator[str]:
    yield from (f"### {table.name}", "", description(table), "", "| column | type | what it holds |", "|---|---|---|")
    for column in table.columns:
        yield f"| `{column.name}`{_key(column)} | {_kind(column)} | {column.doc} |"
    yield ""
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    if indexes:
        yield from (f"Indexes: {', '.join(_index(index) for index in indexes)}.", "")


def _key(column: Column[Any]) -> str:
    marks = ["key"] if column.primary_key else []
    marks += sorted(f"→ {reference.target_fullname}" for reference in column.foreign_keys)
    return f" ({', '.join(marks)})" if marks else ""


def _kind(column: Column[Any]) -> str:
    kind = next((words for types, words in _KINDS if isinstance(column.type, types)), "text")
    return f"{kind}, or empty" if column.nullable else kind


def _index(index: Index) -> str:
    condition = index.dialect_options["sqlite"]["where"]
    where = "" if condition is None else f" where `{condition}`"
    return f"{', '.join(f'`{column.name}`' for column in index.columns)}{where}"


def _of_speed(stored: dict[str, Any]) -> Iterator[str]:
    settings, on = stored["settings"], stored["machine"]
    rows = ", ".join(f"{number:,} {name}" for name, number in settings["rows"].items() if number > 1)
    shares = ", ".join(f"{share} % {flow}" for flow, share in settings["shares"].items())
    yield from (
        f"## How fast it is with {settings['runs']:,} runs",
        "",
        f"Each view and each question of the cook book is to take at most {LARGEST_MS} ms. They were asked of a store "
        f"of twenty lines and five years ({shares}) on {on['processor']}, {on['cores']} cores, SQLite {on['sqlite']}.",
        "",
        f"It has {settings['bytes'] / 1e9:.1f} GB: {rows}.",
        "",
        f"Each was asked once to warm up and then {settings['repeats']} times on an ordinary reading connection, until "
        "all of its rows were fetched; these are medians. A view was asked for its newest 100 rows, or for the best "
        "20, of a line and of all; a question for a line and a year. SQLite works in the asking process, and the file "
        "was in memory: a query takes the CPU's time, and the clock's is longer where other work went on beside it.",
        "",
        markdown(stored["found"]),
        "`python -m benchmarks.store_queries FOLDER` repeats it. The figures are in "
        "[`benchmarks/results/store_queries.json`](../benchmarks/results/store_queries.json).",
        "",
    )


@click.command()
@click.option("--output", default=PAGE, type=click.Path(dir_okay=False, path_type=Path), help="Where the page goes.")
def main(output: Path) -> None:
    """Write the page."""
    output.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    click.echo(f"wrote {output}")


if __name__ == "__main__":
    main()
