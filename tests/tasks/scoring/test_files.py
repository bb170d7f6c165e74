from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import OptionError, SourceError
from storage.options import ColumnOptions, DataOptions
from storage.records import Champion, ScoredFile
from storage.settings import Settings
from tasks.scoring import files
from tasks.scoring.champion import Scorer
from tasks.scoring.files import score_parts
from tasks.sources.base import Limits, RawRows, TextSource
from tasks.sources.files import open_path
from tasks.sources.texts import TextPart
from tests.reviews import Review, write_reviews
from tests.serving import Served
from tests.tasks.scoring.test_champion import champion, champion_of, settings_of


@dataclass
class Length:
    """Says of a text that it is positive the more, the more characters it has; and remembers what it was asked."""

    champion: Champion = field(default_factory=lambda: champion("imdb"))
    asked: list[int] = field(default_factory=list)

    def probabilities(self, texts: pa.StringArray) -> npt.NDArray[np.float32]:
        self.asked.append(len(texts))
        return np.array([len(text) / 100 for text in texts.to_pylist()], np.float32)

    def has_words(self, texts: pa.StringArray) -> npt.NDArray[np.bool_]:
        return np.array([text != "?" for text in texts.to_pylist()], bool)


@dataclass
class InMemory:
    """A source that hands its rows over some at a time, and remembers how many it has handed over."""

    columns: Mapping[str, Sequence[str | None]]
    faults: Mapping[int, str] = field(default_factory=dict)
    batch_rows: int = 3
    origin: str = "reviews.csv"
    sha256: str = ""
    taken: int = 0

    def column_names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def batches(self, columns: Sequence[str]) -> Iterator[RawRows]:
        num_rows = len(next(iter(self.columns.values())))
        for begin in range(0, num_rows, self.batch_rows):
            rows = range(begin, min(begin + self.batch_rows, num_rows))
            values = {
                name: [None if row in self.faults else self.columns[name][row] for row in rows] for name in columns
            }
            self.taken += len(rows)
            faults = {row - begin: self.faults[row] for row in rows if row in self.faults}
            yield RawRows([f"row {row + 1}" for row in rows], values, faults)


def score_into(path: Path, source: TextSource, scorer: Any = None, **data: int) -> ScoredFile:
    given: Any = Length() if scorer is None else scorer
    return score_parts(given, [TextPart("reviews", source, ColumnOptions())], path, DataOptions(**data))


def scored(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_row_stands_in_its_place_with_its_id_refused_or_not(tmp_path: Path) -> None:
    source = InMemory(
        {
            "id": ["a", "b", "c", "d", "e", "f", "a", "h"],
            "text": ["x" * 10, "", "x" * 80, "x" * 20, "?", "x" * 101, "good", "lost"],
        },
        faults={7: "3 fields, the header has 2"},
    )
    result = score_into(tmp_path / "out.jsonl", source, max_text_length=100)
    rows = scored(tmp_path / "out.jsonl")
    assert [row["row"] for row in rows] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [row["id"] for row in rows] == ["a", "b", "c", "d", "e", "f", "a", None]
    assert [row["probability"] for row in rows] == [0.1, None, 0.8, 0.2, None, None, 0.04, None]
    assert [row["label"] for row in rows] == [0, None, 1, 0, None, None, 0, None]
    assert {row["champion"] for row in rows} == {"run 1 of imdb/baseline_avgpool"}
    assert [row["refused"] for row in rows] == [
        None,
        "it has no text",
        None,
        None,
        "no word in its text",
        "its text has 101 characters, more than the 100 that are allowed (data.max_text_length)",
        None,
        "3 fields, the header has 2",
    ]
    assert result == ScoredFile(str(tmp_path / "out.jsonl"), "run 1 of imdb/baseline_avgpool", 8, 1, 4)


def test_parts_follow_each_other_each_with_rows_of_its_own(tmp_path: Path) -> None:
    parts = [
        TextPart("week-1", InMemory({"text": ["x" * 10, "x" * 20]}), ColumnOptions()),
        TextPart("week-2", InMemory({"body": ["x" * 30], "id": ["a"]}), ColumnOptions(text="body")),
    ]
    given: Any = Length()
    result = score_parts(given, parts, tmp_path / "out.jsonl", DataOptions())
    assert [(row["source"], row["row"], row["id"], row["probability"]) for row in scored(tmp_path / "out.jsonl")] == [
        ("week-1", 1, None, 0.1),
        ("week-1", 2, None, 0.2),
        ("week-2", 1, "a", 0.3),
    ]
    assert (result.num_rows, result.num_positive) == (3, 0)


def test_rows_without_ids_have_none(tmp_path: Path) -> None:
    score_into(tmp_path / "out.jsonl", InMemory({"text": ["good", "", "bad"]}))
    assert [(row["row"], row["id"]) for row in scored(tmp_path / "out.jsonl")] == [(1, None), (2, None), (3, None)]


def test_an_id_is_told_whatever_it_is_like(tmp_path: Path) -> None:
    ids = ["a", "x" * 1001, "half \ud800", "", None]
    score_into(tmp_path / "out.jsonl", InMemory({"text": ["good"] * 5, "id": ids}))
    assert [row["id"] for row in scored(tmp_path / "out.jsonl")] == ["a", "x" * 1001, "half ?", None, None]
    assert {row["refused"] for row in scored(tmp_path / "out.jsonl")} == {None}


some_rows = st.lists(st.sampled_from(["", "good", "?", "x" * 60, None]), min_size=1, max_size=30)


@given(some_rows, st.sets(st.integers(0, 30)), st.integers(1, 7), st.integers(1, 9))
def test_no_row_is_lost_or_moved_however_rows_come_and_are_scored(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str | None],
    torn: set[int],
    batch_rows: int,
    chunk_rows: int,
) -> None:
    texts = [*texts, "good"]
    faults = {row: "torn" for row in torn if row < len(texts) - 1}
    source = InMemory({"text": texts, "id": [f"id {row}" for row in range(len(texts))]}, faults, batch_rows)
    path = tmp_path_factory.mktemp("law") / "out.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "CHUNK_ROWS", chunk_rows)
        result = score_into(path, source)
    rows = scored(path)
    assert [row["row"] for row in rows] == list(range(1, len(texts) + 1))
    for number, (row, text) in enumerate(zip(rows, texts, strict=True)):
        labelled = text not in ("", "?", None) and number not in faults
        assert row["id"] == (None if number in faults else f"id {number}")
        assert row["probability"] == (len(text or "") / 100 if labelled else None)
        assert row["label"] == (int(len(text or "") > 50) if labelled else None)
        assert (row["refused"] is None) == labelled
    assert result.num_refused == sum(row["refused"] is not None for row in rows)
    assert result.num_positive == sum(row["label"] == 1 for row in rows)


def test_no_more_rows_are_held_than_a_chunk_and_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK_ROWS", 10)
    source, held, done = InMemory({"text": ["good"] * 100}), [], 0
    scorer = Length()

    def probabilities(texts: pa.StringArray) -> npt.NDArray[np.float32]:
        nonlocal done
        held.append(source.taken - done)
        done = source.taken
        return np.zeros(len(texts), np.float32)

    monkeypatch.setattr(scorer, "probabilities", probabilities)
    assert score_into(tmp_path / "out.csv", source, scorer).num_rows == 100
    assert held == [12] * 8 + [4]


def test_refused_rows_fill_a_chunk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK_ROWS", 6)
    scorer = Length()
    score_into(tmp_path / "out.csv", InMemory({"text": [""] * 12 + ["good"] * 3}), scorer)
    assert scorer.asked == [0, 0, 3]


def test_of_long_texts_fewer_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", 3_000)
    scorer = Length()
    score_into(tmp_path / "out.csv", InMemory({"text": ["x" * 1_000] * 9 + ["x"] * 9}), scorer)
    assert scorer.asked == [3, 3, 3, 9]


# When it fails, there is no output.


@pytest.mark.parametrize("there", [True, False])
def test_a_source_that_breaks_in_the_middle_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    monkeypatch.setattr(files, "CHUNK_ROWS", 3)
    path = tmp_path / "out.csv"
    if there:
        path.write_text("before")
    (tmp_path / "reviews.csv").write_text("text\n" + "good\n" * 3000 + '"torn', encoding="utf-8")
    source = open_path(tmp_path / "reviews.csv", ColumnOptions(), Limits(2**20, 10**6, 1000))
    with pytest.raises(SourceError, match="ends inside a quoted field"):
        score_into(path, source)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out.csv", "reviews.csv"][not there :]
    assert not there or path.read_text() == "before"


def test_a_source_without_a_row_that_can_be_scored_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none of the 2 rows of reviews\.csv can be used\. row 1: it has no text"):
        score_into(tmp_path / "out.csv", InMemory({"text": ["", " "]}))
    assert list(tmp_path.iterdir()) == []


def test_a_source_is_not_written_over_by_its_own_labels(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("text\ngood\n")
    source = open_path(path, ColumnOptions(), Limits(2**20, 100, 1000))
    with pytest.raises(OptionError, match="is the file that is read"):
        score_into(path, source)
    assert path.read_text() == "text\ngood\n"


# With a real champion.

Write = Callable[[Path, list[Review]], None]


def _write_parquet(path: Path, made: list[Review]) -> None:
    pq.write_table(pa.table({"text": [one.text for one in made]}), path)


def _write_json_lines(path: Path, made: list[Review]) -> None:
    path.write_text("".join(json.dumps({"text": one.text}) + "\n" for one in made), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "write"),
    [("in.csv", write_reviews), ("in.jsonl", _write_json_lines), ("in.parquet", _write_parquet)],
)
def test_a_file_scored_in_chunks_gives_each_review_what_it_gets_alone(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Write
) -> None:
    monkeypatch.setattr(files, "CHUNK_ROWS", 7)
    monkeypatch.setattr("tasks.sources.rows.BATCH_ROWS", 3)
    settings: Settings = settings_of(served)
    scorer = Scorer(settings, champion_of(served))
    some = served.reviews[:24]
    write(tmp_path / name, [*some[:5], Review("?", 0), *some[5:]])
    source = open_path(tmp_path / name, ColumnOptions(), Limits(2**20, 100, 1000))
    score_into(tmp_path / "out.parquet", source, scorer)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["refused"].to_pylist() == [None] * 5 + ["no word in its text"] + [None] * 19
    alone = [scorer.probabilities(pa.array([one.text]))[0] for one in some]
    found = table["probability"].drop_null().to_numpy()
    assert np.ptp(found) > 0.3
    np.testing.assert_allclose(found, alone, rtol=0, atol=1e-5)
    assert table["label"].drop_null().to_pylist() == [int(one > 0.5) for one in alone]
