"""What `retrain up` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from flows.cli.terminal.common import plain, utc_minutes

if TYPE_CHECKING:
    from flows.scheduling.up import Standing


def print_standing(console: Console, standing: Standing) -> None:
    """What stands, what was done for it, what comes next, and how to stop it."""
    console.print(f"[bold]{standing.ui}[/]", highlight=False)
    console.print()
    grid = Table.grid(padding=(0, 2))
    rows = [("done", change) for change in standing.changes or ("nothing: all of it was there",)]
    rows += [("next", f"{utc_minutes(run.at)} UTC  {run.deployment}") for run in standing.upcoming]
    if not standing.upcoming:
        rows.append(("next", "no deployment has a run to come: its schedule is switched off in the UI"))
    rows += [("logs", f"{standing.logs}/*.log"), ("stop", "retrain down")]
    told = ""
    for name, value in rows:
        grid.add_row(f"[dim]{name if name != told else ''}[/]", plain(value))
        told = name
    console.print(grid)
