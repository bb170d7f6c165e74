"""What the layers hand each other: small frozen records, all of which survive a process."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

CheckVerdict = Literal["pass", "warn", "fail", "off"]
CheckAction = Literal["fail", "warn", "off"]
GateVerdict = Literal["pass", "fail", "not applicable", "waived"]
Scope = Literal["overall", "class 0", "class 1"]
RunState = Literal["running", "completed", "skipped", "rejected data", "failed", "cancelled", "crashed"]
Trigger = Literal["command line", "schedule", "deployment"]
Standing = Literal["shown", "likely", "possible", "ruled out"]
FlowName = Literal["retrain", "check", "score", "monitor", "rollback", "housekeeping"]
Succession = Literal["promotion", "forced replacement", "rollback"]
ObservationVerdict = Literal["healthy", "degraded", "drifted", "too few rows"]


@dataclass(frozen=True)
class SnapshotRecord:
    """An immutable dataset, as the store knows it.

    Attributes:
        id: SHA-256 of its content.
        test_id: SHA-256 of its test rows alone; comparisons on the same test rows share it.
        line: What a champion trained on it is champion of.
        origin: Where the reviews came from.
        reason: Why that source was used.
        source_sha256: Of the source file, or empty.
        num_rows: Rows of each split.
        split_seed: Seed that drew the validation rows.
        content_version: Version of the layout and of the hash.
        vocabulary: Hash of the vocabulary that turned its texts into tokens; empty where it holds no texts.
    """

    id: str
    test_id: str
    line: str
    origin: str
    reason: str
    source_sha256: str
    num_rows: dict[str, int]
    split_seed: int
    content_version: int
    vocabulary: str = ""


@dataclass(frozen=True)
class Contents:
    """What was read of a run's sources, and what of it cannot be used.

    Attributes:
        num_rows: All rows that were read.
        num_refused: Rows that cannot be used, such as one without text or with an unknown label.
        num_neutral: Rows left out since their rating is neither negative nor positive.
        num_repeated: Rows left out since an earlier source of the same run holds them too.
        num_new: Rows that the snapshot of the line's champion does not hold; None without a champion.
        reasons: How often rows were refused for what, in words, the most frequent first.
        examples: The first refused rows, where they stand and why.
        quarantine: File that all refused rows were written to; empty without any.
    """

    num_rows: int
    num_refused: int = 0
    num_neutral: int = 0
    num_repeated: int = 0
    num_new: int | None = None
    reasons: dict[str, int] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    quarantine: str = ""


@dataclass(frozen=True)
class CheckResult:
    """What a check measured and what it makes of it.

    Attributes:
        name: The check.
        verdict: `fail` of a check of the data stops the run before training, `fail` of a check of a trained model stops
            its promotion; `off` was not measured.
        measured: The numbers, by name.
        bound: What they were held against, in words or numbers.
        evidence: One sentence for a person.
        rows: Ids of up to 20 offending rows.
        action: What the configuration makes of a failure: `fail`, `warn` (it passes as a warning), or `off`.
    """

    name: str
    verdict: CheckVerdict
    measured: dict[str, float | int | str]
    bound: str
    evidence: str
    rows: tuple[str, ...] = ()
    action: CheckAction = "fail"


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
class Champion:
    """An entry in a line's history of what served; the last one serves now.

    Attributes:
        position: From 1, in the order in which they served.
        bundle: The bundle's digest.
        snapshot_id: What it was trained on.
        succession: How it came to serve.
        mark: Position of the line's high-water mark from here on: the last champion that was shown to be better than
            the mark before it, or was put there by hand. Challengers are held against it too, so that a row of small
            losses, each within its margin, cannot add up.
    """

    line: str
    position: int
    candidate_id: str
    model: str
    bundle: str
    snapshot_id: str
    succession: Succession
    mark: int
    reason: str
    promoted_at: datetime


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


@dataclass(frozen=True)
class Comparison:
    """Challenger and champion on the same rows, both scored now.

    Attributes:
        champion_id: The champion's candidate id.
        index: How many comparisons this test set had seen before (k, from 0).
        alpha: Error that this comparison may spend.
        only_challenger: Rows that only the challenger gets right (b).
        only_champion: Rows that only the champion gets right (c).
        p_value: Exact McNemar, one-sided: the challenger is not better.
        difference: Accuracy of the challenger minus the champion's, (b - c) / n, with `lower` and `upper` at 95 %.
        auc_difference: The same for the AUC, with DeLong's paired interval at 95 %.
        auc_standard_error: DeLong's, of the difference; NaN where it is undefined.
    """

    champion_id: str
    index: int
    alpha: float
    num_rows: int
    only_challenger: int
    only_champion: int
    p_value: float
    difference: float
    lower: float
    upper: float
    auc_difference: float
    auc_lower: float
    auc_upper: float
    auc_standard_error: float


@dataclass(frozen=True)
class Gate:
    """One condition of the promotion rule, with its numbers.

    Attributes:
        value: What was measured; None where nothing could be measured, which never passes.
        bound: What the value was held against.
        words: One sentence for a person.
    """

    name: str
    verdict: GateVerdict
    value: float | None
    bound: float | None
    words: str


@dataclass(frozen=True)
class Suspect:
    """A cause that a rejection may have.

    Attributes:
        cause: In the field's words, such as `alignment` or `too few epochs`.
        standing: `shown` by a check that names it, `likely` or `possible` from what was measured, or `ruled out`.
        evidence: One sentence with the numbers.
        remedy: What to do about it.
    """

    cause: str
    standing: Standing
    evidence: str
    remedy: str


@dataclass(frozen=True)
class Decision:
    """What the rule said about one candidate.

    Attributes:
        diagnosis: Of a rejection: the suspected causes, the strongest first, then those that are ruled out.
        succession: How the candidate comes to serve, if it does.
        moves_mark: Whether it becomes the line's high-water mark, if it serves.
    """

    candidate_id: str
    promote: bool
    reason: str
    gates: tuple[Gate, ...]
    comparison: Comparison | None = None
    diagnosis: tuple[Suspect, ...] = ()
    succession: Succession = "promotion"
    moves_mark: bool = True


@dataclass(frozen=True)
class Basis:
    """What decisions rest on besides the candidates: once it has changed, they have to be computed anew.

    Attributes:
        champion_position: Place of the champion that serves in its line's history; 0 for none.
        num_comparisons: How often the test set has been used to compare a challenger with a champion.
    """

    champion_position: int
    num_comparisons: int


@dataclass(frozen=True)
class Proposal:
    """What the rule would decide now; nothing of it is recorded."""

    decisions: tuple[Decision, ...]
    basis: Basis


@dataclass(frozen=True)
class Approval:
    """What came of asking a person whether a candidate may be promoted.

    Attributes:
        candidate_id: The candidate that was asked about.
        basis: What the decision rested on that the person was shown.
        approved: Whether the person said yes.
        name: Who decided; empty where nobody did.
        reason: In that person's words; where nobody decided, how that came.
    """

    candidate_id: str
    basis: Basis
    approved: bool
    name: str
    reason: str


@dataclass(frozen=True)
class Observation:
    """How a champion does on labelled reviews that came since it was trained.

    Attributes:
        line: Whose champion.
        position: Its place in the line's history.
        candidate_id: The champion's candidate id.
        num_rows: Labelled rows that were read and can be used.
        num_new: Those that the champion's snapshot does not hold, each counted once. All shares are of these.
        accuracy: Share of them that it gets right, with `lower` and `upper` at 95 %; None without any.
        auc: Area under the ROC curve; None where it is undefined.
        promoted_accuracy: Its accuracy on its test rows, as it was when it was promoted.
        predicted_positive: Share that it labels positive; None without any row.
        positive: Share that is positive; None without any row.
        reason: What led to the verdict, in a sentence.
    """

    line: str
    position: int
    candidate_id: str
    num_rows: int
    num_new: int
    accuracy: float | None
    lower: float | None
    upper: float | None
    auc: float | None
    promoted_accuracy: float
    predicted_positive: float | None
    positive: float | None
    verdict: ObservationVerdict
    reason: str


@dataclass(frozen=True)
class Watched:
    """What a run of the monitor found.

    Attributes:
        results: What was measured: the accuracy first, then drift.
        source_line: The line that the watched reviews would be trained on as; often the champion's own.
    """

    observation: Observation
    results: tuple[CheckResult, ...]
    source_line: str


@dataclass(frozen=True)
class RunStart:
    """What is known of a run when it starts.

    Attributes:
        flow: Which flow it is a run of.
        seed: None where nothing is drawn.
        slot: The due time of a schedule that it is for (`storage.slots`); None of a run outside of any schedule.
    """

    flow: FlowName
    line: str
    trigger: Trigger
    options: dict[str, Any]
    seed: int | None
    dry_run: bool
    versions: dict[str, str]
    git_commit: str | None
    slot: str | None = None


@dataclass(frozen=True)
class Stage:
    """Wall time in seconds and peak resident memory in bytes of one step of a run."""

    name: str
    seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class RunSummary:
    """One line of the history: a run and what came of it.

    Attributes:
        seconds: Wall time; None while it is running, or if it died.
        test_accuracy: By model.
        test_auc: By model.
        promoted: The model that was promoted or, in a dry run, would have been.
        slot: The due time of a schedule that it is the result of, if there is one.
    """

    id: str
    flow: FlowName
    line: str
    state: RunState
    trigger: Trigger
    dry_run: bool
    started_at: datetime
    seconds: float | None
    message: str
    test_accuracy: dict[str, float] = field(default_factory=dict)
    test_auc: dict[str, float] = field(default_factory=dict)
    promoted: str | None = None
    slot: str | None = None


@dataclass(frozen=True)
class LabelledText:
    """A text and what the champion says of it: `probability` that it is positive, `label` 1 above one half."""

    text: str
    probability: float
    label: int
    champion: str


@dataclass(frozen=True)
class ScoredFile:
    """What came of a source.

    Attributes:
        path: The output.
        champion: Candidate id of the champion that labelled it.
        num_rows: All rows, refused ones included.
        num_positive: Rows labelled 1.
        num_refused: Rows without a label, for the reason that stands beside them.
    """

    path: str
    champion: str
    num_rows: int
    num_positive: int
    num_refused: int


@dataclass(frozen=True)
class Housekeeping:
    """What a clean-up removed and found.

    Attributes:
        num_checkpoints: Checkpoints of trainings that were removed.
        num_matrices: Featurized snapshots that were removed.
        num_bytes: Of both.
        lines: Those whose champion was looked at.
        damaged: What is wrong with a champion and what to do, a text for each that is not whole.
    """

    num_checkpoints: int
    num_matrices: int
    num_bytes: int
    lines: tuple[str, ...]
    damaged: tuple[str, ...]


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
