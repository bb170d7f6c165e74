"""The tables of a page, as text: a row is its name and its cells. What is undefined is a dash."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from storage.accounts import Account, Spread
from storage.records import Observation, Stage
from tasks.evaluation.curves import calibration_error, can_be_drawn, reliability
from tasks.evaluation.metrics import evaluate
from tasks.evaluation.slices import Slice
from tasks.features.review_features import FEATURE_NAMES
from tasks.reporting.contents import Answers, ReportContents
from tasks.reporting.scores import with_bounds
from tasks.reporting.tables import Row, metric_cells, metrics_table

_FIRST = ("test accuracy", "test AUC", "validation accuracy", "test log loss", "test Brier score")
_LAST = ("best epoch", "training, seconds", "parameters")
_CALIBRATION = "test calibration error"


@dataclass(frozen=True)
class Sheet:
    """A table: a name for each column, and rows of as many cells."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def models_sheets(contents: ReportContents) -> tuple[Sheet, Sheet]:
    """The models beside each other, the champion and the probe: what one looks at first, and the rest."""
    rows = metrics_table(contents.candidates, contents.decisions, contents.checks)
    if rows:
        rows = [*_of_champion(rows, contents.answers), _calibration_row(rows[0], contents.answers)]
    by_name = {row["metric"]: row for row in rows}
    first = [by_name[name] for name in (*_FIRST, _CALIBRATION, *_LAST) if name in by_name]
    rest = [row for row in rows if row not in first]
    return _sheet("Numbers, with 95 % bounds where they have any", first), _sheet("All other numbers", rest)


def lengths_sheet(account: Account) -> Sheet:
    """How many reviews, and how long they are, by split."""
    columns = ("split", "reviews", "positive", "cut", "mean", "deviation", "shortest", "25 %", "50 %", "75 %", "95 %")
    rows = tuple(
        (
            one.split,
            f"{one.num_rows:,}",
            _share(one.num_positive, one.num_rows),
            _share(one.num_cut, one.num_rows),
            f"{one.words.mean:.1f}",
            f"{one.words.deviation:.1f}",
            *(f"{value:,.0f}" for value in one.words.quantiles),
        )
        for one in account.splits
    )
    caption = f"Words of a review. A model is fed its last {account.max_length:,} tokens; what is longer is cut"
    return Sheet(caption, (*columns, "longest"), rows)


def features_sheet(account: Account) -> Sheet:
    """Mean and deviation of each review feature, by split."""
    # The file has them sorted by name.
    names = sorted(account.splits[0].features, key=FEATURE_NAMES.index)
    rows = tuple((_words(name), *(_mean(split.features[name]) for split in account.splits)) for name in names)
    caption = "Review features before they are standardised: mean ± standard deviation"
    return Sheet(caption, ("feature", *(split.split for split in account.splits)), rows)


def slices_sheet(slices: Mapping[str, Sequence[Slice]], what: str) -> Sheet:
    """The accuracy of each model on each slice."""
    first = next(iter(slices.values()), [])
    rows = tuple(
        (
            one.name,
            f"{one.num_rows:,}",
            *(with_bounds(parts[place].accuracy, parts[place].lower, parts[place].upper) for parts in slices.values()),
        )
        for place, one in enumerate(first)
    )
    return Sheet(f"Test accuracy by {what}, with exact 95 % bounds", (what, "reviews", *slices), rows)


def watched_sheet(seen: Observation) -> Sheet:
    """What a champion does on reviews that came since, beside what it did when it was promoted."""
    rows = (
        ("accuracy", with_bounds(seen.accuracy, seen.lower, seen.upper), with_bounds(seen.promoted_accuracy)),
        ("AUC", with_bounds(seen.auc), "-"),
        ("share called positive", _percent(seen.predicted_positive), "-"),
        ("share that is positive", _percent(seen.positive), "-"),
    )
    return Sheet("Numbers, with 95 % bounds where they have any", ("", "today", "at promotion"), rows)


def stages_sheet(stages: Sequence[Stage]) -> Sheet:
    """Time and memory of each stage."""
    rows = tuple((one.name, f"{one.seconds:.1f}", f"{one.peak_memory_bytes / 2**20:,.0f}") for one in stages)
    return Sheet("Stages", ("stage", "seconds", "peak memory, MiB"), rows)


def sliced(answers: Sequence[Answers], by: Callable[..., list[Slice]]) -> dict[str, list[Slice]]:
    """The slices of each model that knows of them."""
    found = {one.name: by(one.predictions) for one in answers}
    return {name: parts for name, parts in found.items() if parts}


def _of_champion(rows: Sequence[Row], answers: Sequence[Answers]) -> list[Row]:
    """The champion's numbers too, where its own test rows are today's."""
    champion = next((one for one in answers if one.role == "champion"), None)
    if champion is None:
        return list(rows)
    measured = evaluate("test", champion.predictions.labels, champion.predictions.probabilities)
    cells = metric_cells(measured)
    return [{column: _known(cell, cells.get(row["metric"]), column) for column, cell in row.items()} for row in rows]


def _known(cell: str, of_champion: str | None, column: str) -> str:
    return of_champion if of_champion and cell == "-" and column.startswith("champion") else cell


def _calibration_row(columns: Row, answers: Sequence[Answers]) -> Row:
    row = {**dict.fromkeys(columns, "-"), "metric": _CALIBRATION}
    for one in answers:
        labels, probabilities = one.predictions.labels, one.predictions.probabilities
        column = next((name for name in columns if name == one.name or name.startswith(f"{one.name} of ")), None)
        if column and can_be_drawn(labels, probabilities):
            row[column] = f"{calibration_error(reliability(labels, probabilities)):.4f}"
    return row


def _sheet(caption: str, rows: Sequence[Row]) -> Sheet:
    columns = tuple(rows[0]) if rows else ()
    shown = tuple("" if column == "metric" else column for column in columns)
    return Sheet(caption, shown, tuple(tuple(row[column] for column in columns) for row in rows))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _mean(spread: Spread) -> str:
    return f"{spread.mean:.4g} ± {spread.deviation:.4g}"


def _words(name: str) -> str:
    return name.replace("_", " ")
