from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from storage.content import canonical_json
from storage.options import CheckOptions, FeatureOptions
from storage.records import CheckResult, Split
from storage.sequences import Sequences
from storage.snapshots import Rows, row_ids
from tasks.checks import drift
from tasks.checks.base import CheckedData
from tasks.checks.drift import check_drift, domain_auc, label_effect, length_effect, word_effect
from tasks.checks.identical import identical
from tasks.features.matrices import fit_and_featurize
from tasks.sources.base import Reviews

NUM_WORDS = 2000


def reviews(
    size: int,
    seed: int,
    *,
    longer: float = 1,
    other_words: float = 0,
    positive_share: float = 0.5,
) -> Rows:
    """Reviews of 10 to 40 words by Zipf's law; longer by a factor, with a share of words that no other review has."""
    rng = np.random.default_rng(seed)
    lengths = np.rint(longer * rng.integers(10, 41, size)).astype(np.int64)
    values = np.floor(np.exp(rng.uniform(0, np.log(1000), lengths.sum()))).astype(np.int32)
    values[rng.random(len(values)) < other_words] += 990
    tokens = Sequences.from_lengths(values, lengths)
    labels = rng.permutation(np.arange(size) < round(positive_share * size)).astype(np.uint8)
    return Rows(row_ids("train", tokens), labels, tokens)


def compared(today: Rows, reference: Rows | str | None) -> CheckedData:
    splits: dict[Split, Rows] = {"train": today, "validation": reviews(30, 90), "test": reviews(30, 91)}
    return CheckedData(splits, *fit_and_featurize(splits, FeatureOptions(num_words=NUM_WORDS)), reference)


def check(today: Rows, reference: Rows | str | None, **options: float) -> CheckResult:
    return check_drift(compared(today, reference), CheckOptions.model_validate(options))


def joined(first: Rows, second: Rows) -> Rows:
    tokens = Sequences.from_lengths(
        np.concatenate([first.tokens.values, second.tokens.values]),
        np.concatenate([first.tokens.lengths, second.tokens.lengths]),
    )
    return Rows(row_ids("train", tokens), np.concatenate([first.labels, second.labels]), tokens)


def sides(today: Rows, reference: Rows) -> tuple[Sequences, npt.NDArray[np.bool_]]:
    return joined(today, reference).tokens, np.arange(len(today.ids) + len(reference.ids)) < len(today.ids)


# No reference.


def test_a_line_without_a_champion_passes() -> None:
    result = check(reviews(100, 0), None)
    assert (result.name, result.verdict, result.evidence) == ("drift", "pass", "the line has no champion yet")


def test_a_reference_that_cannot_be_read_shows_nothing_and_says_why() -> None:
    result = check(reviews(100, 0), "the snapshot is gone")
    assert result.verdict == "fail"
    assert result.evidence.endswith("the snapshot is gone")


@pytest.mark.parametrize(("size", "verdict"), [(0, "warn"), (19, "warn"), (20, "pass")])
@pytest.mark.parametrize("is_today", [True, False])
def test_few_rows_of_a_side_are_a_warning(size: int, verdict: str, is_today: bool) -> None:
    few, many = reviews(20, 0).take(np.arange(size)), reviews(200, 1)
    data = compared(many, few)
    if is_today:
        data = replace(data, rows={**data.rows, "train": few}, reference=many)
    result = check_drift(data, CheckOptions(max_drift_effect=1, max_drift_auc=1))
    assert result.verdict == verdict
    assert ("too few rows to compare" in result.evidence) is (verdict == "warn")


# No drift.


@pytest.mark.parametrize("order", [np.arange(200), np.arange(200)[::-1]])
def test_the_same_reviews_in_any_order_pass_at_once(order: npt.NDArray[np.int64]) -> None:
    today = reviews(200, 0)
    result = check(today, today.take(order))
    assert result.verdict == "pass"
    assert result.evidence == "the same 200 reviews as the champion's"


def test_the_same_reviews_with_other_labels_are_not_the_same() -> None:
    today = reviews(200, 0)
    result = check(today, replace(today, labels=1 - today.labels))
    assert "same_reviews" not in result.measured
    assert result.measured["domain_auc"] == 0.5


@pytest.mark.parametrize("size", [30, 300])
def test_reviews_of_the_same_kind_never_fail(size: int) -> None:
    results = [check(reviews(size, seed), reviews(size, 1000 + seed)) for seed in range(25)]
    assert "fail" not in {result.verdict for result in results}


def test_many_reviews_of_the_same_kind_have_no_effect() -> None:
    result = check(reviews(3000, 0), reviews(2000, 1))
    assert result.verdict == "pass"
    for name in ("lengths", "words", "label_share"):
        assert float(result.measured[f"{name}_effect"]) < 0.06
    assert float(result.measured["domain_auc"]) == pytest.approx(0.5, abs=0.05)
    assert canonical_json(result.measured)


def test_a_reference_that_is_part_of_today_does_not_look_like_another_kind() -> None:
    old, new = reviews(1500, 0), reviews(500, 1)
    result = check(joined(old, new), old)
    assert result.verdict == "pass"
    assert float(result.measured["domain_auc"]) == pytest.approx(0.5, abs=0.1)


def test_the_same_data_give_the_same_numbers() -> None:
    today, reference = reviews(300, 0), reviews(300, 1)
    assert check(today, reference) == check(today, reference)


# Drift.


def test_longer_reviews_are_found() -> None:
    result = check(reviews(1000, 0, longer=1.6), reviews(1000, 1))
    assert result.verdict == "fail"
    assert result.evidence.startswith("other than before: lengths")


def test_other_words_are_found() -> None:
    result = check(reviews(1000, 0, other_words=0.25), reviews(1000, 1))
    assert result.verdict == "fail"
    assert result.evidence.startswith("other than before: words, domain classifier;")


def test_another_label_share_is_found() -> None:
    result = check(reviews(2000, 0, positive_share=0.9), reviews(2000, 1))
    assert result.verdict == "fail"
    assert result.evidence.startswith("other than before: label share;")
    assert result.measured["label_share_effect"] == pytest.approx(0.4)


def test_an_effect_that_few_rows_show_is_a_warning_and_that_many_show_a_failure() -> None:
    few, many = (check(reviews(size, 0, positive_share=0.9), reviews(size, 1)) for size in (30, 2000))
    assert (few.verdict, many.verdict) == ("warn", "fail")
    assert few.evidence.startswith("too few rows to be sure that these are other than before: label share")


@pytest.mark.parametrize("name", ["lengths_effect", "words_effect", "label_share_effect", "domain_auc"])
def test_each_bound_holds_on_both_sides(name: str) -> None:
    today = reviews(1000, 0, longer=1.6, other_words=0.25, positive_share=0.9)
    data = compared(today, reviews(1000, 1))
    lower = float(check_drift(data, CheckOptions()).measured[f"{name}_lower"])
    option = "max_drift_auc" if name == "domain_auc" else "max_drift_effect"
    words = "domain classifier" if name == "domain_auc" else name.removesuffix("_effect").replace("_", " ")
    for bound, is_beyond in ((lower - 1e-9, True), (lower + 1e-9, False)):
        evidence = check_drift(data, CheckOptions.model_validate({option: bound})).evidence
        beyond = evidence.partition(";")[0].removeprefix("other than before: ").split(", ")
        assert (words in beyond) is is_beyond


# The parts.


def test_cliffs_delta_is_that_of_its_definition() -> None:
    first, second = np.array([3, 5, 5, 9]), np.array([1, 5, 2])
    expected = np.sign(first[:, None] - second).mean()
    effect = length_effect(np.concatenate([first, second]), np.arange(7) < 4)
    assert effect.size == pytest.approx(expected)
    assert effect.lower <= effect.size


@pytest.mark.parametrize("share", [0.05, 0.18, 0.4])
def test_a_share_of_new_words_has_an_effect_of_about_the_root_of_half_of_it(share: float) -> None:
    size = 4000
    today = np.where(np.arange(size) < round(share * size), 8, 7)
    both = Sequences.from_lists([[word] for word in (*today.tolist(), *[7] * size)])
    effect = word_effect(both, np.arange(2 * size) < size, 10)
    p, q = np.array([1 - share, share]), np.array([1, 0])
    m = (p + q) / 2
    divergence = (p * np.log2(p / m)).sum() / 2 - np.log2(m[0]) / 2
    assert effect.size == pytest.approx(np.sqrt(divergence), abs=0.005)
    assert effect.size == pytest.approx(np.sqrt(share / 2), rel=0.1)
    assert effect.lower < effect.size


def test_disjoint_words_have_an_effect_of_almost_1() -> None:
    both = Sequences.from_lists([[1, 2]] * 500 + [[3, 4]] * 500)
    assert word_effect(both, np.arange(1000) < 500, 10).size == pytest.approx(1, abs=0.01)


def test_the_standard_error_of_the_divergence_is_that_of_new_samples() -> None:
    drawn = []
    for seed in range(60):
        both, is_today = sides(reviews(300, seed, other_words=0.3), reviews(300, 500 + seed))
        drawn.append(drift._divergence(both, is_today, NUM_WORDS))
    divergences, errors = np.array(drawn).T
    assert errors.mean() == pytest.approx(divergences.std(), rel=0.35)


def test_sampling_noise_of_rare_words_is_taken_off() -> None:
    both, is_today = sides(reviews(100, 0), reviews(100, 1))
    assert drift._divergence(both, is_today, NUM_WORDS)[0] > 0.3**2 / 2
    assert word_effect(both, is_today, NUM_WORDS).size < 0.15


def test_the_label_effect_has_no_sign() -> None:
    first, second = reviews(400, 0, positive_share=0.7), reviews(300, 1, positive_share=0.4)
    assert label_effect(first, second) == label_effect(second, first)
    assert label_effect(first, second).size == pytest.approx(0.3)
    # Normal approximation: 0.3 - 3.09 * 0.0364.
    assert label_effect(first, second).lower == pytest.approx(0.187, abs=0.015)


def test_only_so_many_rows_are_classified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "MAX_CLASSIFIED_ROWS", 100)
    read: list[int] = []

    def count(words: object, side: npt.NDArray[np.int64], same: object) -> npt.NDArray[np.float64]:
        read.append(len(side))
        return np.zeros(len(side))

    monkeypatch.setattr(drift, "out_of_fold", count)
    both, is_today = sides(reviews(300, 0), reviews(60, 1))
    domain_auc(both, identical(both), is_today, NUM_WORDS)
    assert read == [160]


def test_a_review_of_both_sides_is_drawn_on_both_or_on_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "MAX_CLASSIFIED_ROWS", 100)
    today = reviews(300, 0)
    both, is_today = sides(today, today.take(np.random.default_rng(0).permutation(300)))
    assert domain_auc(both, identical(both), is_today, NUM_WORDS).size == 0.5


def test_a_review_that_one_side_repeats_is_not_known_again() -> None:
    # Each side repeats 100 reviews of its own ten times: in other folds, the copies would give their side away.
    today, reference = (reviews(100, seed).take(np.repeat(np.arange(100), 10)) for seed in (0, 1))
    both, is_today = sides(today, reference)
    assert domain_auc(both, np.arange(2000), is_today, NUM_WORDS).size > 0.9
    assert domain_auc(both, identical(both), is_today, NUM_WORDS).size < 0.65


# Real reviews.


def test_imdbs_test_reviews_are_like_its_training_reviews(imdb_reviews: Reviews) -> None:
    train, test = (
        Rows(row_ids(name, part.tokens), part.labels, part.tokens)
        for name, part in (("train", imdb_reviews.train), ("test", imdb_reviews.test))
    )
    splits: dict[Split, Rows] = {"train": train, "validation": train, "test": test}
    data = CheckedData(splits, *fit_and_featurize(splits, FeatureOptions()), test)
    result = check_drift(data, CheckOptions())
    assert result.verdict == "pass"
    # They are of other films, whose names a classifier knows.
    assert 0.55 < float(result.measured["domain_auc"]) < 0.7
    assert float(result.measured["words_effect"]) < 0.1
