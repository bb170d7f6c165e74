"""Label association: no single feature, no single word and no order of the rows gives the label away."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storage.matrices import Matrix
from storage.options import CheckOptions
from storage.records import CheckResult, CheckVerdict
from tasks.checks.base import CheckedData
from tasks.checks.counts import presence
from tasks.checks.effects import CONFIDENCE
from tasks.checks.places import FileRows, source_files
from tasks.evaluation.bounds import auc_standard_error, exact_lower_bound, normal_quantile, placements
from tasks.features.review_features import FEATURE_NAMES

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]


@dataclass(frozen=True)
class _Association:
    """How well something predicts the label by itself.

    Attributes:
        what: The feature, word or order, in words.
        auc: The larger of the AUC and 1 - AUC: what predicts the opposite gives the label away just as well.
        least: What it is at least, at 99.9 %.
    """

    what: str
    auc: float
    least: float

    def __str__(self) -> str:
        """What a person reads."""
        return f"{self.what} (AUC {self.auc:.3f}, at least {self.least:.3f})"


def check_label_association(data: CheckedData, options: CheckOptions) -> CheckResult:
    """Measure the AUC of each feature and of each word's presence in each split, and of the order of each file.

    No single number about a review tells its label: one that does was made from the label, or is a mark that will not
    be there in what the model has to read. The order of the rows is not fed to the model: it warns at most.
    """
    bound = options.max_association
    measured: dict[str, float | int | str] = {}
    wrong: list[_Association] = []
    best: list[_Association] = []
    for name, matrix in data.matrices.items():
        for kind, found in (("feature", _best_feature(name, matrix)), ("word", _best_word(name, matrix, data))):
            if found is not None:
                measured |= {f"{name}_{kind}": found.what, f"{name}_{kind}_auc": found.auc}
                measured[f"{name}_{kind}_auc_at_least"] = found.least
                best.append(found)
                wrong += [found] if found.least > bound else []
    orders = [order for source, rows in source_files(data.rows).items() for order in _orders(source, rows, measured)]
    ordered = [order for order in orders if order.least > bound]
    verdict: CheckVerdict = "fail" if wrong else "warn" if ordered or not best else "pass"
    told = [f"{found} predicts the label almost alone" for found in [*wrong, *ordered]]
    if not best:
        told.append("nothing could be measured: no split has rows of both labels, each with features and words")
    return CheckResult(
        "label association",
        verdict,
        measured,
        f"AUC of a single feature, word or order at most {bound:g}, at {CONFIDENCE:.1%} confidence",
        "; ".join(told) or f"the best single predictor is {max(best, key=lambda found: found.least)}",
    )


def _best_feature(split: str, matrix: Matrix) -> _Association | None:
    labels, features = matrix.labels, matrix.features
    if features.ndim != 2 or len(features) != len(labels) or not _has_both(labels):
        return None
    # An AUC is one of ranks: infinity has its place among them, what is no number has none.
    numbers = np.flatnonzero(~np.isnan(features).any(axis=0)).tolist()
    found = [_association(f"the feature {_feature(index)} in {split}", labels, features[:, index]) for index in numbers]
    return max(found, key=lambda one: (one.least, one.auc), default=None)


def _best_word(split: str, matrix: Matrix, data: CheckedData) -> _Association | None:
    """All words at once: the AUC of a word's presence is half of one plus the difference of its shares in the classes.

    The best of 50,000 words is better than it would be on other rows. Near the bound, 0.95 by default, that is of no
    weight: it would take a second word that is nearly as good.
    """
    labels, encoder = matrix.labels, data.encoder
    if len(matrix.sequences) != len(labels) or not _has_both(labels):
        return None
    is_positive = labels == 1
    classes = np.stack([is_positive, ~is_positive], axis=1)
    reviews = np.zeros((encoder.num_words, 2))
    for part, piece in matrix.sequences.pieces():
        # Sums of ones are exact in float32 below 2^24 rows.
        reviews += presence(piece, encoder.num_words).T @ classes[part].astype(np.float32)
    shares = reviews / classes.sum(axis=0)
    difference = shares[:, 0] - shares[:, 1]
    index = int(np.abs(difference).argmax())
    auc = (1 + float(abs(difference[index]))) / 2
    return _Association(f"{_word(index, data)} in {split}", auc, _least(auc, labels))


def _feature(index: int) -> str:
    return FEATURE_NAMES[index] if index < len(FEATURE_NAMES) else f"number {index}"


def _word(index: int, data: CheckedData) -> str:
    names = {data.encoder.start_index: "the start token", data.encoder.oov_index: "a word out of the vocabulary"}
    rank = index - data.encoder.index_from
    if data.vocabulary is not None and 1 <= rank <= len(data.vocabulary) and index not in names:
        return f"the word {data.vocabulary.words[rank - 1].as_py()!r}"
    return names.get(index, f"the word of rank {rank:,} (index {index:,})")


def _orders(source: str, rows: FileRows, measured: dict[str, float | int | str]) -> Iterator[_Association]:
    """The place in the file, and the label of the neighbour before: 1 is sorted, 0 alternating, one half random."""
    if not _has_both(rows.labels):
        return
    place = _association(f"the place in the file {source}", rows.labels, rows.places)
    equal = int((rows.labels[1:] == rows.labels[:-1]).sum())
    num_pairs = len(rows.labels) - 1
    measured |= {f"{source}_place_auc": place.auc, f"{source}_equal_neighbours": equal / num_pairs}
    likelier = max(equal, num_pairs - equal)
    yield place
    yield _Association(
        f"the {'same' if 2 * equal >= num_pairs else 'other'} label as the row before in the file {source}",
        likelier / num_pairs,
        exact_lower_bound(likelier, num_pairs, 1 - CONFIDENCE),
    )


def _association(what: str, labels: Labels, scores: Floats | npt.NDArray[np.integer]) -> _Association:
    of = placements(np.asarray(labels == 1, dtype=np.int64), scores.astype(np.float64))
    auc = max(of.auc, 1 - of.auc)
    error = auc_standard_error(of)
    delong = 0.0 if math.isnan(error) else max(0.0, auc - normal_quantile(CONFIDENCE) * error)
    return _Association(what, auc, min(delong, _least(auc, labels)))


def _least(auc: float, labels: Labels) -> float:
    """Exact lower bound of an AUC as of a share of correct rows, which the AUC of a yes or no is in equal classes.

    DeLong's error vanishes where the classes are wholly apart, even with two rows; this one does not.
    """
    num_positive = int((labels == 1).sum())
    num_rows = 2 * min(num_positive, len(labels) - num_positive)
    return exact_lower_bound(math.floor(auc * num_rows + 1e-9), num_rows, 1 - CONFIDENCE)


def _has_both(labels: Labels) -> bool:
    return bool((labels == 1).any() and (labels != 1).any())
