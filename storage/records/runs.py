"""One pass of a flow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage.records.words import FlowName, RunState, Trigger


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
