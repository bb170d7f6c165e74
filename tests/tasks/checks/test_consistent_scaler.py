from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from storage.content import canonical_json
from storage.options import CheckOptions
from storage.records import SPLITS, CheckResult, Split
from tasks.checks.base import CheckedData
from tasks.checks.consistent_scaler import check_consistent_scaler
from tasks.features.review_features import review_features
from tasks.features.scaler import Scaler


def check(data: CheckedData) -> CheckResult:
    return check_consistent_scaler(data, CheckOptions())


def with_matrix(data: CheckedData, split: Split, **changes: Any) -> CheckedData:
    return replace(data, matrices={**data.matrices, split: replace(data.matrices[split], **changes)})


def raw(data: CheckedData, split: Split) -> npt.NDArray[np.float64]:
    return review_features(data.encoder.encode(data.rows[split].tokens), data.encoder.num_words)


def failed(data: CheckedData) -> CheckResult:
    result = check(data)
    assert result.verdict == "fail"
    return result


def test_one_scaler_for_all_splits_passes(checked_data: CheckedData) -> None:
    result = check(checked_data)
    assert (result.name, result.verdict, result.rows) == ("consistent scaler", "pass", ())
    assert result.measured["scaler"] == checked_data.scaler.digest
    for split in SPLITS:
        assert float(result.measured[f"{split}_largest_difference"]) < 1e-6


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_standardised_by_itself_is_named(checked_data: CheckedData, split: Split) -> None:
    features = raw(checked_data, split)
    result = failed(with_matrix(checked_data, split, features=Scaler.fit(features).transform(features)))
    assert result.evidence == f"{split} was standardised by itself ({len(features)} rows)"


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_scaled_twice_is_named(checked_data: CheckedData, split: Split) -> None:
    once = checked_data.matrices[split].features
    result = failed(with_matrix(checked_data, split, features=checked_data.scaler.transform(once)))
    assert result.evidence.startswith(f"{split} was scaled twice (")


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_that_was_not_scaled_is_named(checked_data: CheckedData, split: Split) -> None:
    result = failed(with_matrix(checked_data, split, features=raw(checked_data, split).astype(np.float32)))
    assert result.evidence.startswith(f"{split} was not scaled at all (")


def test_a_split_scaled_by_unknown_numbers_is_named(checked_data: CheckedData) -> None:
    scaler = Scaler(checked_data.scaler.mean, tuple(2 * scale for scale in checked_data.scaler.scale))
    result = failed(with_matrix(checked_data, "test", features=scaler.transform(raw(checked_data, "test"))))
    assert result.evidence.startswith("test does not have the training scaler's numbers (")


def test_every_split_that_is_wrong_is_named(checked_data: CheckedData) -> None:
    changed = checked_data
    for split in SPLITS:
        changed = with_matrix(changed, split, features=raw(checked_data, split).astype(np.float32))
    evidence = failed(changed).evidence
    assert all(f"{split} was not scaled at all" in evidence for split in SPLITS)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("part", ["scaler", "encoder"])
@pytest.mark.parametrize(("digest", "said"), [("f" * 64, "f" * 12), ("", "no hash")])
def test_a_matrix_that_bears_another_hash_is_named(
    checked_data: CheckedData, split: Split, part: str, digest: str, said: str
) -> None:
    result = failed(with_matrix(checked_data, split, **{f"{part}_digest": digest}))
    assert result.evidence == f"{split} was made by another {part} ({said})"


def test_a_scaler_that_was_not_fit_on_the_training_rows_is_named(checked_data: CheckedData) -> None:
    everything = np.concatenate([raw(checked_data, split) for split in SPLITS])
    scaler = Scaler.fit(everything)
    matrices = {
        split: replace(matrix, features=scaler.transform(raw(checked_data, split)), scaler_digest=scaler.digest)
        for split, matrix in checked_data.matrices.items()
    }
    result = failed(replace(checked_data, matrices=matrices, scaler=scaler))
    assert result.evidence == "the scaler was not fit on the training rows"


@pytest.mark.parametrize(("difference", "verdict"), [(0.0009, "pass"), (0.0011, "fail"), (-0.0011, "fail")])
@pytest.mark.parametrize("column", range(6))
def test_a_feature_may_differ_by_a_thousandth_of_a_standard_deviation(
    checked_data: CheckedData, column: int, difference: float, verdict: str
) -> None:
    features = checked_data.matrices["test"].features.copy()
    features[9, column] += difference
    result = check(with_matrix(checked_data, "test", features=features))
    assert result.verdict == verdict
    assert result.measured["test_largest_difference"] == pytest.approx(abs(difference), rel=0.01)
    assert result.rows == (() if verdict == "pass" else (checked_data.rows["test"].ids[9].as_py(),))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("split", SPLITS)
def test_a_feature_that_is_not_a_number_fails(checked_data: CheckedData, split: Split, value: float) -> None:
    features = checked_data.matrices[split].features.copy()
    features[4, 2] = value
    result = failed(with_matrix(checked_data, split, features=features))
    assert result.rows == (checked_data.rows[split].ids[4].as_py(),)
    # The store keeps what was measured as JSON, which knows no NaN.
    assert canonical_json(result.measured)


def test_features_that_are_all_nan_fail(checked_data: CheckedData) -> None:
    features = np.full_like(checked_data.matrices["test"].features, np.nan)
    assert "60 rows" in failed(with_matrix(checked_data, "test", features=features)).evidence


@pytest.mark.parametrize("shape", [(59, 6), (60, 5)])
def test_features_of_another_shape_fail(checked_data: CheckedData, shape: tuple[int, int]) -> None:
    features = checked_data.matrices["test"].features[: shape[0], : shape[1]]
    evidence = failed(with_matrix(checked_data, "test", features=features)).evidence
    assert evidence == f"test has features of shape {shape}, not (60, 6)"


def test_at_most_20_offending_rows_are_listed_and_they_are_the_first(checked_data: CheckedData) -> None:
    features = checked_data.matrices["test"].features + 1
    result = failed(with_matrix(checked_data, "test", features=features))
    assert result.rows == tuple(checked_data.rows["test"].ids.to_pylist()[:20])


def test_a_constant_feature_is_no_trouble(checked_data: CheckedData) -> None:
    # No word of these reviews is rare: that feature is 0 everywhere.
    assert {float(raw(checked_data, split)[:, 2].max()) for split in SPLITS} == {0.0}
    assert check(checked_data).verdict == "pass"
