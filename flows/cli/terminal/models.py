"""The part of `retrain show` that sets the models of a run side by side."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from flows.cli.terminal.common import duration

METRIC_NAMES = {"auc": "AUC", "log_loss": "log loss", "brier": "Brier score", "f1": "F1"}
_CELLS = (("true", "negatives"), ("false", "positives"), ("false", "negatives"), ("true", "positives"))


def print_models(console: Console, candidates: list[dict[str, Any]], checks: list[dict[str, Any]]) -> None:
    """Their numbers in columns, beside those of the linear probe."""
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
        label = f"{split} {METRIC_NAMES.get(name, name)}" + ("" if scope == "overall" else f", {scope}")
        cells = [_metric(candidate, split, name, scope) for candidate in candidates]
        table.add_row(label, *cells, *([_probe_metric(probe, split, name, scope)] if probe else []))
    table.add_row("confusion [TN FP / FN TP]", *(_confusion(candidate) for candidate in candidates))
    table.add_row(
        "best epoch", *(f"{candidate['best_epoch']} of {len(candidate['epochs'])}" for candidate in candidates)
    )
    table.add_row("training", *(duration(candidate["training_seconds"]) for candidate in candidates))
    table.add_row("parameters", *(f"{candidate['num_parameters']:,}" for candidate in candidates))
    table.add_row("bundle", *(candidate["bundle"][:12] for candidate in candidates))
    if any(candidate["reused_from"] for candidate in candidates):
        table.add_row("trained", *(_trained(candidate) for candidate in candidates))
    console.print()
    console.print(table)


def _trained(candidate: dict[str, Any]) -> str:
    """In which run."""
    reused: str = candidate["reused_from"]
    return reused.split("/")[0] if reused else "in this run"


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
