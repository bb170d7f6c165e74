"""What `retrain compare` prints: two runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.terminal.common import STATE_STYLES, duration, option_words, plain, utc_minutes
from flows.cli.terminal.models import METRIC_NAMES
from tasks.reporting.comparison import Measured, MetricPair, ModelPair, RunComparison, StagePair
from tasks.reporting.options import Difference

_HASHES = ("snapshot", "test rows", "source_sha256", "vocabulary", "commit")
_HASH_LENGTH = 12
_FULL_WIDTH = 108


def print_comparison(console: Console, compared: RunComparison) -> None:
    """Both runs; what is not alike in them; their models, with the difference; what their steps cost."""
    ids = [run["id"] for run in compared.runs]
    _print_runs(console, compared)
    _print_differences(console, "Options", ids, compared.options)
    _print_differences(console, "Code and machine", ids, compared.code)
    _print_differences(console, "Data", ids, compared.data)
    rows = {True: "The test rows are the same.", False: "The test rows are not the same."}
    if compared.same_test_rows is not None:
        console.print(rows[compared.same_test_rows])
    for pair in compared.models:
        _print_model(console, ids, pair)
    _print_stages(console, ids, compared.stages)


def _print_runs(console: Console, compared: RunComparison) -> None:
    grid = Table.grid(padding=(0, 2))
    for run in compared.runs:
        state = Text(run["state"], style=STATE_STYLES.get(run["state"], "red"))
        began = f"{utc_minutes(run['started_at'])} UTC"
        of = plain(f"{run['flow']} on {run['line']}")
        grid.add_row(Text(run["id"], style="bold"), of, state, began, duration(run["seconds"]))
    console.print(grid)
    for side, run in enumerate(compared.runs):
        # What was decided stands below the models.
        if not any(pair.verdicts[side] for pair in compared.models) and run["message"] != run["state"]:
            console.print(Text.assemble((f"{run['id']}  ", "dim"), plain(run["message"])))


def _titled(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _print_differences(console: Console, title: str, ids: Sequence[str], found: Sequence[Difference]) -> None:
    console.print()
    if not found:
        console.print(Text.assemble((title, "bold"), "  alike"))
        return
    table = _titled(title, ("", *ids))
    for one in found:
        table.add_row(Text(one.name), _value(one.name, one.first), _value(one.name, one.second))
    console.print(table)


def _value(name: str, value: Any) -> Text:
    if value is None or value == "":
        return Text("-", style="dim")
    if name.startswith("num_"):
        return Text(f"{value:,}")
    return plain(_short_hash(str(value)) if name in _HASHES else option_words(value))


def _short_hash(text: str) -> str:
    digest, dash, rest = text.partition("-")
    return f"{digest[:_HASH_LENGTH]}{dash}{rest}"


def _print_model(console: Console, ids: Sequence[str], pair: ModelPair) -> None:
    # Where there is no room for all, the bounds of the difference say more than those of each alone.
    is_brief = console.width < _FULL_WIDTH and pair.only_first is not None
    table = _titled(f"{pair.model}, on its test rows", ("", *ids, "difference", "p"))
    for metric in pair.metrics:
        if metric.first or metric.second:
            name = METRIC_NAMES.get(metric.name, metric.name)
            label = name if metric.scope == "overall" else f"{name}, {metric.scope}"
            sides = (_bounded(one, is_brief) for one in (metric.first, metric.second))
            table.add_row(label, *sides, _difference(metric), _p_value(metric.p_value))
    console.print()
    console.print(table)
    if pair.only_first is not None:
        console.print(
            f"{pair.only_first:,} rows only the first gets right, {pair.only_second:,} only the second; "
            "intervals are paired, at 95 %; p is two-sided",
            style="dim",
            highlight=False,
        )
    if pair.note:
        console.print(plain(pair.note), style="yellow")
    for run_id, verdict in zip(ids, pair.verdicts, strict=True):
        if verdict:
            console.print(Text.assemble((f"{run_id}  ", "dim"), plain(verdict)))


def _bounded(measured: Measured | None, is_brief: bool) -> Text:
    if measured is None:
        return Text("-", style="dim")
    bounds = "" if is_brief or measured.lower is None else f" [{measured.lower:.4f}, {measured.upper:.4f}]"
    return Text(f"{measured.value:.4f}{bounds}")


def _difference(pair: MetricPair) -> Text:
    if pair.difference is None:
        return Text("-", style="dim")
    bounds = "" if pair.lower is None else f" [{pair.lower:+.4f}, {pair.upper:+.4f}]"
    return Text(f"{pair.difference:+.4f}{bounds}")


def _p_value(value: float | None) -> str:
    if value is None:
        return ""
    return "<.0001" if value < 0.0001 else f"{value:.4f}"


def _print_stages(console: Console, ids: Sequence[str], stages: Sequence[StagePair]) -> None:
    if not stages:
        return
    table = _titled("Stages", ("", *ids))
    for stage in stages:
        costs = ((stage.first_seconds, stage.first_memory), (stage.second_seconds, stage.second_memory))
        table.add_row(stage.name, *(_cost(*cost) for cost in costs))
    console.print()
    console.print(table)


def _cost(seconds: float | None, memory: int | None) -> str:
    return "-" if seconds is None or memory is None else f"{seconds:.1f} s, peak {memory / 2**20:,.0f} MiB"
