from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.options import Tokenization
from storage.sequences import Sequences
from tasks.features.tokenization import WordTable, content_hashes, split_into_words

BOTH: list[Tokenization] = ["words", "keras"]

# Letters, marks, symbols, white space and what is treated in a way of its own are met often, anything else at times.
SPECIAL = "aAéÉİßŁ9½ '’ʼ\t\n\r\xa0\x85\xad\u200d\u0301\ufe0f❤👍🏽☹\ufffd<>/br=&;#3.-_中می"
texts = st.lists(st.text(st.sampled_from(SPECIAL) | st.characters(codec="utf-8"), max_size=40), max_size=8)
tokenizations = st.sampled_from(BOTH)


def strings(values: list[str]) -> pa.StringArray:
    return pa.array(values, pa.string())


def split(values: list[str], tokenization: Tokenization) -> list[list[str]]:
    rows: list[list[str]] = split_into_words(strings(values), tokenization).to_pylist()
    return rows


def lists(sequences: Sequences) -> list[list[int]]:
    return [sequences.row(index).tolist() for index in range(len(sequences))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t\r ", []),
        ("One film, two films.", ["one", "film", "two", "films"]),
        ("9/10 -- a must-see_now!", ["9", "10", "a", "must", "see", "now"]),
        ("4.5 stars", ["4", "5", "stars"]),
        # Apostrophes
        ("Don't, l'eau, actors'", ["don't", "l'eau", "actors"]),
        ("'quoted' ''twice'' ' '' rock 'n' roll", ["quoted", "twice", "rock", "n", "roll"]),
        ("don’t donʼt don＇t ‘n’", ["don't", "don't", "don't", "n"]),
        # Markup
        ("Good.<br /><br />Bad<BR>ugly<br/>end", ["good", "bad", "ugly", "end"]),
        ('<a href="x.html" >a link</a> and <i>more</i>', ["a", "link", "and", "more"]),
        ("I <3 it, 1 < 2 > 0, <sigh> <a long shot>", ["i", "3", "it", "1", "2", "0", "sigh", "a", "long", "shot"]),
        ("Tom &amp; Jerry&#39;s &quot;best&quot;", ["tom", "jerry's", "best"]),
        ("don&rsquo;t caf&eacute; &#x27;a&#x27; &nbsp;", ["don't", "café", "a"]),
        ("&lt;br /&gt;escaped &amp;quot;", ["escaped", "quot"]),
        ("AT&T R&D; &nosuchthing; &#99999999;", ["at", "t", "r", "d", "nosuchthing", "99999999"]),
        # Other scripts
        ("ÉTÉ été E\u0301te\u0301", ["été", "été", "été"]),
        ("Очень ХОРОШО", ["очень", "хорошо"]),
        ("हिन्दी फ़िल्म", ["हिन्दी", "फ़िल्म"]),
        ("می\u200cخواهم won\xadderful", ["میخواهم", "wonderful"]),
        ("no\xa0break\u2003wide\u2028line\ufeff", ["no", "break", "wide", "line"]),
        ("cp1252\x85dots\x96dash", ["cp1252", "dots", "dash"]),
        # Symbols
        ("Great👍👍🏽 ❤️❤ ok☹", ["great", "👍", "👍", "❤", "❤", "ok", "☹"]),
        ("👨\u200d👩\u200d👧 ★★☆", ["👨", "👩", "👧", "★", "★", "☆"]),
        ("lost\ufffdletter", ["lost", "letter"]),
        (":-) :( 5€ 100%", ["5", "100"]),
    ],
)
def test_a_raw_review_becomes_these_words(text: str, expected: list[str]) -> None:
    assert split([text], "words") == [[unicodedata.normalize("NFC", word) for word in expected]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t\r ", []),
        ("Good.<br /><br />Bad", ["good", "br", "br", "bad"]),
        ("Don't 'quote' it's", ["don't", "'quote'", "it's"]),
        (
            r"""a!b"c#d$e%f&g(h)i*j+k,l-m.n/o:p;q<r=s>t?u@v[w\x]y^z_0`1{2|3}4~5""",
            list("abcdefghijklmnopqrstuvwxyz012345"),
        ),
        ("one\ttwo\nthree\r\nfour", ["one", "two", "three", "four"]),
        ("it’s “good” – no\xa0break\x85", ["it’s", "“good”", "–", "no\xa0break\x85"]),
        ("ÉTÉ 👍👍", ["été", "👍👍"]),
        ("&amp; &#39;", ["amp", "39"]),
    ],
)
def test_a_review_becomes_the_words_that_keras_made_of_it(text: str, expected: list[str]) -> None:
    assert split([text], "keras") == [expected]


def keras_rule(text: str) -> list[str]:
    """keras.preprocessing.text.text_to_word_sequence, and carriage returns."""
    table = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n\r', " "))
    return [word for word in text.lower().translate(table).split(" ") if word]


@given(st.lists(st.text(st.characters(max_codepoint=0x17F, exclude_characters="İ"))))
def test_keras_words_are_the_rule_of_keras(values: list[str]) -> None:
    assert split(values, "keras") == [keras_rule(text) for text in values]


# A text's words are its own.


@given(texts, tokenizations, st.integers(0, 8))
def test_a_text_gives_the_same_words_in_every_batch(values: list[str], tokenization: Tokenization, cut: int) -> None:
    together = split(values, tokenization)
    assert split(values[:cut], tokenization) + split(values[cut:], tokenization) == together
    assert [split([text], tokenization)[0] for text in values] == together


@given(texts, tokenizations, st.integers(0, 8), st.integers(0, 8))
def test_a_slice_gives_what_a_copy_gives(values: list[str], tokenization: Tokenization, start: int, size: int) -> None:
    found = split_into_words(strings(values).slice(start, size), tokenization)
    found.validate(full=True)
    assert found.to_pylist() == split(values[start : start + size], tokenization)
    rows = split_into_words(strings(values), tokenization).slice(start, size)
    assert content_hashes(rows) == content_hashes(found)
    assert lists(WordTable().add(rows)) == lists(WordTable().add(found))


@given(texts, tokenizations)
def test_words_are_never_empty_and_are_words_again(values: list[str], tokenization: Tokenization) -> None:
    rows = split(values, tokenization)
    assert all(word for row in rows for word in row)
    assert split([" ".join(row) for row in rows], tokenization) == rows


@given(texts)
def test_words_do_not_depend_on_how_unicode_is_composed(values: list[str]) -> None:
    composed, decomposed = ([unicodedata.normalize(form, text) for text in values] for form in ("NFC", "NFD"))
    assert split(composed, "words") == split(decomposed, "words")


@pytest.mark.parametrize("tokenization", BOTH)
def test_no_texts_give_no_words(tokenization: Tokenization) -> None:
    rows = split_into_words(strings([]), tokenization)
    assert rows.type == pa.list_(pa.string())
    assert (len(rows), content_hashes(rows), lists(WordTable().add(rows))) == (0, [], [])


@pytest.mark.parametrize("tokenization", BOTH)
def test_a_missing_text_is_refused(tokenization: Tokenization) -> None:
    with pytest.raises(ValueError, match="1 of 2 texts are missing"):
        split_into_words(pa.array(["a", None]), tokenization)


# Hashes and numbers.


def test_a_hash_is_that_of_the_words_joined_by_spaces() -> None:
    found = content_hashes(split_into_words(strings(["Été, it's 👍!", "", "it's  ÉTÉ"]), "words"))
    expected = [hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for text in ("été it's 👍", "", "it's été")]
    assert found == expected
    assert [len(text) for text in found] == [16, 16, 16]


def test_equal_words_have_equal_hashes_however_they_were_written() -> None:
    first, again, other = content_hashes(split_into_words(strings(["A b.", "a<br />B", "ab"]), "words"))
    assert first == again != other


def test_words_are_numbered_as_they_are_met() -> None:
    table = WordTable()
    first = table.add(split_into_words(strings(["b a b", "", "c a"]), "words"))
    second = table.add(split_into_words(strings(["d c", "a"]), "words"))
    assert (lists(first), lists(second)) == ([[0, 1, 0], [], [2, 1]], [[3, 2], [1]])
    assert first.values.dtype == second.values.dtype == np.int32
    assert (len(table), table.words.to_pylist()) == (4, ["b", "a", "c", "d"])
    assert table.words.type == pa.string()


@given(texts, tokenizations, st.integers(0, 8))
def test_numbers_do_not_depend_on_the_batches_and_lead_back_to_the_words(
    values: list[str], tokenization: Tokenization, cut: int
) -> None:
    together, pieces = WordTable(), WordTable()
    rows = split_into_words(strings(values), tokenization)
    numbers = lists(together.add(rows))
    assert lists(pieces.add(rows[:cut])) + lists(pieces.add(rows[cut:])) == numbers
    assert pieces.words == together.words
    names = together.words.to_pylist()
    assert [[names[number] for number in row] for row in numbers] == rows.to_pylist()


# The real reviews.


@pytest.fixture(scope="module")
def imdb_texts() -> dict[str, pa.StringArray]:
    """The raw reviews of train and of test, in the folder that RETRAIN_TEST_DATA names."""
    folder = os.environ.get("RETRAIN_TEST_DATA")
    if not folder:
        pytest.skip("RETRAIN_TEST_DATA is not set: it names a folder that holds imdb_reviews.parquet")
    path = Path(folder) / "imdb_reviews.parquet"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    rows = pq.read_table(path, columns=["split", "text"])
    return {
        split: strings(rows.filter(pa.compute.field("split") == split)["text"].to_pylist())
        for split in ("train", "test")
    }


def test_the_real_reviews_have_the_lengths_of_keras_imdb(imdb_texts: dict[str, pa.StringArray]) -> None:
    """The notebook's table. Keras knew the training reviews' words only, and left the others out of test."""
    table = WordTable()
    numbers = {split: table.add(split_into_words(texts, "keras")) for split, texts in imdb_texts.items()}
    known = numbers["train"].values.max() + 1
    lengths: dict[str, Any] = {
        split: 1 + np.bincount(of.row_numbers[of.values < known], minlength=len(of)) for split, of in numbers.items()
    }
    found = [(of.mean().round(5), of.std(ddof=1).round(6)) for of in lengths.values()]
    assert found == [(238.71364, 176.497204), (230.80432, 169.164659)]
    assert np.percentile(lengths["train"], 90) == 467
