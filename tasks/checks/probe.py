"""Probe: a linear model, trained in seconds, reads test and validation as well as it reads train.

It is fed what the models will be fed, sequences and labels as they stand beside each other, so it sees any fault of the
matrices that costs accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from storage.matrices import Matrix
from storage.options import CheckOptions
from storage.records import SPLITS, CheckResult, Split
from storage.sequences import Int64Array, Sequences
from tasks.checks.base import CheckedData
from tasks.checks.counts import presence
from tasks.checks.identical import identical
from tasks.checks.linear import NUM_FOLDS, ROWS_PER_ERROR, SEED, Scores, fit_and_score, out_of_fold
from tasks.evaluation.bounds import (
    auc_standard_error,
    exact_interval,
    exact_lower_bound,
    normal_quantile,
    placements,
)

MAX_ROWS = 50_000
"""Rows of each split that are read, drawn at random where there are more. Of so many, the bounds lie within 0.6 points
of an accuracy of 0.9, and neither memory nor time grows any further."""
MIN_CLASS_ROWS = 2 * NUM_FOLDS
"""Rows of each class below which nothing is cross-validated."""
ALPHA = 0.001
"""One-sided error of every bound that a failure rests on."""
CHANCE_MARGIN = 0.05
"""An accuracy below the majority class's share plus this, or an AUC below 0.5 plus this, is near chance."""


@dataclass(frozen=True)
class Reading:
    """How well scores read the labels of some rows.

    Attributes:
        num_rows: Rows that were read.
        num_correct: Of these, rows with a score above 0 and label 1, or neither.
        majority: Share of the larger class, the accuracy of blind guessing.
        auc: NaN with one class only.
        auc_error: Standard error of it.
        rows_per_error: Rows that tend to err together; bounds count so many as one.
    """

    num_rows: int
    num_correct: int
    majority: float
    auc: float
    auc_error: float
    rows_per_error: int = 1

    @classmethod
    def of(cls, labels: Int64Array, scores: Scores, rows_per_error: int = 1) -> Reading:
        """Compare scores with labels, both `(rows,)`."""
        placed = placements(labels, scores)
        share = float(labels.mean()) if len(labels) else math.nan
        correct = int(((scores > 0) == (labels == 1)).sum())
        error = auc_standard_error(placed) * math.sqrt(rows_per_error)
        return cls(len(labels), correct, max(share, 1 - share), placed.auc, error, rows_per_error)

    @property
    def accuracy(self) -> float:
        """Share of correct rows; NaN without rows."""
        return self.num_correct / self.num_rows if self.num_rows else math.nan

    @property
    def lower(self) -> float:
        """Exact lower bound of the accuracy."""
        return self._lower_bound(self.num_correct)

    @property
    def upper(self) -> float:
        """Exact upper bound of the accuracy."""
        return 1 - self._lower_bound(self.num_rows - self.num_correct)

    @property
    def is_above_chance(self) -> bool:
        """Whether accuracy or AUC, which shows it where classes are unequal, is above blind guessing beyond doubt."""
        half = normal_quantile(1 - ALPHA) * self.auc_error
        return self.lower > self.majority or self.auc - half > 0.5

    @property
    def is_near_chance(self) -> bool:
        """Whether accuracy and AUC are both near blind guessing beyond doubt."""
        half = normal_quantile(1 - ALPHA) * self.auc_error
        return self.upper < self.majority + CHANCE_MARGIN and self.auc + half < 0.5 + CHANCE_MARGIN

    def _lower_bound(self, count: int) -> float:
        return exact_lower_bound(count // self.rows_per_error, self.num_rows // self.rows_per_error, ALPHA)


def check_probe(data: CheckedData, options: CheckOptions) -> CheckResult:
    """Cross-validate a linear model on train, then read validation and test with it; large differences fail.

    Naive-Bayes-weighted logistic regression on the presence of words: on IMDB 0.888 accuracy and 0.954 AUC on test,
    about what the models reach, in seconds. A difference fails only where its one-sided 99.9 % bound exceeds
    `max_probe_gap`, in either direction. The same with shuffled labels must be at chance, or the evaluation leaks.

    Source: Wang & Manning, Baselines and Bigrams, ACL 2012.
    """
    read = {split: _Read.of(data.matrices[split]) for split in SPLITS}
    measured: dict[str, float | int | str] = {f"{split}_rows": len(read[split].labels) for split in SPLITS}
    bound = f"accuracy on validation and on test within {options.max_probe_gap:g} of cross-validation's"
    train = read["train"].labels
    if np.bincount(train, minlength=2).min() < MIN_CLASS_ROWS:
        words = f"too few rows to probe: each class of train needs {MIN_CLASS_ROWS}, of {len(train):,} rows"
        return CheckResult("probe", "warn", measured, bound, words)
    readings = _readings(read, data.encoder.num_words)
    measured |= _measured(readings)
    found = _faults(readings, options.max_probe_gap)
    unclear = [split for split in ("cross-validation", *SPLITS[1:]) if not readings[split].is_above_chance]
    listed = ", ".join(f"{name} {_number(reading)}" for name, reading in readings.items())
    drawn = [f"of {split} {len(of.labels):,} of {of.num_rows:,}" for split, of in read.items() if of.is_drawn]
    listed += f"; rows drawn at random: {', '.join(drawn)}" if drawn else ""
    if not found and unclear:
        words = f"too few rows to tell {', '.join(unclear)} from chance; accuracy of a linear model: {listed}"
        return CheckResult("probe", "warn", measured, bound, words)
    words = "; ".join((*found, f"accuracy of a linear model: {listed}"))
    return CheckResult("probe", "fail" if found else "pass", measured, bound, words)


@dataclass(frozen=True, eq=False)
class _Read:
    """The rows of a split that are read.

    Attributes:
        sequences: As the models are fed with them, `(rows, ragged)`.
        labels: 0 or 1, `(rows,)`.
        num_rows: How many the split has.
    """

    sequences: Sequences
    labels: Int64Array
    num_rows: int

    @classmethod
    def of(cls, matrix: Matrix) -> _Read:
        # Where there are more labels than sequences, or fewer, the alignment check says so.
        num_rows = min(len(matrix), len(matrix.labels))
        if num_rows <= MAX_ROWS:
            rows = np.arange(num_rows)
        else:
            rows = np.sort(np.random.default_rng(SEED).choice(num_rows, MAX_ROWS, replace=False))
        return cls(matrix.sequences.take(rows), (matrix.labels[rows] == 1).astype(np.int64), num_rows)

    @property
    def is_drawn(self) -> bool:
        """Whether there are more."""
        return len(self.labels) < self.num_rows


def _readings(read: Mapping[Split, _Read], num_words: int) -> dict[str, Reading]:
    words = {split: presence(of.sequences, num_words) for split, of in read.items()}
    train = read["train"].labels
    groups = identical(read["train"].sequences)
    shuffled = np.random.default_rng(SEED).permutation(train)
    scores = fit_and_score(words["train"], train, words["validation"], words["test"])
    cross, control = (
        Reading.of(read, out_of_fold(words["train"], read, groups), ROWS_PER_ERROR) for read in (train, shuffled)
    )
    num_validation = len(read["validation"].labels)
    return {
        "cross-validation": cross,
        "validation": Reading.of(read["validation"].labels, scores[:num_validation]),
        "test": Reading.of(read["test"].labels, scores[num_validation:]),
        "shuffled labels": control,
    }


def _faults(readings: dict[str, Reading], max_gap: float) -> list[str]:
    cross, control = readings["cross-validation"], readings["shuffled labels"]
    found: list[str] = []
    if control.lower > control.majority:
        found.append("above chance on shuffled labels: the evaluation itself leaks")
    if cross.is_near_chance:
        found.append("near chance on train itself: the labels of train do not belong to their reviews")
    for split in ("test", "validation"):
        lower, upper = _gap_bounds(cross, readings[split])
        if lower > max_gap:
            found.append(_worse(readings[split], split))
        elif -upper > max_gap:
            found.append(f"better on {split} than in cross-validation: {split} rows leaked into train")
    return found


def _worse(reading: Reading, split: str) -> str:
    if reading.upper < 1 - reading.majority:
        return f"significantly below chance on {split}: labels inverted (swapped classes)"
    if reading.majority < 1 and reading.accuracy < reading.majority + CHANCE_MARGIN:
        return f"fine on train, near chance on {split}: split, alignment or labels of {split}"
    return f"worse on {split} than in cross-validation: some of its rows are misplaced, mislabelled or of another kind"


def _gap_bounds(cross: Reading, other: Reading) -> tuple[float, float]:
    """One-sided bounds of the accuracy in cross-validation minus that on other rows, from the bounds of both.

    Source: Newcombe, Statistics in Medicine 17 (1998), method 10, with exact bounds in place of Wilson's.
    """
    gap = cross.accuracy - other.accuracy
    lower = gap - math.hypot(cross.accuracy - cross.lower, other.upper - other.accuracy)
    upper = gap + math.hypot(cross.upper - cross.accuracy, other.accuracy - other.lower)
    return lower, upper


def _measured(readings: dict[str, Reading]) -> dict[str, float | int | str]:
    names = {"cross-validation": "cv", "shuffled labels": "control"}
    numbers: dict[str, float] = {}
    for name, reading in readings.items():
        short = names.get(name, name)
        numbers |= {f"{short}_accuracy": reading.accuracy, f"{short}_auc": reading.auc}
    test = readings["test"]
    numbers["test_accuracy_lower"], numbers["test_accuracy_upper"] = exact_interval(test.num_correct, test.num_rows)
    cross = readings["cross-validation"]
    for split in SPLITS[1:]:
        numbers[f"{split}_gap"] = cross.accuracy - readings[split].accuracy
        numbers[f"{split}_gap_lower"], numbers[f"{split}_gap_upper"] = _gap_bounds(cross, readings[split])
    # JSON has no NaN: what is undefined is left out.
    return {name: number for name, number in numbers.items() if math.isfinite(number)}


def _number(reading: Reading) -> str:
    return f"{reading.accuracy:.3f} of {reading.num_rows:,} rows" if reading.num_rows else "without rows"
