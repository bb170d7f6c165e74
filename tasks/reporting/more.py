"""The parts of a verdict in markdown that bundles tell of: curves, calibration, slices, mistakes, the data."""

from __future__ import annotations

from collections.abc import Mapping

from storage.accounts import Account, Mistake
from tasks.evaluation.curves import calibration_error, can_be_drawn, reliability
from tasks.evaluation.slices import by_length, by_rating
from tasks.reporting.contents import ReportContents
from tasks.reporting.drawn import draw_curves
from tasks.reporting.markdown import code, escaped, folded, table
from tasks.reporting.sheets import Sheet, features_sheet, lengths_sheet, sliced, slices_sheet

# A page in Prefect's database stays small; the file has them all, and more of their words.
_NUM_MISTAKES, _MAX_CHARACTERS = 5, 300


def more_of(contents: ReportContents) -> list[str]:
    """All parts that there is something to tell in; nothing where nothing was trained."""
    slices = [
        slices_sheet(sliced(contents.answers, by_length), "words of the review"),
        slices_sheet(sliced(contents.answers, by_rating), "rating"),
    ]
    data = [sheet for account in list(contents.accounts.values())[:1] for sheet in _data_sheets(account)]
    return [
        *_curves(contents),
        *_section("Calibration", [_calibration(contents)]),
        *_section("Slices", slices),
        *_mistakes(contents.accounts),
        *_section("The data", data),
        *(["", *(f"- {escaped(sentence)}" for sentence in contents.missing)] if contents.missing else []),
    ]


def _curves(contents: ReportContents) -> list[str]:
    drawn = [picture.markdown() for picture in draw_curves(contents) if picture]
    return ["", "## ROC and precision–recall", *(line for picture in drawn for line in ("", picture))] if drawn else []


def _data_sheets(account: Account) -> list[Sheet]:
    return [lengths_sheet(account), features_sheet(account)]


def _calibration(contents: ReportContents) -> Sheet:
    rows = []
    for one in contents.answers:
        labels, probabilities = one.predictions.labels, one.predictions.probabilities
        if can_be_drawn(labels, probabilities):
            bins = reliability(labels, probabilities)
            said = "; ".join(f"{part.said:.0%} said, {part.seen:.0%} seen" for part in bins if part.num_rows)
            rows.append((one.name, f"{calibration_error(bins):.4f}", said))
    return Sheet("", ("model", "expected calibration error", "share of positive reviews, in ten bins"), tuple(rows))


def _section(title: str, sheets: list[Sheet]) -> list[str]:
    filled = [sheet for sheet in sheets if sheet.rows]
    lines = [line for sheet in filled for line in _sheet(sheet)]
    return ["", f"## {title}", *lines] if lines else []


def _sheet(sheet: Sheet) -> list[str]:
    caption = ["", f"{escaped(sheet.caption)}."] if sheet.caption else []
    return [*caption, *table(sheet.columns, [[escaped(cell) for cell in row] for row in sheet.rows])]


def _mistakes(accounts: Mapping[str, Account]) -> list[str]:
    lines = []
    for model, account in accounts.items():
        items = [_mistake(one) for one in account.mistakes[:_NUM_MISTAKES]]
        summary = f"The {len(items)} most confident of {account.num_mistakes:,} mistakes of {model}"
        lines += folded(summary, ["", *items] if items else [])
    return ["", "## Mistakes", *lines] if lines else []


def _mistake(one: Mistake) -> str:
    said = 1 - one.probability if one.label else one.probability
    is_what, says_what = ("positive", "negative") if one.label else ("negative", "positive")
    rated = "" if one.rating is None else f", rated {one.rating}"
    cut = "" if one.text is None else escaped(one.text[:_MAX_CHARACTERS])
    more = "…" if one.text is not None and (one.is_cut or len(one.text) > _MAX_CHARACTERS) else ""
    words = f" {cut}{more}" if one.text is not None else ""
    return f"- Is **{is_what}**{rated}; the model says {says_what} with {said:.2%} ({code(one.row_id)}).{words}"
