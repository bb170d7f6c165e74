from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from storage.options import FeatureOptions
from storage.records import SPLITS, Split
from storage.snapshots import Rows
from tasks.features.encoding import Encoder
from tasks.features.matrices import fit_and_featurize
from tasks.features.review_features import review_features
from tasks.features.scaler import Scaler

OPTIONS = FeatureOptions(num_words=1000)
Splits = Mapping[Split, Rows]


def raw(rows: Rows, encoder: Encoder) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return review_features(encoder.encode(rows.tokens), encoder.num_words).reshape(len(rows.ids), -1)


def test_every_matrix_bears_the_hashes_of_the_one_scaler_and_the_one_encoder(splits: Splits) -> None:
    matrices, encoder, scaler = fit_and_featurize(splits, OPTIONS)
    assert set(matrices) == set(SPLITS)
    assert {matrix.scaler_digest for matrix in matrices.values()} == {scaler.digest}
    assert {matrix.encoder_digest for matrix in matrices.values()} == {encoder.digest}


def test_the_scaler_is_fit_on_the_training_rows_alone(splits: Splits) -> None:
    _, encoder, scaler = fit_and_featurize(splits, OPTIONS)
    assert scaler == Scaler.fit(raw(splits["train"], encoder))


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_is_scaled_by_the_numbers_of_train(splits: Splits, split: Split) -> None:
    matrices, encoder, _ = fit_and_featurize(splits, OPTIONS)
    train = raw(splits["train"], encoder)
    spread = train.std(axis=0)
    expected = (raw(splits[split], encoder) - train.mean(axis=0)) / np.where(spread > 0, spread, 1)
    np.testing.assert_allclose(matrices[split].features, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("split", "expected"), [("train", True), ("validation", False), ("test", False)])
def test_only_train_has_mean_0_and_standard_deviation_1(splits: Splits, split: Split, expected: bool) -> None:
    matrices, _, _ = fit_and_featurize(splits, OPTIONS)
    lengths = matrices[split].features[:, 0]
    assert (lengths.mean() == pytest.approx(0, abs=1e-5)) == expected
    assert (lengths.std() == pytest.approx(1, abs=1e-5)) == expected


def test_the_maximum_length_counts_train_and_validation_but_not_test(splits: Splits) -> None:
    longest = {split: rows.take(np.argsort(rows.tokens.lengths)[-20:]) for split, rows in splits.items()}
    both = [splits["train"].tokens.lengths + 1, longest["validation"].tokens.lengths + 1]
    expected = int(np.percentile(np.concatenate(both), 90))
    assert expected > int(np.percentile(both[0], 90))
    for test in (splits["test"], longest["test"]):
        given: Splits = {**splits, "validation": longest["validation"], "test": test}
        assert fit_and_featurize(given, OPTIONS)[1].max_length == expected


@pytest.mark.parametrize("split", SPLITS)
def test_rows_keep_their_order_and_ids_in_all_three_parts(splits: Splits, split: Split) -> None:
    matrices, encoder, _ = fit_and_featurize(splits, OPTIONS)
    rows, matrix = splits[split], matrices[split]
    for ids in (matrix.sequence_ids, matrix.feature_ids, matrix.label_ids):
        assert ids.equals(rows.ids)
    assert matrix.labels.tolist() == rows.labels.tolist()
    for index in range(len(rows.ids)):
        whole = encoder.encode(rows.tokens).row(index).tolist()
        assert matrix.sequences.row(index).tolist() == whole[-encoder.max_length :]


def test_features_are_measured_before_the_cut(splits: Splits) -> None:
    matrices, encoder, scaler = fit_and_featurize(splits, FeatureOptions(num_words=1000, max_length_percentile=50))
    lengths = matrices["test"].features[:, 0] * scaler.scale[0] + scaler.mean[0]
    np.testing.assert_allclose(lengths, splits["test"].tokens.lengths + 1, atol=1e-3)
    assert matrices["test"].sequences.lengths.max() == encoder.max_length < lengths.max() - 5


def test_the_test_rows_have_no_part_in_fitting(splits: Splits) -> None:
    _, encoder, scaler = fit_and_featurize(splits, OPTIONS)
    swapped = {**splits, "test": splits["train"].take(np.arange(5))}
    assert fit_and_featurize(swapped, OPTIONS)[1:] == (encoder, scaler)
