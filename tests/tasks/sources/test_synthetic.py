from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import rankdata

from storage.options import SyntheticOptions
from storage.sequences import Sequences
from tasks.sources.base import LabelledReviews, Reviews
from tasks.sources.synthetic import (
    CLOSING,
    FIRST_POLAR,
    MAX_RANK,
    NEGATORS,
    NUM_POLAR,
    SCOPE,
    effective_polarity,
    generate,
)

POSITIVE, NEGATIVE, NEGATOR, NEUTRAL = 9, 8, int(NEGATORS[0]), 1000


@pytest.fixture(scope="module")
def corpus() -> Reviews:
    options = SyntheticOptions(num_train=6400, num_test=4000, label_noise=0.03, seed=2025)
    return generate(options, reason="because")


@pytest.fixture(scope="module", params=["train", "test"])
def split(corpus: Reviews, request: pytest.FixtureRequest) -> LabelledReviews:
    return corpus.train if request.param == "train" else corpus.test


def small(**options: float) -> Reviews:
    return generate(SyntheticOptions.model_validate({"num_train": 400, "num_test": 200, **options}))


def same_tokens(left: LabelledReviews, right: LabelledReviews) -> bool:
    return np.array_equal(left.tokens.values, right.tokens.values)


def auc(scores: npt.NDArray[np.floating], labels: npt.NDArray[np.uint8]) -> float:
    positives = int(labels.sum())
    ranks: float = rankdata(scores)[labels == 1].sum()
    return (ranks - positives * (positives + 1) / 2) / (positives * (len(labels) - positives))


def test_the_same_seed_gives_the_same_corpus() -> None:
    first, second = small(seed=3), small(seed=3)
    for left, right in ((first.train, second.train), (first.test, second.test)):
        assert same_tokens(left, right)
        assert np.array_equal(left.tokens.offsets, right.tokens.offsets)
        assert np.array_equal(left.labels, right.labels)


def test_another_seed_gives_another_corpus() -> None:
    assert not same_tokens(small(seed=3).train, small(seed=4).train)


def test_the_noise_changes_labels_but_no_tokens() -> None:
    clean, noisy = small(label_noise=0), small(label_noise=0.25)
    assert same_tokens(clean.train, noisy.train)
    assert (clean.train.labels != noisy.train.labels).sum() == 100


def test_the_corpus_says_where_it_is_from(corpus: Reviews) -> None:
    assert (corpus.line, corpus.reason, corpus.sha256) == ("synthetic", "because", "")
    for part in ("seed 2025", "6400 training", "4000 test", "label noise 0.03"):
        assert part in corpus.origin


def test_the_splits_have_the_sizes_asked_for(corpus: Reviews) -> None:
    assert (len(corpus.train.tokens), len(corpus.test.tokens)) == (6400, 4000)
    assert (len(corpus.train.labels), len(corpus.test.labels)) == (6400, 4000)
    assert corpus.train.labels.dtype == np.uint8


def test_lengths_are_distributed_like_those_of_imdb(split: LabelledReviews) -> None:
    lengths = split.tokens.lengths + 1
    assert lengths.mean() == pytest.approx(239, rel=0.03)
    for percentile, expected in {25: 130, 50: 178, 75: 291, 90: 467}.items():
        assert np.percentile(lengths, percentile) == pytest.approx(expected, rel=0.03)
    assert lengths.min() >= 11
    assert lengths.max() <= 2494


@pytest.mark.parametrize("rows", [20, 21])
def test_the_smallest_corpus_is_a_corpus_too(rows: int) -> None:
    reviews = small(num_train=rows, num_test=rows, label_noise=0)
    assert set(reviews.train.labels) == {0, 1}
    assert (effective_polarity(reviews.train.tokens) % 2 == 1).all()


def test_exactly_the_noisy_share_of_labels_disagrees_with_the_tokens(split: LabelledReviews) -> None:
    wrong = (effective_polarity(split.tokens) > 0) != split.labels
    assert wrong.sum() == round(0.03 * len(split.labels))


def test_without_noise_the_tokens_decide_every_label() -> None:
    reviews = small(label_noise=0)
    for part in (reviews.train, reviews.test):
        assert np.array_equal(np.sign(effective_polarity(part.tokens)), 2 * part.labels.astype(np.int64) - 1)


def test_polarity_is_never_zero(split: LabelledReviews) -> None:
    assert (effective_polarity(split.tokens) != 0).all()


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([POSITIVE, POSITIVE, NEGATIVE], 1),
        ([NEGATOR, POSITIVE], -1),
        ([NEGATOR, NEGATIVE, NEUTRAL, POSITIVE], 0),
        ([NEGATOR, *[NEUTRAL] * (SCOPE - 1), POSITIVE], -1),
        ([NEGATOR, *[NEUTRAL] * SCOPE, POSITIVE], 1),
        ([NEGATOR, NEGATOR, POSITIVE], -1),
        ([POSITIVE, NEGATOR], 1),
        ([NEUTRAL, FIRST_POLAR - 1, FIRST_POLAR + NUM_POLAR], 0),
        ([], 0),
    ],
)
def test_a_negator_flips_the_polar_words_in_its_scope(tokens: list[int], expected: int) -> None:
    assert effective_polarity(Sequences.from_lists([tokens])).tolist() == [expected]


def test_a_negator_does_not_reach_into_the_next_review() -> None:
    rows = Sequences.from_lists([[POSITIVE, NEGATOR], [POSITIVE], [], [NEGATOR, NEGATIVE]])
    assert effective_polarity(rows).tolist() == [1, 1, 0, 1]


def test_without_its_negators_many_a_review_changes_sides(split: LabelledReviews) -> None:
    tokens = split.tokens
    neutralised = np.where(np.isin(tokens.values, NEGATORS), NEUTRAL, tokens.values)
    read_flat = effective_polarity(Sequences.from_lengths(neutralised, tokens.lengths))
    changed = (read_flat > 0) != (effective_polarity(tokens) > 0)
    assert 0.08 < changed.mean() < 0.3


def test_keeping_the_last_tokens_keeps_the_label(split: LabelledReviews) -> None:
    cut = effective_polarity(split.tokens.last(466)) > 0
    assert (cut == (effective_polarity(split.tokens) > 0)).mean() > 0.999


def test_the_classes_are_balanced(split: LabelledReviews) -> None:
    assert split.labels.mean() == pytest.approx(0.5, abs=0.02)


def test_ranks_lie_in_the_vocabulary(split: LabelledReviews) -> None:
    assert split.tokens.values.min() == 1
    assert split.tokens.values.max() <= MAX_RANK


def test_frequencies_fall_with_the_rank_as_zipf_has_it(split: LabelledReviews) -> None:
    counts = np.bincount(split.tokens.values, minlength=MAX_RANK + 1)
    ranks = np.unique(np.geomspace(1, 2000, 40).astype(np.int64))
    slope = np.polyfit(np.log(ranks), np.log(counts[ranks]), 1)[0]
    assert slope == pytest.approx(-1, abs=0.05)


def test_polar_words_and_negators_are_as_frequent_as_their_ranks(split: LabelledReviews) -> None:
    shares = np.bincount(split.tokens.values, minlength=MAX_RANK + 1)[1:] / len(split.tokens.values)
    times_rank = (shares * np.arange(1, MAX_RANK + 1))[:40]
    assert times_rank == pytest.approx(np.median(times_rank), rel=0.15)


def test_train_and_test_share_no_review(corpus: Reviews) -> None:
    train, test = (
        {part.tokens.row(row).tobytes() for row in range(len(part.labels))} for part in (corpus.train, corpus.test)
    )
    assert len(train) == 6400
    assert not train & test


def test_no_statistic_of_a_review_and_no_order_of_the_rows_gives_the_label_away(
    split: LabelledReviews,
) -> None:
    lengths, rows = split.tokens.lengths, split.tokens.row_numbers
    ranks = split.tokens.values.astype(np.float64)
    mean = np.bincount(rows, weights=ranks) / lengths
    bins = np.bincount(rows * 50 + split.tokens.values // 1000, minlength=50 * len(lengths)).reshape(-1, 50)
    density = bins / lengths[:, None]
    scores = {
        "row": np.arange(len(lengths), dtype=np.float64),
        "length": lengths.astype(np.float64),
        "frequent": np.bincount(rows, weights=ranks < 500) / lengths,
        "rare": np.bincount(rows, weights=ranks >= 20_000) / lengths,
        "mean": mean,
        "deviation": np.bincount(rows, weights=ranks**2) / lengths - mean**2,
        "entropy": -(density * np.log(np.where(density > 0, density, 1))).sum(axis=1),
        "negators": np.bincount(rows, weights=np.isin(ranks, NEGATORS)) / lengths,
    }
    for name, score in scores.items():
        assert auc(score, split.labels) == pytest.approx(0.5, abs=0.03), name


def test_polar_words_gather_at_the_end(split: LabelledReviews) -> None:
    def polar_share(tokens: Sequences) -> float:
        return float(((tokens.values >= FIRST_POLAR) & (tokens.values < FIRST_POLAR + NUM_POLAR)).mean())

    assert polar_share(split.tokens.last(CLOSING)) > 4 * polar_share(split.tokens)
