"""Trained models and what was measured of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from storage.records.checks import CheckResult
from storage.records.words import Scope, Split


@dataclass(frozen=True)
class Epoch:
    """One finished epoch: number from 1, losses in nats, accuracies as shares, time in seconds."""

    number: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class Metric:
    """One measured number of one model on one split.

    Attributes:
        name: `accuracy`, `auc`, `log_loss`, `brier`, `precision`, `recall`, `f1` or `support`.
        scope: The whole split, or one class of it.
        value: The number; NaN where it is undefined.
        lower: Lower end of the two-sided interval, where there is one.
        upper: Its upper end.
        confidence: Its confidence, such as 0.95.
    """

    name: str
    scope: Scope
    value: float
    lower: float | None = None
    upper: float | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class ConfusionMatrix:
    """Counts of true and predicted labels; class 1 (a positive review) is the positive one."""

    true_negatives: int
    false_positives: int
    false_negatives: int
    true_positives: int

    @property
    def num_rows(self) -> int:
        """All rows."""
        return self.num_negative + self.num_positive

    @property
    def num_negative(self) -> int:
        """Rows whose label is 0."""
        return self.true_negatives + self.false_positives

    @property
    def num_positive(self) -> int:
        """Rows whose label is 1."""
        return self.false_negatives + self.true_positives

    @property
    def num_correct(self) -> int:
        """Rows whose predicted label is the true one."""
        return self.true_negatives + self.true_positives

    @property
    def accuracy(self) -> float:
        """Share of correct rows; NaN for an empty matrix."""
        return self.num_correct / self.num_rows if self.num_rows else math.nan


@dataclass(frozen=True)
class Evaluation:
    """One model on one split.

    Attributes:
        split: The rows.
        confusion: At a threshold of 0.5 on the probability.
        auc: Area under the ROC curve; NaN where it is undefined.
        auc_standard_error: DeLong's, same unit; NaN where it is undefined.
        metrics: All numbers, with their intervals.
    """

    split: Split
    confusion: ConfusionMatrix
    auc: float
    auc_standard_error: float
    metrics: tuple[Metric, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A newly trained model whose bundle is published, verified and scored.

    Attributes:
        id: The run's id, a slash and the model's name.
        bundle: The bundle's digest: SHA-256 of its manifest.
        device: What trained it.
        best_epoch: The epoch whose weights were kept, from 1.
        training_seconds: Wall time of the training.
        checks: What the checks of the trained model said.
        training_key: Hash of all that decides what training gives: features, model, options, seed, code, libraries.
        reused_from: The candidate whose training it shares; empty where it was trained in its own run.
    """

    id: str
    run_id: str
    model: str
    bundle: str
    device: str
    num_parameters: int
    best_epoch: int
    training_seconds: float
    epochs: tuple[Epoch, ...]
    validation: Evaluation
    test: Evaluation
    checks: tuple[CheckResult, ...] = ()
    training_key: str = ""
    reused_from: str = ""


@dataclass(frozen=True)
class TrainedReference:
    """Where a trained, not yet published model waits, and how it was trained.

    Attributes:
        folder: Its staging folder.
        training_key: Hash of all that decides what training gives.
        reused_from: The candidate whose training it shares; empty where it was trained now.
    """

    model: str
    folder: str
    device: str
    num_parameters: int
    best_epoch: int
    training_seconds: float
    epochs: tuple[Epoch, ...]
    training_key: str = ""
    reused_from: str = ""


@dataclass(frozen=True)
class Published:
    """A candidate, as far as it matters to whom its bundle is of use.

    Attributes:
        line: Of its run.
        bundle: The bundle's digest.
        reused_from: The candidate whose training it took; empty if it was trained itself.
        is_running: Whether its run has not ended yet.
    """

    candidate_id: str
    run_id: str
    line: str
    bundle: str
    reused_from: str
    is_running: bool
    published_at: datetime
