from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.content import sha256_of_json
from storage.options import Tokenization
from storage.sequences import Sequences
from tasks.features import vocabulary as module
from tasks.features.tokenization import WordTable, split_into_words
from tasks.features.vocabulary import Vocabulary

texts = st.lists(st.text(st.sampled_from("aàbBzß9 .'👍"), max_size=20), max_size=8)
sizes = st.integers(1, 12)
tokenizations = st.sampled_from(["words", "keras"])


def strings(values: list[str]) -> pa.StringArray:
    return pa.array(values, pa.string())


def lists(sequences: Sequences) -> list[list[int]]:
    return [sequences.row(index).tolist() for index in range(len(sequences))]


def built(values: list[str], size: int = 100, tokenization: Tokenization = "words") -> Vocabulary:
    """The vocabulary of training texts."""
    table = WordTable()
    numbers = table.add(split_into_words(strings(values), tokenization))
    return Vocabulary.build(table, counted(numbers, table), size, tokenization)


def counted(numbers: Sequences, table: WordTable) -> npt.NDArray[np.int64]:
    return np.bincount(numbers.values, minlength=len(table))


def test_the_most_frequent_word_has_rank_1() -> None:
    vocabulary = built(["a film", "the film, the film!", "The end."])
    assert vocabulary.words.to_pylist() == ["film", "the", "a", "end"]
    assert vocabulary.words.type == pa.string()
    assert lists(vocabulary.ranks(strings(["the film", "", "a new END"]))) == [[2, 1], [], [3, 5, 4]]


def test_words_as_frequent_as_each_other_stand_in_the_order_of_their_code_points() -> None:
    # UTF-16 would put the emoji before the last one, and a locale's order the accents beside their letters.
    assert built(["👍 ﬁ ß z à b Z's 9"]).words.to_pylist() == ["9", "b", "z", "z's", "ß", "à", "ﬁ", "👍"]


@given(texts, sizes, tokenizations)
def test_ranks_are_those_of_a_plain_count(values: list[str], size: int, tokenization: Tokenization) -> None:
    counts = Counter(word for row in split_into_words(strings(values), tokenization).to_pylist() for word in row)
    expected = sorted(counts, key=lambda word: (-counts[word], word))[:size]
    assert built(values, size, tokenization).words.to_pylist() == expected


@pytest.mark.parametrize(
    ("size", "expected"), [(1, ["c"]), (2, ["c", "a"]), (3, ["c", "a", "b"]), (4, ["c", "a", "b"])]
)
def test_a_vocabulary_has_at_most_so_many_words(size: int, expected: list[str]) -> None:
    vocabulary = built(["b a c c"], size)
    assert vocabulary.words.to_pylist() == expected
    assert (len(vocabulary), vocabulary.oov_rank) == (len(expected), len(expected) + 1)


def test_a_word_of_other_rows_than_the_training_rows_does_not_enter() -> None:
    table = WordTable()
    table.add(split_into_words(strings(["only in test"]), "words"))
    training = table.add(split_into_words(strings(["in train"]), "words"))
    vocabulary = Vocabulary.build(table, counted(training, table), 100, "words")
    assert vocabulary.words.to_pylist() == ["in", "train"]
    assert vocabulary.ranks_of_table(table.words).tolist() == [3, 1, 3, 2]


@given(st.permutations(["a b", "b c c", "a", "", "d 👍"]))
def test_the_order_of_the_rows_does_not_matter(values: list[str]) -> None:
    assert built(values).digest == built(["a b", "b c c", "a", "", "d 👍"]).digest


@given(texts, texts, sizes, tokenizations)
def test_no_rank_is_above_the_one_for_unknown_words(
    values: list[str], others: list[str], size: int, tokenization: Tokenization
) -> None:
    vocabulary = built(values, size, tokenization)
    known = set(vocabulary.words.to_pylist())
    ranks = vocabulary.ranks(strings(others))
    words = split_into_words(strings(others), tokenization)
    assert ranks.values.dtype == np.int32
    assert ranks.lengths.tolist() == [len(row) for row in words.to_pylist()]
    for rank, word in zip(ranks.values, words.flatten().to_pylist(), strict=True):
        assert rank == vocabulary.oov_rank if word not in known else 1 <= rank < vocabulary.oov_rank


@given(texts, sizes, tokenizations)
def test_ranks_are_those_of_the_numbers(values: list[str], size: int, tokenization: Tokenization) -> None:
    table = WordTable()
    numbers = table.add(split_into_words(strings(values), tokenization))
    vocabulary = Vocabulary.build(table, counted(numbers, table), size, tokenization)
    by_number = vocabulary.ranks_of_table(table.words)
    assert by_number.dtype == np.int32
    assert np.array_equal(by_number[numbers.values], vocabulary.ranks(strings(values)).values)


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5])
def test_pieces_do_not_show_in_the_ranks(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    vocabulary, values = built(["a b b"]), strings(["b", "a c", "", "b", "a"]).slice(0, rows)
    whole = lists(vocabulary.ranks(values))
    monkeypatch.setattr(module, "_PIECE", 2)
    assert lists(vocabulary.ranks(values)) == whole == [[1], [2, 3], [], [1], [2]][:rows]


@given(texts, sizes, tokenizations)
def test_a_vocabulary_survives_json(values: list[str], size: int, tokenization: Tokenization) -> None:
    vocabulary = built(values, size, tokenization)
    again = Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())))
    assert (again.words, again.tokenization, again.digest) == (vocabulary.words, tokenization, vocabulary.digest)


def test_the_digest_is_of_the_words_their_order_and_the_tokenization() -> None:
    value: dict[str, Any] = {"tokenization": "words", "words": ["a", "b"]}
    assert Vocabulary.from_json(value).digest == sha256_of_json(value)
    others = [{**value, "tokenization": "keras"}, {**value, "words": ["b", "a"]}, {**value, "words": ["a"]}]
    assert len({Vocabulary.from_json(other).digest for other in [value, *others]}) == 4


def test_without_words_everything_is_unknown() -> None:
    vocabulary = built([])
    assert (len(vocabulary), vocabulary.oov_rank) == (0, 1)
    assert lists(vocabulary.ranks(strings(["a b", ""]))) == [[1, 1], []]
    assert Vocabulary.from_json(vocabulary.to_json()).digest == vocabulary.digest


def test_a_count_for_each_word_is_needed() -> None:
    table = WordTable()
    table.add(split_into_words(strings(["a b"]), "words"))
    with pytest.raises(ValueError, match="a count for each of 2 words, found 1"):
        Vocabulary.build(table, np.array([1]), 10, "words")


@pytest.mark.parametrize("words", [["a", "b", "a"], ["a", None]])
def test_a_word_that_is_missing_or_there_twice_is_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match="each of its words once"):
        Vocabulary.from_json({"tokenization": "words", "words": words})


def test_an_unknown_tokenization_is_refused() -> None:
    with pytest.raises(ValueError, match="found 'letters'"):
        Vocabulary.from_json({"tokenization": "letters", "words": []})


def test_a_missing_text_is_refused() -> None:
    with pytest.raises(ValueError, match="missing"):
        built(["a"]).ranks(pa.array(["a", None]))
