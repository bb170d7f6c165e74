"""What all printing shares: words, colours, the plain table, and JSON."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tasks.training.progress import duration_words

STATE_STYLES = {"completed": "green", "skipped": "dim", "running": "cyan", "rejected data": "yellow"}
VERDICT_STYLES = {
    **{"pass": "green", "fail": "red", "warn": "yellow", "off": "yellow", "not applicable": "dim", "waived": "yellow"},
    **{"shown": "red", "likely": "yellow", "possible": "cyan", "ruled out": "dim"},
}

# What a terminal obeys instead of showing it, what turns the direction of writing, and what is no text at all.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def print_json(value: Any) -> None:
    """Print plain values, records and lists of records as JSON; times are ISO 8601 in UTC."""

    def as_plain(item: Any) -> Any:
        if isinstance(item, datetime):
            return item.isoformat().replace("+00:00", "Z")
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        raise TypeError(f"{type(item).__name__} has no JSON form")

    text = json.dumps(value, default=as_plain, indent=2, ensure_ascii=False, allow_nan=False)
    # JSON itself escapes the oldest of them only.
    for line in text.split("\n"):
        print(_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", line))


def print_table(console: Console, title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    """Rows below a title, the verdicts among them in colour; nothing where there are no rows."""
    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("name", "verdict"))
    for row in rows:
        cells = [str(row[column]) for column in columns]
        table.add_row(
            *(
                f"[{VERDICT_STYLES[cell]}]{cell}[/]" if column == "verdict" else plain(cell)
                for column, cell in zip(columns, cells, strict=True)
            )
        )
    console.print()
    console.print(table)


def duration(seconds: float | None) -> str:
    """Seconds in words; a dash for what has not ended."""
    return "-" if seconds is None else duration_words(seconds)


def plain(text: str) -> Text:
    """Text that neither rich takes for its markup nor a terminal for a command, whatever a person has written there."""
    return Text("\n".join(printable(line) for line in text.split("\n")))


def printable(text: str) -> str:
    """Text in one line in which control characters, such as those of an escape sequence, are written out."""
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)


def option_words(value: Any) -> str:
    """The value of an option as `--set` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def utc_minutes(moment: datetime) -> str:
    """A moment, to the minute, in the time zone that it is given in: UTC."""
    return f"{moment:%Y-%m-%d %H:%M}"
