from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from storage.bundles import Predictions
from storage.options import FeatureOptions
from storage.records import Split
from storage.snapshots import Rows
from tasks.evaluation.account import MAX_CHARACTERS, NUM_MISTAKES, describe_mistakes, describe_split
from tasks.features.encoding import Encoder

ORDER = np.array([3, 1, 0, 2])


@pytest.fixture
def rows(splits: dict[Split, Rows]) -> Rows:
    """Four reviews of the labels 0, 1, 0, 1, of which one has no rating."""
    four = splits["test"].take(np.arange(4))
    return replace(four, labels=np.array([0, 1, 0, 1], np.uint8), ratings=pa.array([1, 9, None, 10], pa.int8()))


def predictions(rows: Rows, probabilities: list[float]) -> Predictions:
    """Of the same rows in another order, as the matrices may have them."""
    said = np.array(probabilities, np.float32)
    return Predictions(rows.ids.take(pa.array(ORDER)), rows.labels[ORDER], said[ORDER])


def test_mistakes_are_told_the_most_confident_first_each_with_its_own_words(rows: Rows) -> None:
    texts = pa.array(["<b>zero</b>", "one", "x" * (MAX_CHARACTERS + 1), "three"])

    told = describe_mistakes(predictions(rows, [0.6, 0.7, 0.99, 0.1]), rows, texts)

    assert [one.row_id for one in told] == [rows.ids[2].as_py(), rows.ids[3].as_py(), rows.ids[0].as_py()]
    assert [one.text for one in told] == ["x" * MAX_CHARACTERS, "three", "<b>zero</b>"]
    assert [one.is_cut for one in told] == [True, False, False]
    assert [one.label for one in told] == [0, 1, 0]
    assert [one.rating for one in told] == [None, 10, 1]
    assert [one.num_words for one in told] == rows.tokens.lengths[[2, 3, 0]].tolist()
    assert [one.probability for one in told] == pytest.approx([0.99, 0.1, 0.6])


def test_without_texts_the_words_of_a_mistake_are_unknown(rows: Rows) -> None:
    (told,) = describe_mistakes(predictions(rows, [0.1, 0.2, 0.3, 0.9]), rows, rows.tokens)

    assert (told.text, told.is_cut) == (None, False)


def test_what_is_no_number_is_told_as_no_mistake(rows: Rows) -> None:
    assert describe_mistakes(predictions(rows, [float("nan")] * 4), rows, rows.tokens) == ()


def test_only_so_many_mistakes_are_told(splits: dict[Split, Rows]) -> None:
    all_rows = splits["train"]
    wrong = Predictions(all_rows.ids, all_rows.labels, (1 - all_rows.labels).astype(np.float32))

    assert len(describe_mistakes(wrong, all_rows, all_rows.tokens)) == NUM_MISTAKES


def test_a_split_is_described_by_its_counts_its_lengths_and_its_features(splits: dict[Split, Rows]) -> None:
    rows = splits["train"]
    lengths = rows.tokens.lengths
    encoder = Encoder.fit(lengths, FeatureOptions(num_words=1000))

    table = describe_split("train", rows, encoder)

    assert (table.split, table.num_rows, table.num_positive) == ("train", 120, int(rows.labels.sum()))
    # The start token is one of those that a model is fed.
    assert table.num_cut == (lengths + 1 > encoder.max_length).sum() > 0
    assert table.words.mean == pytest.approx(lengths.mean())
    assert table.words.quantiles[0] == lengths.min()
    assert table.words.quantiles[-1] == lengths.max()
    assert table.features["length"].mean == pytest.approx(lengths.mean() + 1)
    assert len(table.features) == 6
