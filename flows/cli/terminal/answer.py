"""What `retrain sql` prints: an answer as a table, as CSV or as JSON."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from flows.cli.terminal.common import plain, print_json, printable
from storage.metrics.ad_hoc import Answer
from storage.metrics.recipes import Recipe
from storage.metrics.relations import Relation

_SHORT, _GAP = 24, 2


def print_answer(console: Console, answer: Answer, form: str | None = None) -> None:
    """An answer as `csv`, as `json`, or as a table."""
    if form == "json":
        _print_json(answer)
    elif form == "csv":
        _print_csv(answer)
    else:
        _print_table(console, answer)


def _print_table(console: Console, answer: Answer) -> None:
    """As wide as the terminal; where it has too many columns for that, one row below the other.

    Numbers are rounded to six digits, and what cannot be seen is spelled out.
    """
    if not answer.rows:
        console.print("[dim]no rows[/]")
        return
    cells = [[_cell(value) for value in row] for row in answer.rows]
    widths = [
        max(cell_len(printable(name)), *(row[place].cell_len for row in cells))
        for place, name in enumerate(answer.columns)
    ]
    if sum(min(width, _SHORT) + _GAP for width in widths) > console.width + _GAP:
        _print_one_by_one(console, answer.columns, cells)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for place, name in enumerate(answer.columns):
        numbers = all(isinstance(row[place], int | float | Decimal | None) for row in answer.rows)
        is_short = widths[place] <= _SHORT
        table.add_column(
            plain(name), justify="right" if numbers else "left", overflow="fold", no_wrap=is_short,
            min_width=min(widths[place], _SHORT),
        )  # fmt: skip
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _print_one_by_one(console: Console, columns: Sequence[str], cells: list[list[Text]]) -> None:
    for number, row in enumerate(cells, start=1):
        grid = Table.grid(padding=(0, _GAP))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for name, cell in zip(columns, row, strict=True):
            grid.add_row(Text(printable(name), style="dim"), cell)
        console.print(Text(f"row {number}", style="bold"))
        console.print(grid)


def _cell(value: Any) -> Text:
    if value is None:
        return Text("NULL", style="dim")
    if isinstance(value, float):
        return Text(f"{value:.6g}")
    return Text(printable(str(_plain(value))))


def _print_csv(answer: Answer) -> None:
    """Comma-separated values with a header. NULL is empty; numbers are exact."""
    show = printable if sys.stdout.isatty() else str
    writer = csv.writer(_Lines())
    writer.writerow([show(column) for column in answer.columns])
    for row in answer.rows:
        values = (_plain(value) for value in row)
        writer.writerow([show(value) if isinstance(value, str) else value for value in values])


class _Lines:
    """Ends lines as programs of Unix do. The writer itself quotes a carriage return only if it ends lines with one."""

    def write(self, line: str) -> None:
        print(line.removesuffix("\r\n"))


def _print_json(answer: Answer) -> None:
    """A list with an object for each row. Numbers are exact; what JSON has no word for, such as infinity, is text."""
    print_json([dict(zip(answer.columns, _as_json(row), strict=True)) for row in answer.rows])


def _as_json(row: Sequence[Any]) -> Iterator[Any]:
    for value in map(_plain, row):
        yield str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    """A value of any database as text, a number, or None."""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return moment.isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value if isinstance(value, str | int | float | None) else str(value)


def print_relations(console: Console, relations: Sequence[Relation]) -> None:
    """The views and tables, each with what a row of it is, and its columns."""
    for relation in relations:
        _print_entry(console, relation.name, relation.description, ", ".join(relation.columns))


def print_recipes(console: Console, recipes: Sequence[Recipe]) -> None:
    """The questions of the cook book, each with its name and its parameters."""
    for recipe in recipes:
        _print_entry(console, recipe.name, recipe.question, _with_values(recipe) or recipe.explanation)


def print_question(console: Console, recipe: Recipe) -> None:
    """What is about to be answered."""
    console.print(Text(recipe.question, style="bold"))
    console.print(plain(f"{recipe.explanation} {_with_values(recipe)}".strip()), style="dim")
    console.print()


def _with_values(recipe: Recipe) -> str:
    return ", ".join(f"{name}={value}" for name, value in recipe.parameters.items())


def _print_entry(console: Console, name: str, words: str, details: str) -> None:
    console.print(Text.assemble((name, "bold"), f"  {words}"))
    console.print(Padding(Text(details, style="dim"), (0, 0, 0, _GAP), expand=False))
