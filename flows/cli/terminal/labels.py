"""What `retrain predict` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from flows.cli.terminal.common import plain
from storage.records import LabelledText, ScoredFile


def print_labels(console: Console, labelled: Sequence[LabelledText]) -> None:
    """Each text with its label, and who gave it."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("label", "probability"):
        table.add_column(name, no_wrap=True)
    table.add_column("text", overflow="ellipsis", no_wrap=True)
    for one in labelled:
        label = "[green]1 positive[/]" if one.label else "[red]0 negative[/]"
        table.add_row(label, f"{one.probability:.4f}", plain(" ".join(one.text.split())))
    console.print(table)
    console.print(f"[dim]by the champion {labelled[0].champion}[/]", highlight=False)


def print_scored(console: Console, scored: ScoredFile) -> None:
    """What came of a scored source, and where it stands."""
    negative = scored.num_rows - scored.num_refused - scored.num_positive
    console.print(
        f"{scored.num_rows:,} rows: {scored.num_positive:,} positive, {negative:,} negative, "
        f"{scored.num_refused:,} without a label, by the champion {scored.champion}\n{scored.path}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
