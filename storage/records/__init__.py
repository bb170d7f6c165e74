"""What the layers hand each other: small frozen records, all of which survive a process."""

from __future__ import annotations

from storage.records.checks import (
    CheckResult,
)
from storage.records.data import (
    Contents,
    SnapshotRecord,
)
from storage.records.decisions import (
    Approval,
    Asked,
    Basis,
    Champion,
    Comparison,
    Decision,
    Gate,
    Proposal,
    Suspect,
)
from storage.records.models import (
    Candidate,
    ConfusionMatrix,
    Epoch,
    Evaluation,
    Metric,
    Published,
    TrainedReference,
)
from storage.records.runs import (
    Housekeeping,
    RunStart,
    RunSummary,
    Stage,
)
from storage.records.serving import (
    LabelledText,
    Observation,
    ScoredFile,
    Watched,
)
from storage.records.words import (
    MODEL_NAMES,
    SPLITS,
    CheckAction,
    CheckVerdict,
    FlowName,
    GateVerdict,
    ModelName,
    ObservationVerdict,
    RunState,
    Scope,
    Split,
    Standing,
    Succession,
    Trigger,
)

__all__ = [
    "MODEL_NAMES",
    "SPLITS",
    "Approval",
    "Asked",
    "Basis",
    "Candidate",
    "Champion",
    "CheckAction",
    "CheckResult",
    "CheckVerdict",
    "Comparison",
    "ConfusionMatrix",
    "Contents",
    "Decision",
    "Epoch",
    "Evaluation",
    "FlowName",
    "Gate",
    "GateVerdict",
    "Housekeeping",
    "LabelledText",
    "Metric",
    "ModelName",
    "Observation",
    "ObservationVerdict",
    "Proposal",
    "Published",
    "RunStart",
    "RunState",
    "RunSummary",
    "Scope",
    "ScoredFile",
    "SnapshotRecord",
    "Split",
    "Stage",
    "Standing",
    "Succession",
    "Suspect",
    "TrainedReference",
    "Trigger",
    "Watched",
]
