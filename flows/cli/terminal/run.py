"""What `retrain show` prints: one run in full."""

from __future__ import annotations

import re
from typing import Any

from rich.console import Console
from rich.table import Table

from flows.cli.terminal.common import STATE_STYLES, duration, option_words, plain, print_table, utc_minutes
from flows.cli.terminal.details import print_details
from flows.cli.terminal.models import print_models
from tasks.reporting.options import chosen

_SHOWN_ROWS, _KEPT_ROWS = 3, 20
_TRIGGERS = {"command line": "from the command line", "schedule": "on schedule", "deployment": "from a deployment"}


def print_run(console: Console, run: dict[str, Any], in_full: bool = False) -> None:
    """What a person wants to know about one run; in full, what it can be repeated with, too."""
    state = f"[{STATE_STYLES.get(run['state'], 'red')}]{run['state']}[/]"
    console.print(f"[bold]{run['id']}[/]  {state}  {duration(run['seconds'])}", highlight=False)
    if run["message"] != run["state"]:
        console.print(run["message"], highlight=False, markup=False)
    console.print()
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(run):
        facts.add_row(f"[dim]{name}[/]", plain(value))
    console.print(facts)
    _print_checks(console, "Checks of the data", run["checks"], "data")
    if run["observation"]:
        _print_observation(console, run["observation"], run["options"])
        _print_checks(console, "Checks of the champion", run["checks"], "champion")
    print_models(console, run["candidates"], run["checks"])
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
    print_table(console, "Stages", [_stage(stage) for stage in run["stages"]], ("name", "seconds", "peak memory"))
    if in_full:
        print_details(console, run)


def _facts(run: dict[str, Any]) -> list[tuple[str, str]]:
    snapshot = run["snapshot"]
    facts = [("flow", run["flow"]), ("line", run["line"])]
    if run["dry_run"]:
        facts.append(("dry run", "it decides, and changes nothing"))
    facts.append(("started", f"{utc_minutes(run['started_at'])} UTC, {_TRIGGERS[run['trigger']]}"))
    if run["slot"]:
        facts.append(("slot", run["slot"]))
    if snapshot:
        rows = " / ".join(f"{snapshot[f'num_{split}']:,}" for split in ("train", "validation", "test"))
        facts += [
            ("source", snapshot["origin"]),
            *([("because", run["source_reason"])] if run["source_reason"] else []),
            ("snapshot", f"{snapshot['id'][:12]}, {rows} rows for training / validation / test"),
        ]
    if run["seed"] is not None:
        facts += [("device", run["device"] or "-"), ("seed", str(run["seed"]))]
    options = " ".join(f"{name}={option_words(value)}" for name, value in chosen(run["options"]).items())
    facts += [("options", options or "as by default"), ("commit", run["git_commit"] or "-")]
    return facts


def _print_checks(console: Console, title: str, checks: list[dict[str, Any]], subject: str) -> None:
    of_subject = [{**check, "words": _check_words(check)} for check in checks if check["subject"] == subject]
    print_table(console, title, of_subject, ("name", "verdict", "words"))


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
        table.add_row(f"[dim]{name}[/]", plain(value))
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
    print_table(console, f"{model}: {verdict}", decision["gates"], ("name", "verdict", "words"))
    if decision["comparison"]:
        _print_comparison(console, decision["comparison"])
    suspects = [
        {"name": row["cause"], "verdict": row["standing"], "words": _suspect_words(row)}
        for row in decision["diagnosis"]
    ]
    print_table(console, f"{model}: why it may have been rejected", suspects, ("name", "verdict", "words"))


def _print_comparison(console: Console, made: dict[str, Any]) -> None:
    """The challenger beside the champion, row by row."""
    words = [
        f"against {made['champion_id']} on {made['num_rows']:,} rows: {made['only_challenger']:,} only the challenger "
        f"gets right, {made['only_champion']:,} only the champion",
        f"accuracy {made['difference']:+.4f} [{made['lower']:+.4f}, {made['upper']:+.4f}], one-sided p "
        f"{made['p_value']:.4f}; it may spend {made['alpha']:.3g}, as comparison number {made['comparison'] + 1}",
    ]
    if made["auc_difference"] is not None:
        bounds = "" if made["auc_lower"] is None else f" [{made['auc_lower']:+.4f}, {made['auc_upper']:+.4f}]"
        words.append(f"AUC {made['auc_difference']:+.4f}{bounds}")
    for line in words:
        console.print(plain(line), style="dim")


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


def _stage(stage: dict[str, Any]) -> dict[str, str]:
    return {
        "name": stage["name"],
        "seconds": f"{stage['seconds']:.1f} s",
        "peak memory": f"peak {stage['peak_memory_bytes'] / 2**20:,.0f} MiB",
    }
