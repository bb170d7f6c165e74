"""The words that records and the store share."""

from __future__ import annotations

from typing import Literal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
ModelName = Literal["baseline_avgpool", "advanced_bilstm_features"]
MODEL_NAMES: tuple[ModelName, ...] = ("baseline_avgpool", "advanced_bilstm_features")
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
