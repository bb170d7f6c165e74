from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from storage.errors import SourceError
from storage.options import ColumnOptions, DataOptions
from tasks.features.tokenization import content_hashes, split_into_words
from tasks.features.vocabulary import Vocabulary
from tasks.monitoring import new_rows
from tasks.monitoring.new_rows import Known, NewRows, read_new_rows
from tasks.sources.base import Limits
from tasks.sources.files import open_path
from tasks.sources.texts import TextPart
from tests.reviews import Review, write_reviews

VOCABULARY = Vocabulary(pa.array(["good", "bad", "film"], pa.string()), "words")
KNOWN = Known(VOCABULARY, set(content_hashes(split_into_words(pa.array(["a good film", "a bad film"]), "words"))))


def score(texts: pa.StringArray) -> npt.NDArray[np.float32]:
    """More for longer texts."""
    return np.array([len(text) / 100 for text in texts.to_pylist()], dtype=np.float32)


class ReadRows:
    """Reads files of reviews, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.quarantine = folder / "quarantine" / "refused.jsonl"
        self._folder = folder

    def __call__(self, *files: list[Review]) -> NewRows:
        parts = []
        for number, made in enumerate(files, start=1):
            path = self._folder / f"part{number}.csv"
            write_reviews(path, made)
            source = open_path(path, ColumnOptions(), Limits(2**20, 1000, 1000))
            parts.append(TextPart(path.stem, source, ColumnOptions()))
        return read_new_rows(parts, DataOptions(), KNOWN, score, self.quarantine)


@pytest.fixture
def read(tmp_path: Path) -> ReadRows:
    return ReadRows(tmp_path)


def test_rows_that_the_champion_knows_are_left_out_in_whatever_letters(read: ReadRows) -> None:
    new = read([Review("A good film!", 1), Review("a GOOD film", 0), Review("no good film", 0)])
    assert [row.split("/")[:2] for row in new.rows.ids.to_pylist()] == [["part1", "2"]]
    assert new.rows.labels.tolist() == [0]
    assert (new.num_labelled, new.contents.num_new) == (3, 1)


def test_a_row_is_taken_once_and_with_the_other_label_once_more(read: ReadRows) -> None:
    new = read([Review("so so", 1), Review("So so.", 1), Review("so so", 0)], [Review("so so", 1)])
    assert new.rows.labels.tolist() == [1, 0]
    assert (new.num_labelled, new.contents.num_new, new.contents.num_repeated) == (4, 2, 2)


def test_words_have_the_ranks_of_the_champions_vocabulary(read: ReadRows) -> None:
    new = read([Review("bad bad film", 0), Review("good plot", 1)])
    assert [new.rows.tokens.row(index).tolist() for index in range(2)] == [[2, 2, 3], [1, VOCABULARY.oov_rank]]


@pytest.mark.parametrize("chunk", [1, 2, 8_192])
def test_probabilities_stay_with_their_rows_however_they_are_scored(
    read: ReadRows, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(new_rows, "CHUNK_ROWS", chunk)
    texts = ["x", "x y z", "a good film", "x y", "", "x y z z"]
    new = read([Review(text, 1) for text in texts[:3]], [Review(text, 0) for text in texts[3:]])
    assert new.probabilities.tolist() == pytest.approx([0.01, 0.05, 0.03, 0.07])
    assert new.rows.labels.tolist() == [1, 1, 0, 0]
    assert new.probabilities.dtype == np.float32


def test_what_cannot_be_used_is_counted_and_kept_aside(read: ReadRows) -> None:
    new = read([Review("x", 1), Review("", 1), Review("...", 0), Review("y", "perhaps")])
    assert (new.contents.num_rows, new.contents.num_refused, new.num_labelled) == (4, 3, 1)
    kept = [json.loads(line) for line in read.quarantine.read_text(encoding="utf-8").splitlines()]
    assert len(kept) == len(new.contents.examples) == 3
    assert new.contents.quarantine == str(read.quarantine)
    assert "no word in its text" in new.contents.reasons


def test_without_refused_rows_there_is_no_file_of_them(read: ReadRows) -> None:
    assert read([Review("x", 1)]).contents.quarantine == ""
    assert not read.quarantine.exists()


def test_refused_rows_stand_there_once_however_often_they_are_read(read: ReadRows) -> None:
    for _ in range(2):
        read([Review("", 1), Review("no good film", 0)])
    assert len(read.quarantine.read_text(encoding="utf-8").splitlines()) == 1


def test_without_a_new_row_there_is_nothing(read: ReadRows) -> None:
    new = read([Review("a good film", 1)])
    assert len(new.rows.ids) == len(new.rows.labels) == len(new.rows.tokens) == len(new.probabilities) == 0
    assert (new.num_labelled, new.contents.num_new) == (1, 0)


def test_a_source_without_a_usable_row_is_an_error(read: ReadRows) -> None:
    with pytest.raises(SourceError, match="none of the 1 rows"):
        read([Review("x", "perhaps")])
