"""What the checks are given, how the configuration may overrule them, and what they share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.bundles import Predictions
from storage.matrices import Matrix
from storage.options import CheckOptions
from storage.records import CheckAction, CheckResult, Contents, Epoch, Evaluation, Split
from storage.sequences import Sequences
from storage.snapshots import Rows
from tasks.features.encoding import Encoder
from tasks.features.scaler import Scaler
from tasks.features.vocabulary import Vocabulary

MAX_OFFENDING_ROWS = 20


Probabilities = npt.NDArray[np.float32]
Features = npt.NDArray[np.float32]
Checked = TypeVar("Checked")


@dataclass(frozen=True, eq=False)
class CheckedData:
    """A snapshot's rows and what featurization made of them.

    Attributes:
        reference: Training rows of the snapshot that the line's champion was trained on; None where there is no
            champion; where they cannot be read, why.
        contents: What was read of the source, and what could not be used.
        vocabulary: The words behind the ranks, where there are any.
        scratch: On whose disk a check lays what is longer than memory; by default that of temporary files.
    """

    rows: Mapping[Split, Rows]
    matrices: Mapping[Split, Matrix]
    encoder: Encoder
    scaler: Scaler
    reference: Rows | str | None = None
    contents: Contents | None = None
    vocabulary: Vocabulary | None = None
    scratch: Path | None = None


@dataclass(frozen=True, eq=False)
class CheckedModel:
    """A trained, evaluated and published model. It is called through functions, so that no check imports Keras.

    Attributes:
        matrix: The test rows, as the model was fed with them.
        predictions: What it said about them.
        epochs: How the training went.
        max_epochs: Most epochs that it was allowed.
        predict: Probabilities of label 1, float32 `(rows,)`, of sequences and features, batched as in evaluation.
        logits: What stands before the sigmoid, float32 `(rows,)`, of one batch that is padded to a given width.
        reload: Probabilities of the rows at some positions of the test split, `(n,)`, by the published bundle in a
            fresh process; raises ContentError where that cannot be done.
    """

    matrix: Matrix
    predictions: Predictions
    validation: Evaluation
    test: Evaluation
    epochs: tuple[Epoch, ...]
    max_epochs: int
    predict: Callable[[Sequences, Features], Probabilities]
    logits: Callable[[Sequences, Features, int], npt.NDArray[np.float32]]
    reload: Callable[[npt.NDArray[np.int64]], Probabilities]


@dataclass(frozen=True)
class Check(Generic[Checked]):
    """A check by its name.

    Attributes:
        name: As people read it.
        option: The field of `CheckOptions` that says what a failure does.
        measure: Measures, and gives a verdict; it never raises, logs or plots.
    """

    name: str
    option: str
    measure: Callable[[Checked, CheckOptions], CheckResult]

    def run(self, checked: Checked, options: CheckOptions) -> CheckResult:
        """Measure, unless it is turned off; a failure becomes a warning where the configuration says so."""
        action: CheckAction = getattr(options, self.option)
        if action == "off":
            return CheckResult(self.name, "off", {}, "none", "turned off by the configuration", action=action)
        result = replace(self.measure(checked, options), action=action)
        if action == "warn" and result.verdict == "fail":
            return replace(result, verdict="warn")
        return result


def finite(**numbers: float | int | str) -> dict[str, float | int | str]:
    """The numbers by their names, without those that are undefined: the store takes neither NaN nor infinity."""
    return {name: value for name, value in numbers.items() if isinstance(value, str) or math.isfinite(value)}


def in_words(error: Exception) -> str:
    """What an error says, to stand at the end of a sentence."""
    return str(error).rstrip(".")


def offending(ids: pa.StringArray, is_wrong: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    """Ids of the first wrong rows, at most 20."""
    positions = np.flatnonzero(is_wrong)[:MAX_OFFENDING_ROWS]
    return tuple(ids.take(pa.array(positions)).to_pylist())


def differing(first: pa.StringArray, second: pa.StringArray) -> npt.NDArray[np.bool_]:
    """Position by position, whether two lists of ids differ; where one is longer, its rest does."""
    common = min(len(first), len(second))
    wrong = np.ones(max(len(first), len(second)), dtype=bool)
    unequal = pc.not_equal(first.slice(0, common), second.slice(0, common))
    # A missing id is equal to nothing.
    wrong[:common] = pc.fill_null(unequal, True).to_numpy(zero_copy_only=False)
    return wrong
