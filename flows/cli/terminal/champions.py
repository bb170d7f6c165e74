"""What `retrain champion` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.terminal.common import plain, utc_minutes
from storage.records import Champion


def print_champions(console: Console, champions: Sequence[Champion]) -> None:
    """What serves now on each line."""
    for champion in champions:
        console.print(Text.assemble((champion.line, "bold"), f"  {champion.model}"))
        grid = Table.grid(padding=(0, 2))
        grid.add_row("[dim]since[/]", f"{utc_minutes(champion.promoted_at)} UTC, champion number {champion.position}")
        grid.add_row("[dim]run[/]", champion.candidate_id.split("/")[0])
        grid.add_row("[dim]why[/]", plain(champion.reason))
        grid.add_row("[dim]bundle[/]", champion.bundle)
        console.print(grid)


def print_succession(console: Console, champions: Sequence[Champion]) -> None:
    """What served when, and why, oldest first."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("line", "number", "since (UTC)", "run", "model", "by"):
        table.add_column(name, no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    serving = {entry.line: entry.position for entry in champions}
    for entry in champions:
        run, _, model = entry.candidate_id.partition("/")
        style = "green" if serving[entry.line] == entry.position else ""
        since = utc_minutes(entry.promoted_at)
        values = (entry.line, str(entry.position), since, run, model, entry.succession, entry.reason)
        table.add_row(*(plain(value) for value in values), style=style)
    console.print(table)
