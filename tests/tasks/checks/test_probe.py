from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from storage.content import canonical_json
from storage.options import CheckOptions, DataOptions, FeatureOptions, SyntheticOptions
from storage.records import CheckResult, Split
from storage.sequences import Sequences
from storage.snapshots import Rows, row_ids
from tasks.checks import probe
from tasks.checks.base import CheckedData
from tasks.checks.counts import presence
from tasks.checks.identical import identical
from tasks.checks.linear import fit_and_score, out_of_fold
from tasks.checks.probe import Reading, check_probe
from tasks.features.matrices import fit_and_featurize
from tasks.sources.base import Reviews
from tasks.sources.splits import split_rows
from tasks.sources.synthetic import generate

SIZES: dict[Split, int] = {"train": 3000, "validation": 300, "test": 1500}


def reviews(split: Split, size: int, rng: np.random.Generator, positive_share: float = 0.5) -> Rows:
    """Reviews of 10 to 40 words out of 500, of which some are polar and agree with the label four times in five."""
    labels = rng.permutation(np.arange(size) < round(size * positive_share)).astype(np.uint8)
    lengths = rng.integers(10, 41, size)
    of_label = np.repeat(labels, lengths)
    values = rng.integers(100, 600, len(of_label))
    polar = rng.random(len(values)) < 0.1
    agrees = rng.random(len(values)) < 0.8
    values[polar] = 2 * rng.integers(5, 25, int(polar.sum())) + (of_label == agrees)[polar]
    tokens = Sequences.from_lengths(values.astype(np.int32), lengths)
    return Rows(row_ids(split, tokens), labels, tokens)


def corpus(seed: int, sizes: dict[Split, int], positive_share: float = 0.5) -> CheckedData:
    rng = np.random.default_rng(seed)
    rows = {split: reviews(split, size, rng, positive_share) for split, size in sizes.items()}
    return CheckedData(rows, *fit_and_featurize(rows, FeatureOptions(num_words=1000)))


@pytest.fixture(scope="module")
def clean() -> CheckedData:
    return corpus(0, SIZES)


@pytest.fixture(scope="module")
def synthetic() -> CheckedData:
    """Unlike `clean`, it has words enough for a model to know a review again."""
    rows = split_rows(generate(SyntheticOptions(num_train=3000, num_test=1500)), DataOptions(), 0)
    return CheckedData(rows, *fit_and_featurize(rows, FeatureOptions()))


def check(data: CheckedData, **options: float) -> CheckResult:
    return check_probe(data, CheckOptions.model_validate(options))


def with_matrix(data: CheckedData, split: Split, **changes: Any) -> CheckedData:
    return replace(data, matrices={**data.matrices, split: replace(data.matrices[split], **changes)})


def with_labels(data: CheckedData, split: Split, change: Callable[[npt.NDArray[np.uint8]], Any]) -> CheckedData:
    return with_matrix(data, split, labels=change(data.matrices[split].labels))


def shuffled(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(1).permutation(labels)


def joined(*parts: Sequences) -> Sequences:
    return Sequences.from_lengths(
        np.concatenate([part.values for part in parts]), np.concatenate([part.lengths for part in parts])
    )


# Nothing is wrong.


def test_clean_data_passes_with_all_its_numbers(clean: CheckedData) -> None:
    result = check(clean)
    assert (result.name, result.verdict) == ("probe", "pass")
    read = result.measured
    assert {f"{split}_rows": read[f"{split}_rows"] for split in SIZES} == {f"{s}_rows": n for s, n in SIZES.items()}
    for name in ("cv", "validation", "test"):
        assert float(read[f"{name}_accuracy"]) > 0.7
        assert float(read[f"{name}_auc"]) > 0.8
    assert float(read["control_accuracy"]) == pytest.approx(0.5, abs=0.05)
    assert float(read["test_accuracy_lower"]) < float(read["test_accuracy"]) < float(read["test_accuracy_upper"])
    for split in ("validation", "test"):
        gap = float(read["cv_accuracy"]) - float(read[f"{split}_accuracy"])
        assert float(read[f"{split}_gap"]) == pytest.approx(gap)
        assert float(read[f"{split}_gap_lower"]) < gap < float(read[f"{split}_gap_upper"])
    assert f"test {read['test_accuracy']:.3f} of 1,500 rows" in result.evidence


def test_the_same_data_give_the_same_numbers(clean: CheckedData) -> None:
    assert check(clean) == check(clean)


@pytest.mark.parametrize("positive_share", [0.5, 0.8])
@pytest.mark.parametrize("size", [60, 300])
def test_small_clean_data_never_fail(size: int, positive_share: float) -> None:
    sizes: dict[Split, int] = {"train": size, "validation": size // 10, "test": size}
    verdicts = [check(corpus(seed, sizes, positive_share)).verdict for seed in range(25)]
    assert "fail" not in verdicts


def test_words_that_say_nothing_of_few_labels_are_a_warning(checked_data: CheckedData) -> None:
    result = check(checked_data)
    assert result.verdict == "warn"
    assert result.evidence.startswith("too few rows to tell cross-validation, validation, test from chance")


def test_the_synthetic_corpus_passes(synthetic: CheckedData) -> None:
    assert check(synthetic).verdict == "pass"


# Faults.


@pytest.mark.parametrize("split", ["validation", "test"])
def test_shuffled_labels_of_a_split_are_found(clean: CheckedData, split: Split) -> None:
    result = check(with_labels(clean, split, shuffled))
    assert result.verdict == "fail"
    assert f"fine on train, near chance on {split}: split, alignment or labels of {split}" in result.evidence


@pytest.mark.parametrize("split", ["validation", "test"])
def test_swapped_classes_of_a_split_are_found(clean: CheckedData, split: Split) -> None:
    result = check(with_labels(clean, split, lambda labels: 1 - labels))
    assert result.verdict == "fail"
    assert f"significantly below chance on {split}: labels inverted (swapped classes)" in result.evidence


def test_swapped_classes_of_train_are_found_on_both_other_splits(clean: CheckedData) -> None:
    evidence = check(with_labels(clean, "train", lambda labels: 1 - labels)).evidence
    assert evidence.count("labels inverted") == 2


@pytest.mark.parametrize("split", ["validation", "test"])
def test_sequences_one_place_off_their_labels_are_found(clean: CheckedData, split: Split) -> None:
    sequences = clean.matrices[split].sequences
    rolled = sequences.take(np.roll(np.arange(len(sequences)), 1))
    result = check(with_matrix(clean, split, sequences=rolled))
    assert result.verdict == "fail"
    assert f"near chance on {split}" in result.evidence


def test_a_tail_whose_labels_were_sorted_is_found(clean: CheckedData) -> None:
    def sort_tail(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return np.concatenate([labels[:500], np.sort(labels[500:])])

    result = check(with_labels(clean, "test", sort_tail))
    assert result.verdict == "fail"
    assert "on test" in result.evidence


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_shuffled_labels_of_train_are_found(share: float) -> None:
    sizes: dict[Split, int] = {"train": 6000, "validation": 300, "test": 1500}
    result = check(with_labels(corpus(3, sizes, share), "train", shuffled))
    assert result.verdict == "fail"
    assert "the labels of train do not belong to their reviews" in result.evidence


def test_shuffled_labels_of_few_training_rows_are_a_warning() -> None:
    result = check(with_labels(corpus(3, {"train": 300, "validation": 30, "test": 300}), "train", shuffled))
    assert result.verdict == "warn"
    assert "too few rows to tell cross-validation" in result.evidence


def test_test_rows_in_train_are_found(synthetic: CheckedData) -> None:
    train, test = synthetic.matrices["train"], synthetic.matrices["test"]
    leaked = with_matrix(
        synthetic,
        "train",
        sequences=joined(train.sequences, test.sequences),
        labels=np.concatenate([train.labels, test.labels]),
    )
    result = check(leaked)
    assert result.verdict == "fail"
    assert "better on test than in cross-validation: test rows leaked into train" in result.evidence


def test_reviews_that_stand_in_train_twice_do_not_look_like_a_worse_test(clean: CheckedData) -> None:
    train = clean.matrices["train"]
    twice = with_matrix(
        clean,
        "train",
        sequences=joined(train.sequences, train.sequences),
        labels=np.concatenate([train.labels, train.labels]),
    )
    result = check(twice)
    assert result.verdict == "pass"
    assert abs(float(result.measured["test_gap"])) < 0.03


def test_an_evaluation_that_leaks_is_found_by_its_control(clean: CheckedData, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen_before(matrix: Any, labels: npt.NDArray[np.int64], groups: Any) -> npt.NDArray[np.float64]:
        return fit_and_score(matrix, labels, matrix)

    monkeypatch.setattr(probe, "out_of_fold", seen_before)
    result = check(clean)
    assert result.verdict == "fail"
    assert "above chance on shuffled labels: the evaluation itself leaks" in result.evidence


# The bound.


def test_the_bound_holds_on_both_sides(clean: CheckedData) -> None:
    broken = with_labels(clean, "test", shuffled)
    lower = float(check(broken).measured["test_gap_lower"])
    assert "near chance on test" in check(broken, max_probe_gap=lower - 1e-6).evidence
    assert "near chance on test" not in check(broken, max_probe_gap=lower + 1e-6).evidence


def test_the_same_gap_fails_only_where_there_are_enough_rows() -> None:
    cross = Reading(20_000, 18_000, 0.5, 0.95, 0.001)
    few, many = (Reading(rows, round(0.82 * rows), 0.5, 0.9, 0.01) for rows in (100, 10_000))
    control = Reading(20_000, 10_000, 0.5, 0.5, 0.01)
    for test, num_faults in ((few, 0), (many, 1)):
        readings = {"cross-validation": cross, "validation": cross, "test": test, "shuffled labels": control}
        assert len(probe._faults(readings, 0.05)) == num_faults


def test_cross_validated_rows_count_half() -> None:
    of_each, of_two = Reading(1000, 800, 0.5, 0.9, 0.01), Reading(2000, 1600, 0.5, 0.9, 0.01, rows_per_error=2)
    assert (of_each.lower, of_each.upper) == (of_two.lower, of_two.upper)
    assert of_each.lower == pytest.approx(0.7587, abs=1e-3)  # normal approximation: 0.8 - 3.09 * 0.01265 = 0.7609


# Many rows.


def test_of_many_rows_some_are_drawn_and_the_evidence_says_so(
    clean: CheckedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "MAX_ROWS", 1000)
    result, again = check(clean), check(clean)
    assert result == again
    assert result.verdict == "pass"
    assert [result.measured[f"{split}_rows"] for split in SIZES] == [1000, 300, 1000]
    assert result.evidence.endswith("rows drawn at random: of train 1,000 of 3,000, of test 1,000 of 1,500")


def test_what_is_wrong_is_found_among_the_rows_drawn(clean: CheckedData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MAX_ROWS", 1400)
    result = check(with_labels(clean, "test", shuffled))
    assert result.verdict == "fail"
    assert "near chance on test" in result.evidence


def test_with_no_more_rows_than_are_read_nothing_is_drawn(clean: CheckedData, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = check(clean)
    monkeypatch.setattr(probe, "MAX_ROWS", SIZES["train"])
    assert check(clean) == whole
    assert "drawn" not in whole.evidence


# Data that nothing can be said of.


@pytest.mark.parametrize("split", ["validation", "test"])
def test_an_empty_split_is_a_warning_and_its_numbers_are_left_out(clean: CheckedData, split: Split) -> None:
    empty = clean.matrices[split].sequences.take(np.arange(0))
    result = check(with_matrix(clean, split, sequences=empty))
    assert result.verdict == "warn"
    assert result.evidence.startswith(f"too few rows to tell {split} from chance")
    assert f"{split}_accuracy" not in result.measured
    assert canonical_json(result.measured)


def test_with_nothing_but_train_its_own_labels_are_still_read(clean: CheckedData) -> None:
    data = with_labels(clean, "train", shuffled)
    for split in ("validation", "test"):
        data = with_matrix(data, split, sequences=Sequences.from_lists([]))
    assert check(data).measured["cv_accuracy"] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("label", [0, 1])
def test_train_of_one_class_is_a_warning(clean: CheckedData, label: int) -> None:
    result = check(with_labels(clean, "train", lambda labels: np.full_like(labels, label)))
    assert result.verdict == "warn"
    assert result.evidence.startswith("too few rows to probe")


def test_no_rows_at_all_are_a_warning(clean: CheckedData) -> None:
    data = clean
    for split in SIZES:
        data = with_matrix(data, split, sequences=Sequences.from_lists([]), labels=np.zeros(0, np.uint8))
    assert check(data).verdict == "warn"


@pytest.mark.parametrize(("rows", "is_read"), [(19, False), (20, True)])
def test_train_needs_some_rows_of_each_class(rows: int, is_read: bool) -> None:
    labels = (np.arange(300) < rows).astype(np.uint8)
    data = corpus(1, {"train": 300, "validation": 30, "test": 100})
    assert ("cv_accuracy" in check(with_matrix(data, "train", labels=labels)).measured) is is_read


def test_a_test_split_of_one_class_has_no_auc(clean: CheckedData) -> None:
    positive = np.flatnonzero(clean.matrices["test"].labels == 1)
    data = with_matrix(
        clean,
        "test",
        sequences=clean.matrices["test"].sequences.take(positive),
        labels=np.ones(len(positive), dtype=np.uint8),
    )
    result = check(data)
    assert "test_auc" not in result.measured
    assert canonical_json(result.measured)


@pytest.mark.parametrize("split", list(SIZES))
@pytest.mark.parametrize("rows", [-7, 7])
def test_other_numbers_of_labels_and_sequences_do_not_raise(clean: CheckedData, split: Split, rows: int) -> None:
    labels = np.resize(clean.matrices[split].labels, SIZES[split] + rows)
    result = check(with_matrix(clean, split, labels=labels))
    assert result.measured[f"{split}_rows"] == SIZES[split] + min(rows, 0)


# The parts.


def test_identical_rows_have_the_same_number_and_others_have_not() -> None:
    numbers = identical(Sequences.from_lists([[1, 2], [], [1], [1, 2], [2, 1], []]))
    assert numbers.tolist() == [0, 1, 2, 0, 3, 1]
    assert len(identical(Sequences.from_lists([]))) == 0


def test_no_row_is_scored_by_a_model_that_saw_a_row_like_it(clean: CheckedData) -> None:
    # Each review is there twice and its labels are drawn by lot: only a model that saw the copy could know them.
    sequences = clean.matrices["train"].sequences.take(np.repeat(np.arange(1000), 2))
    labels = np.repeat(np.random.default_rng(5).integers(0, 2, 1000), 2)
    words = presence(sequences, 1000)
    apart = Reading.of(labels, out_of_fold(words, labels, np.arange(2000)))
    together = Reading.of(labels, out_of_fold(words, labels, identical(sequences)))
    assert apart.accuracy > 0.6
    assert together.accuracy == pytest.approx(0.5, abs=0.06)


def test_a_reading_without_rows_is_neither_at_chance_nor_above() -> None:
    reading = Reading.of(np.zeros(0, np.int64), np.zeros(0))
    assert math.isnan(reading.accuracy)
    assert not reading.is_above_chance
    assert not reading.is_near_chance


# Real reviews.


def test_imdb_is_read_as_well_as_published(imdb_reviews: Reviews) -> None:
    rows = split_rows(imdb_reviews, DataOptions(), 0)
    result = check(CheckedData(rows, *fit_and_featurize(rows, FeatureOptions())))
    assert result.verdict == "pass"
    assert 0.88 < float(result.measured["test_accuracy"]) < 0.90
    assert 0.945 < float(result.measured["test_auc"]) < 0.965
    assert float(result.measured["control_accuracy"]) == pytest.approx(0.5, abs=0.02)
