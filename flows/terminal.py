"""What the command line prints: tables for a person, JSON for a program. Nothing is computed here."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from storage.records import Champion, LabelledText, RunSummary, ScoredFile
from tasks.training.progress import duration_words

_STATE_STYLES = {"completed": "green", "skipped": "dim", "running": "cyan", "rejected data": "yellow"}
_METRIC_NAMES = {"auc": "AUC", "log_loss": "log loss", "brier": "Brier score", "f1": "F1"}
_SHOWN_ROWS, _KEPT_ROWS = 3, 20
_TRIGGERS = {"command line": "from the command line", "schedule": "on schedule", "deployment": "from a deployment"}
_VERDICT_STYLES = {
    **{"pass": "green", "fail": "red", "warn": "yellow", "off": "yellow", "not applicable": "dim", "waived": "yellow"},
    **{"shown": "red", "likely": "yellow", "possible": "cyan", "ruled out": "dim"},
}


def print_json(value: Any) -> None:
    """Print plain values, records and lists of records as JSON; times are ISO 8601 in UTC."""

    def plain(item: Any) -> Any:
        if isinstance(item, datetime):
            return item.isoformat().replace("+00:00", "Z")
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return dataclasses.asdict(item)
        raise TypeError(f"{type(item).__name__} has no JSON form")

    print(json.dumps(value, default=plain, indent=2, ensure_ascii=False, allow_nan=False))


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
            _time(run.started_at),
            _plain(run.line),
            f"[{_STATE_STYLES.get(run.state, 'red')}]{run.state}[/]",
            _duration(run.seconds),
            "\n".join(_scores(run)) or "-",
            _short_verdict(run),
        )
    console.print(table)


def print_run(console: Console, run: dict[str, Any]) -> None:
    """Everything that a person wants to know about one run."""
    state = f"[{_STATE_STYLES.get(run['state'], 'red')}]{run['state']}[/]"
    console.print(f"[bold]{run['id']}[/]  {state}  {_duration(run['seconds'])}", highlight=False)
    if run["message"] != run["state"]:
        console.print(run["message"], highlight=False, markup=False)
    console.print()
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(run):
        facts.add_row(f"[dim]{name}[/]", _plain(value))
    console.print(facts)
    _print_checks(console, "Checks of the data", run["checks"], "data")
    if run["observation"]:
        _print_observation(console, run["observation"], run["options"])
        _print_checks(console, "Checks of the champion", run["checks"], "champion")
    _print_models(console, run["candidates"], run["checks"])
    decided = {decision["candidate_id"] for decision in run["decisions"]}
    for candidate in run["candidates"]:
        if candidate["id"] not in decided:
            _print_checks(console, f"Checks of {candidate['model']}", run["checks"], candidate["model"])
    for decision in run["decisions"]:
        model = decision["candidate_id"].split("/")[-1]
        _print_checks(console, f"Checks of {model}", run["checks"], model)
        _print_decision(console, model, decision)
    if run["ledger"]:
        _print_ledger(console, run["ledger"])
    _print_table(console, "Stages", [_stage(stage) for stage in run["stages"]], ("name", "seconds", "peak memory"))


def print_champions(console: Console, champions: Sequence[Champion]) -> None:
    """What serves now on each line."""
    for champion in champions:
        console.print(Text.assemble((champion.line, "bold"), f"  {champion.model}"))
        grid = Table.grid(padding=(0, 2))
        grid.add_row("[dim]since[/]", f"{_time(champion.promoted_at)} UTC, champion number {champion.position}")
        grid.add_row("[dim]run[/]", champion.candidate_id.split("/")[0])
        grid.add_row("[dim]why[/]", _plain(champion.reason))
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
        values = (entry.line, str(entry.position), _time(entry.promoted_at), run, model, entry.succession, entry.reason)
        table.add_row(*(_plain(value) for value in values), style=style)
    console.print(table)


def print_labels(console: Console, labelled: Sequence[LabelledText]) -> None:
    """Each text with its label, and who gave it."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("label", "probability"):
        table.add_column(name, no_wrap=True)
    table.add_column("text", overflow="ellipsis", no_wrap=True)
    for one in labelled:
        label = "[green]1 positive[/]" if one.label else "[red]0 negative[/]"
        table.add_row(label, f"{one.probability:.4f}", _plain(" ".join(one.text.split())))
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


def _duration(seconds: float | None) -> str:
    return "-" if seconds is None else duration_words(seconds)


def _facts(run: dict[str, Any]) -> list[tuple[str, str]]:
    snapshot = run["snapshot"]
    facts = [("line", run["line"]), ("started", f"{_time(run['started_at'])} UTC, {_TRIGGERS[run['trigger']]}")]
    if snapshot:
        rows = " / ".join(f"{snapshot[f'num_{split}']:,}" for split in ("train", "validation", "test"))
        facts += [
            ("source", snapshot["origin"]),
            *([("because", run["source_reason"])] if run["source_reason"] else []),
            ("snapshot", f"{snapshot['id'][:12]}, {rows} rows for training / validation / test"),
        ]
    if run["seed"] is not None:
        facts += [("device", run["device"] or "-"), ("seed", str(run["seed"]))]
    facts += [("commit", run["git_commit"] or "-")]
    return facts


def _print_checks(console: Console, title: str, checks: list[dict[str, Any]], subject: str) -> None:
    of_subject = [{**check, "words": _check_words(check)} for check in checks if check["subject"] == subject]
    _print_table(console, title, of_subject, ("name", "verdict", "words"))


def _print_observation(console: Console, observation: dict[str, Any], options: dict[str, Any]) -> None:
    """How the champion does, beside how it did."""
    seen = observation["num_new"] > 0
    bounds = f" [{observation['lower']:.4f}, {observation['upper']:.4f}]" if seen else ""
    accuracy = f"{observation['accuracy']:.4f}{bounds}" if seen else "-"
    auc = "-" if observation["auc"] is None else f"{observation['auc']:.4f}"
    shares = f"{observation['predicted_positive']:.1%} predicted, {observation['positive']:.1%} true" if seen else "-"
    facts = (
        ("champion", f"{observation['candidate_id']}, number {observation['position']} of {observation['line']}"),
        ("reviews", f"{options.get('source', '-')}: {observation['num_rows']:,} rows, {observation['num_new']:,} new"),
        ("accuracy", f"{accuracy}, {observation['promoted_accuracy']:.4f} at promotion"),
        ("AUC", auc),
        ("positive", shares),
        ("verdict", observation["verdict"]),
    )
    table = Table(
        title="Champion", title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False
    )
    for name, value in facts:
        table.add_row(f"[dim]{name}[/]", _plain(value))
    console.print()
    console.print(table)


def _check_words(check: dict[str, Any]) -> str:
    """The evidence; of what did not pass, also what it was held against, and the first rows that offend."""
    words = str(check["evidence"])
    if check["verdict"] in ("warn", "fail"):
        words += f". Bound: {check['bound']}" if check["bound"] else ""
        rows = check["offending_rows"]
        if rows:
            # No more than so many are kept: there may be others.
            least = "at least " if len(rows) >= _KEPT_ROWS else ""
            more = f" and {least}{len(rows) - _SHOWN_ROWS} more" if len(rows) > _SHOWN_ROWS else ""
            words += f". Rows: {', '.join(rows[:_SHOWN_ROWS])}{more}"
    if check["verdict"] == "warn" and check["action"] == "warn":
        words += ". The configuration lets it pass"
    return words


def _print_decision(console: Console, model: str, decision: dict[str, Any]) -> None:
    put_back = decision["kind"] == "rollback" and decision["verdict"] == "promoted"
    verdict = "put back" if put_back else decision["verdict"]
    _print_table(console, f"{model}: {verdict}", decision["gates"], ("name", "verdict", "words"))
    suspects = [
        {"name": row["cause"], "verdict": row["standing"], "words": _suspect_words(row)}
        for row in decision["diagnosis"]
    ]
    _print_table(console, f"{model}: why it may have been rejected", suspects, ("name", "verdict", "words"))


def _suspect_words(suspect: dict[str, Any]) -> str:
    if suspect["standing"] == "ruled out":
        # What the checks found stands above.
        passed = re.findall(r"the check '[^']*' passed", suspect["evidence"])
        return "; ".join(passed) or str(suspect["evidence"])
    return f"{suspect['evidence']}. What to do: {suspect['remedy']}"


def _print_ledger(console: Console, ledger: dict[str, Any]) -> None:
    console.print()
    console.print("[bold]Ledger[/]")
    count = ledger["comparisons"]
    console.print(
        f"test set {ledger['test_id'][:12]}: {count} comparison{'' if count == 1 else 's'} with a champion so far, "
        f"α spent {ledger['spent']:.4f} of {ledger['total']:g}, left {ledger['left']:.4f}; the next one may spend "
        f"{ledger['next']:.3g}",
        highlight=False,
    )


def _print_models(console: Console, candidates: list[dict[str, Any]], checks: list[dict[str, Any]]) -> None:
    if not candidates:
        return
    probe: dict[str, Any] = next(
        (check["measured"] for check in checks if check["name"] == "probe" and check["measured"]), {}
    )
    table = Table(title="Models", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("", *(candidate["model"] for candidate in candidates), *(["linear probe"] if probe else [])):
        table.add_column(name, no_wrap=True)
    rows = [("test", name, "overall") for name in ("accuracy", "auc", "log_loss", "brier")]
    rows += [("test", name, scope) for scope in ("class 0", "class 1") for name in ("precision", "recall", "f1")]
    for split, name, scope in [*rows, ("validation", "accuracy", "overall")]:
        label = f"{split} {_METRIC_NAMES.get(name, name)}" + ("" if scope == "overall" else f", {scope}")
        cells = [_metric(candidate, split, name, scope) for candidate in candidates]
        table.add_row(label, *cells, *([_probe_metric(probe, split, name, scope)] if probe else []))
    table.add_row("confusion [TN FP / FN TP]", *(_confusion(candidate) for candidate in candidates))
    table.add_row(
        "best epoch", *(f"{candidate['best_epoch']} of {len(candidate['epochs'])}" for candidate in candidates)
    )
    table.add_row("training", *(_duration(candidate["training_seconds"]) for candidate in candidates))
    table.add_row("parameters", *(f"{candidate['num_parameters']:,}" for candidate in candidates))
    console.print()
    console.print(table)


def _metric(candidate: dict[str, Any], split: str, name: str, scope: str) -> str:
    for metric in candidate["metrics"]:
        if (metric["split"], metric["name"], metric["scope"]) == (split, name, scope):
            bounds = f"  \\[{metric['lower']:.4f}, {metric['upper']:.4f}]" if metric["lower"] is not None else ""
            return f"{metric['value']:.4f}{bounds}"
    return "-"


def _probe_metric(probe: dict[str, Any], split: str, name: str, scope: str) -> str:
    value = probe.get(f"{split}_{name}") if scope == "overall" else None
    return "" if value is None else f"{value:.4f}"


def _confusion(candidate: dict[str, Any]) -> str:
    for matrix in candidate["confusion_matrices"]:
        if matrix["split"] == "test":
            counts = [matrix[f"{truth}_{sign}"] for truth, sign in _CELLS]
            return "{:,} {:,} / {:,} {:,}".format(*counts)
    return "-"


_CELLS = (("true", "negatives"), ("false", "positives"), ("false", "negatives"), ("true", "positives"))


def _print_table(console: Console, title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("name", "verdict"))
    for row in rows:
        cells = [str(row[column]) for column in columns]
        table.add_row(
            *(
                f"[{_VERDICT_STYLES[cell]}]{cell}[/]" if column == "verdict" else _plain(cell)
                for column, cell in zip(columns, cells, strict=True)
            )
        )
    console.print()
    console.print(table)


def _stage(stage: dict[str, Any]) -> dict[str, str]:
    return {
        "name": stage["name"],
        "seconds": f"{stage['seconds']:.1f} s",
        "peak memory": f"peak {stage['peak_memory_bytes'] / 2**20:,.0f} MiB",
    }


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
        return _plain(run.message.partition(":")[0])
    if run.flow == "check" and run.state == "completed":
        return _plain(run.message.removeprefix(f"{run.line} is "))
    if run.flow in ("score", "monitor") and run.state == "completed":
        return _plain(run.message)
    if run.state == "completed":
        did, would = ("put back", "put back") if run.flow == "rollback" else ("promoted", "promote")
        return f"dry run: would {would} nothing" if run.dry_run else f"nothing {did}"
    return _plain(run.message)


def _plain(text: str) -> Text:
    """Text in which nothing is taken for rich's markup, whatever a person has written there."""
    return Text(text)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
