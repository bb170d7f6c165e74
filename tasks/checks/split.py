"""Split: train, validation and test are random parts of one whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from storage.options import CheckOptions
from storage.records import CheckResult, CheckVerdict, Split
from storage.snapshots import Rows
from tasks.checks.base import CheckedData, offending
from tasks.checks.effects import CONFIDENCE, Effect, cliffs_delta, rank_correlation
from tasks.checks.places import FileRows, source_files
from tasks.checks.vocabulary import vocabulary_distances
from tasks.evaluation.bounds import normal_quantile

# From this effect size on, a file counts as sorted, and a part of it as cut from one end.
_COMPLETE = 0.9
_OTHERS: tuple[Split, ...] = ("validation", "test")


def check_split(data: CheckedData, options: CheckOptions) -> CheckResult:
    """Compare validation and test with train: place in the file, label, length and words.

    A validation set that was cut from one end of a file is like train only as long as the file has no order, and nobody
    promised that: it fails whatever is in it. Effect sizes, since with 25,000 reviews every difference is significant;
    a failure needs a lower bound beyond the option's, so that a small split does not fail by chance. An order of the
    file alone does no harm where the split is random: it is told, and warns at most.
    """
    files = source_files(data.rows)
    trends = _trends(files)
    effects = {**_of_places(files), **_of_contents(data.rows)}
    bound = options.max_split_effect
    measured: dict[str, float | int | str] = {}
    for name, effect in {**effects, **trends}.items():
        measured[name] = effect.size
        measured[f"{name}_at_least"] = effect.least
    wrong = {name: effect for name, effect in effects.items() if effect.least > bound}
    ordered = {name: effect for name, effect in trends.items() if effect.least > bound}
    verdict: CheckVerdict = "fail" if wrong else "warn" if ordered else "pass"
    told = [*_in_words(wrong, files, trends), *(_trend_in_words(name, effect) for name, effect in ordered.items())]
    return CheckResult(
        "split",
        verdict,
        measured,
        f"effect sizes of place, label, length and words at most {bound:g}, at {CONFIDENCE:.1%} confidence",
        "; ".join(told) or _all_is_well(effects, data.rows, bound),
        _misplaced(data.rows, wrong),
    )


def _of_places(files: Mapping[str, FileRows]) -> dict[str, Effect]:
    """For each split that shares a file with train: whether its rows stand nearer to the end, and in one piece."""
    result: dict[str, Effect] = {}
    for split in _OTHERS:
        for rows in files.values():
            is_train, is_other = rows.are_of("train"), rows.are_of(split)
            if not is_train.any() or not is_other.any():
                continue
            places = cliffs_delta(rows.places[is_other], rows.places[is_train])
            result[f"{split}_place"] = max(places, result.get(f"{split}_place", places), key=lambda of: of.least)
            pieces = _clustering(is_other[is_train | is_other])
            result[f"{split}_pieces"] = max(pieces, result.get(f"{split}_pieces", pieces), key=lambda of: of.least)
    return result


def _clustering(belongs: npt.NDArray[np.bool_]) -> Effect:
    """Correlation of each row's membership with the next row's: 0 in a random split, almost 1 if cut in one piece."""
    first, second = belongs[:-1], belongs[1:]
    if len(first) < 2 or first.all() or second.all() or not first.any() or not second.any():
        return Effect(0.0, 0.0)
    size = float(np.corrcoef(first, second)[0, 1])
    # Every tenth row is no random split either, but as good as one: only what lies together counts.
    return Effect(size, max(0.0, size - normal_quantile(CONFIDENCE) / np.sqrt(len(first))))


def _of_contents(rows: Mapping[Split, Rows]) -> dict[str, Effect]:
    result = {}
    for split in _OTHERS:
        train, other = rows["train"], rows[split]
        result[f"{split}_label"] = cliffs_delta(other.labels, train.labels)
        result[f"{split}_length"] = cliffs_delta(other.tokens.lengths, train.tokens.lengths)
    words = vocabulary_distances(rows["train"].tokens, (rows[split].tokens for split in _OTHERS))
    return result | {f"{split}_words": distance for split, distance in zip(_OTHERS, words, strict=True)}


def _trends(files: Mapping[str, FileRows]) -> dict[str, Effect]:
    result = {}
    for source, rows in files.items():
        is_positive = rows.labels == 1
        result[f"label_trend_{source}"] = cliffs_delta(rows.places[is_positive], rows.places[~is_positive])
        result[f"length_trend_{source}"] = rank_correlation(rows.places, rows.lengths)
    return result


def _in_words(
    wrong: Mapping[str, Effect], files: Mapping[str, FileRows], trends: Mapping[str, Effect]
) -> Iterator[str]:
    for split in _OTHERS:
        place, pieces = wrong.get(f"{split}_place"), wrong.get(f"{split}_pieces")
        if place or pieces:
            file = f"the file{_order_of_shared_file(split, files, trends)}"
            if place and abs(place.size) >= _COMPLETE:
                where = f"was cut from the {'end' if place.size > 0 else 'start'} of {file}"
            elif place:
                where = f"lies nearer to the {'end' if place.size > 0 else 'start'} of {file} than train"
            else:
                where = f"was cut in pieces out of {file}"
            yield f"{split} {where} and is no random part of it ({_numbers(place or pieces)})"
        for part, words in (("label", "other labels"), ("length", "other lengths"), ("words", "other words")):
            if effect := wrong.get(f"{split}_{part}"):
                yield f"{split} has {words} than train ({_numbers(effect)})"


def _order_of_shared_file(split: Split, files: Mapping[str, FileRows], trends: Mapping[str, Effect]) -> str:
    shared = [source for source, rows in files.items() if rows.are_of("train").any() and rows.are_of(split).any()]
    sorted_by = [
        kind
        for kind in ("label", "length")
        if any(abs(trends[f"{kind}_trend_{source}"].size) >= _COMPLETE for source in shared)
    ]
    # Not "the file of a file": what is cut is a part, what it is cut from is the file.
    return f", a file sorted by {' and '.join(sorted_by)}," if sorted_by else ""


def _trend_in_words(name: str, effect: Effect) -> str:
    kind, source = name.split("_trend_", 1)
    order = f"is sorted by {kind}" if abs(effect.size) >= _COMPLETE else f"has a trend of the {kind}"
    return f"the file {source} {order} ({_numbers(effect)})"


def _numbers(effect: Effect | None) -> str:
    return "" if effect is None else f"effect {effect.size:+.2f}, at least {effect.least:.2f}"


def _all_is_well(effects: Mapping[str, Effect], rows: Mapping[Split, Rows], bound: float) -> str:
    empty = [name for name in rows if not len(rows[name].ids)]
    if empty:
        return f"nothing to compare in {' and '.join(empty)}: no rows"
    largest = max(effects, key=lambda name: abs(effects[name].size))
    split, part = largest.split("_", 1)
    is_unsure = abs(effects[largest].size) > bound
    found = "too few rows to tell whether validation and test are" if is_unsure else "validation and test are"
    return (
        f"{found} like train in place, labels, lengths and words: the largest effect is "
        f"{effects[largest].size:+.3f}, {part.replace('pieces', 'clustering')} of {split}"
    )


def _misplaced(rows: Mapping[Split, Rows], wrong: Mapping[str, Effect]) -> tuple[str, ...]:
    for split in _OTHERS:
        if f"{split}_place" in wrong or f"{split}_pieces" in wrong:
            return offending(rows[split].ids, np.ones(len(rows[split].ids), dtype=bool))
    return ()
