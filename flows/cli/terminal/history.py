"""What `retrain history` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.terminal.common import STATE_STYLES, duration, plain, utc_minutes
from storage.records import RunSummary


def print_history(console: Console, runs: Sequence[RunSummary]) -> None:
    """One line a run, newest first."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("run", "started (UTC)", "line", "state", "took"):
        table.add_column(name, no_wrap=True)
    table.add_column("test accuracy / AUC", no_wrap=True)
    table.add_column("verdict", overflow="fold", ratio=1)
    for run in runs:
        table.add_row(
            run.id,
            utc_minutes(run.started_at),
            plain(run.line),
            f"[{STATE_STYLES.get(run.state, 'red')}]{run.state}[/]",
            duration(run.seconds),
            "\n".join(_scores(run)) or "-",
            _short_verdict(run),
        )
    console.print(table)


def _scores(run: RunSummary) -> list[str]:
    width = max(map(len, run.test_accuracy), default=0)
    return [
        f"{model:<{width}}  {accuracy:.4f} / {run.test_auc.get(model, float('nan')):.4f}"
        for model, accuracy in run.test_accuracy.items()
    ]


def _short_verdict(run: RunSummary) -> str | Text:
    if run.promoted:
        put, would = ("put back", "put back") if run.flow == "rollback" else ("promoted", "promote")
        return f"dry run: would {would} {run.promoted}" if run.dry_run else f"[green]{put} {run.promoted}[/]"
    if run.state == "skipped" or (run.flow == "monitor" and run.state == "completed"):
        return plain(run.message.partition(":")[0])
    if run.flow == "check" and run.state == "completed":
        return plain(run.message.removeprefix(f"{run.line} is "))
    if run.flow in ("score", "monitor", "housekeeping") and run.state == "completed":
        return plain(run.message)
    if run.state == "completed":
        did, would = ("put back", "put back") if run.flow == "rollback" else ("promoted", "promote")
        return f"dry run: would {would} nothing" if run.dry_run else f"nothing {did}"
    return plain(run.message)
