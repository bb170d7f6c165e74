"""What `retrain db check` and `retrain db prune` print."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from flows.cli.terminal.common import plain
from storage.inspection import Inspection
from storage.pruning import Pruning

_STYLES = {"whole": "green", "gone": "dim", "damaged": "red"}


def print_inspection(console: Console, found: Inspection) -> None:
    """The database in a line, then what served, a line each."""
    if found.database is None:
        console.print("the database is no SQLite file: its server looks after it")
    elif found.database:
        console.print("[red]the database is damaged[/]")
    else:
        console.print("the database is [green]whole[/], and its schema is that of this program")
    for words in found.database or ():
        console.print(plain(f"  {words}"))
    table = Table(box=None, header_style="bold", pad_edge=False, show_header=bool(found.served))
    for name in ("line", "number", "candidate", "bundle"):
        table.add_column(name, no_wrap=True)
    table.add_column("", overflow="fold", ratio=1)
    for entry in found.served:
        state = f"[{_STYLES[entry.state]}]{entry.state}[/]"
        values = (entry.line, str(entry.position), entry.candidate_id)
        table.add_row(*(plain(value) for value in values), state, plain(entry.words))
    console.print(table)


def print_pruning(console: Console, done: Pruning) -> None:
    """Each bundle that is removed, and how much room that makes."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("bundle", no_wrap=True)
    table.add_column("MB", justify="right")
    table.add_column("of", overflow="fold", ratio=1)
    for pruned in done.bundles:
        table.add_row(pruned.bundle[:12], f"{pruned.num_bytes / 1e6:,.1f}", plain(", ".join(pruned.candidates)))
    if done.bundles:
        console.print(table)
    number = f"{len(done.bundles)} bundle{'' if len(done.bundles) == 1 else 's'}"
    console.print(f"{'would remove' if done.dry_run else 'removed'} {number}, {done.num_bytes / 1e6:,.1f} MB")
