from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from tasks.features.scaler import Scaler

FEATURES = np.random.default_rng(0).normal([200, 0.7, 0.02, 1600, 4600, 1.4], [170, 0.1, 0.01, 700, 1700, 0.3], (90, 6))

floats = st.floats(allow_nan=False, allow_infinity=False)


def test_it_takes_away_the_mean_and_divides_by_the_population_standard_deviation() -> None:
    scaler = Scaler.fit(FEATURES)
    np.testing.assert_allclose(scaler.mean, FEATURES.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scaler.scale, FEATURES.std(axis=0), rtol=1e-12)
    other = FEATURES[:7] * 1.5
    transformed = scaler.transform(other)
    assert transformed.dtype == np.float32
    np.testing.assert_array_equal(transformed, StandardScaler().fit(FEATURES).transform(other).astype(np.float32))


@given(st.lists(st.tuples(floats, floats), min_size=1, max_size=8))
def test_a_scaler_survives_json_to_the_last_bit(pairs: list[tuple[float, float]]) -> None:
    scaler = Scaler(tuple(mean for mean, _ in pairs), tuple(scale for _, scale in pairs))
    again = Scaler.from_json(json.loads(json.dumps(scaler.to_json())))
    for numbers, read in ((scaler.mean, again.mean), (scaler.scale, again.scale)):
        assert np.array(numbers).tobytes() == np.array(read).tobytes()
    assert again.digest == scaler.digest


def test_a_scaler_read_from_json_transforms_alike() -> None:
    scaler = Scaler.fit(FEATURES)
    again = Scaler.from_json(json.loads(json.dumps(scaler.to_json())))
    assert again == scaler
    assert again.transform(FEATURES).tobytes() == scaler.transform(FEATURES).tobytes()


def next_up(numbers: tuple[float, ...], index: int) -> tuple[float, ...]:
    return tuple(math.nextafter(number, math.inf) if at == index else number for at, number in enumerate(numbers))


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize(
    "change",
    [
        lambda scaler, index: replace(scaler, mean=next_up(scaler.mean, index)),
        lambda scaler, index: replace(scaler, scale=next_up(scaler.scale, index)),
    ],
    ids=["mean", "scale"],
)
def test_the_digest_changes_with_the_last_bit_of_any_number(
    change: Callable[[Scaler, int], Scaler], index: int
) -> None:
    scaler = Scaler.fit(FEATURES)
    assert change(scaler, index).digest != scaler.digest


def test_mean_and_scale_changed_for_each_other_have_another_digest() -> None:
    scaler = Scaler.fit(FEATURES)
    assert Scaler(scaler.scale, scaler.mean).digest != scaler.digest


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, -1e6])
def test_a_constant_feature_becomes_zero(constant: float) -> None:
    features = FEATURES.copy()
    features[:, 2] = constant
    scaler = Scaler.fit(features)
    assert scaler.scale[2] == 1
    np.testing.assert_allclose(scaler.transform(features)[:, 2], 0, atol=1e-6)


def test_a_single_row_can_be_transformed() -> None:
    scaler = Scaler.fit(FEATURES)
    assert scaler.transform(FEATURES[3:4]).tobytes() == scaler.transform(FEATURES)[3:4].tobytes()
