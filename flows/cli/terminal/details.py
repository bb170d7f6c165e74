"""The long part of `retrain show`: learning curves, all options, versions, hashes, and where it ran."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.terminal.common import option_words, plain, utc_minutes
from tasks.reporting.options import flattened

_EPOCH_COLUMNS = ("epoch", "loss", "accuracy", "validation loss", "validation accuracy", "learning rate", "seconds")


def print_details(console: Console, run: dict[str, Any]) -> None:
    """What a person wants to know who repeats a run, or looks for what went wrong in it."""
    for candidate in run["candidates"]:
        _print_epochs(console, candidate)
    _print_names(console, "Options", ((name, option_words(value)) for name, value in flattened(run["options"]).items()))
    _print_names(console, "Versions", run["versions"].items())
    _print_names(console, "Hashes", _hashes(run))
    _print_names(console, "Process", _process(run))


def _print_epochs(console: Console, candidate: dict[str, Any]) -> None:
    title = f"Epochs of {candidate['model']}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for name in _EPOCH_COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for epoch in candidate["epochs"]:
        numbers = (epoch[name] for name in ("loss", "accuracy", "validation_loss", "validation_accuracy"))
        table.add_row(
            str(epoch["epoch"]),
            *(f"{number:.4f}" for number in numbers),
            f"{epoch['learning_rate']:.3g}",
            f"{epoch['seconds']:.1f}",
            style="green" if epoch["epoch"] == candidate["best_epoch"] else "",
        )
    console.print()
    console.print(table)


def _print_names(console: Console, title: str, values: Iterable[tuple[str, Any]]) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in values:
        grid.add_row(Text(name, style="dim"), plain(str(value)))
    if grid.row_count:
        console.print()
        console.print(Text(title, style="bold"))
        console.print(grid)


def _hashes(run: dict[str, Any]) -> list[tuple[str, str]]:
    snapshot = run["snapshot"] or {}
    hashes = [
        ("fingerprint", run["fingerprint"]),
        ("snapshot", snapshot.get("id")),
        ("test rows", snapshot.get("test_id")),
    ]
    hashes += [("source", snapshot.get("source_sha256")), ("vocabulary", snapshot.get("vocabulary"))]
    for candidate in run["candidates"]:
        hashes += [
            (f"bundle of {candidate['model']}", candidate["bundle"]),
            (f"training of {candidate['model']}", candidate["training_key"]),
        ]
    return [(name, value) for name, value in hashes if value]


def _process(run: dict[str, Any]) -> list[tuple[str, str]]:
    ended = f"{utc_minutes(run['finished_at'])} UTC" if run["finished_at"] else "-"
    return [("ended", ended), ("host", run["host"]), ("process", str(run["process_id"]))]
