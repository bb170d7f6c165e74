from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from storage.content import MANIFEST, read_manifest, sha256_of_json
from storage.errors import ContentError
from storage.records import SPLITS, SnapshotRecord, Split
from storage.sequences import Sequences
from storage.snapshots import (
    CONTENT_VERSION,
    Rows,
    Texts,
    content_hashes,
    content_id,
    count_unknown,
    open_snapshot,
    read_content_hashes,
    read_rows,
    row_ids,
    take_raw,
    write_snapshot,
)

if TYPE_CHECKING:
    from tests.storage.conftest import MakeRows

Flip = Callable[[Path, int], None]


@pytest.fixture
def splits(make_rows: MakeRows) -> dict[Split, Rows]:
    return {
        "train": make_rows([[1, 2, 3], [], [4], [5, 6]], split="train"),
        "validation": make_rows([[7], [8, 9]], split="train"),
        "test": make_rows([[10, 11], [12], []], split="test"),
    }


def write(root: Path, splits: Mapping[Split, Rows], **changes: Any) -> SnapshotRecord:
    usual = {"line": "imdb", "origin": "imdb.npz", "reason": "it was named", "sha256": "f00d", "split_seed": 2025}
    return write_snapshot(root, splits, **{**usual, **changes})


def assert_same_rows(actual: Rows, expected: Rows) -> None:
    assert actual.ids.to_pylist() == expected.ids.to_pylist()
    assert actual.labels.dtype == np.uint8
    assert actual.labels.tolist() == expected.labels.tolist()
    assert actual.tokens.values.dtype == np.int32
    assert actual.tokens.values.tolist() == expected.tokens.values.tolist()
    assert actual.tokens.offsets.tolist() == expected.tokens.offsets.tolist()


def test_an_id_says_where_a_row_stood_and_what_it_said() -> None:
    ids = row_ids("train", Sequences.from_lists([[1, 2], [3], [1, 2]])).to_pylist()

    split, index, digest = zip(*(name.split("/") for name in ids), strict=True)
    assert split == ("train",) * 3
    assert index == ("0", "1", "2")
    assert digest[0] == digest[2] != digest[1]


def test_taking_rows_keeps_ids_labels_and_tokens_together(make_rows: MakeRows) -> None:
    rows = make_rows([[1], [2, 3], [4]], labels=[0, 1, 1])

    taken = rows.take(np.array([2, 0]))

    assert taken.ids.to_pylist() == [rows.ids[2].as_py(), rows.ids[0].as_py()]
    assert taken.labels.tolist() == [1, 0]
    assert taken.tokens.padded(1).tolist() == [[4], [1]]


def test_rows_come_back_as_they_were_written(tmp_path: Path, splits: dict[Split, Rows]) -> None:
    record = write(tmp_path, splits)

    for name in SPLITS:
        assert_same_rows(read_rows(tmp_path, record.id, name), splits[name])
    assert record.num_rows == {"train": 4, "validation": 2, "test": 3}
    assert record.content_version == CONTENT_VERSION
    assert (record.line, record.origin, record.reason) == ("imdb", "imdb.npz", "it was named")
    assert (record.source_sha256, record.split_seed) == ("f00d", 2025)


def test_ratings_come_back_and_are_no_part_of_the_content(tmp_path: Path, splits: dict[Split, Rows]) -> None:
    ratings = pa.array([9, None, 2], pa.int8())
    rated = {**splits, "test": dataclasses.replace(splits["test"], ratings=ratings)}

    record = write(tmp_path, rated)

    assert record.id == content_id(splits)
    again = read_rows(tmp_path, record.id, "test")
    assert again.ratings is not None
    assert again.ratings.equals(ratings)
    turned = again.take(np.array([2, 1])).ratings
    assert turned is not None
    assert turned.to_pylist() == [2, None]
    assert read_rows(tmp_path, record.id, "train").ratings is None


def test_a_split_without_rows_comes_back_empty(tmp_path: Path, splits: dict[Split, Rows], make_rows: MakeRows) -> None:
    record = write(tmp_path, {**splits, "validation": make_rows([])})

    rows = read_rows(tmp_path, record.id, "validation")

    assert (len(rows.ids), len(rows.labels), len(rows.tokens)) == (0, 0, 0)


def test_the_manifest_says_what_the_snapshot_is(tmp_path: Path, splits: dict[Split, Rows]) -> None:
    record = write(tmp_path, splits)

    manifest = read_manifest(tmp_path / record.id)

    assert (manifest["id"], manifest["test_id"], manifest["line"]) == (record.id, record.test_id, "imdb")
    assert sorted(manifest["files"]) == ["test.parquet", "train.parquet", "validation.parquet"]


def test_the_same_reviews_make_one_folder_whatever_they_are_called(tmp_path: Path, splits: dict[Split, Rows]) -> None:
    first = write(tmp_path, splits)
    written = (tmp_path / first.id / MANIFEST).stat().st_mtime_ns

    again = write(tmp_path, splits, origin="elsewhere", reason="another one", sha256="beef")

    assert again.id == first.id
    assert (again.origin, again.reason, again.source_sha256) == ("elsewhere", "another one", "beef")
    assert [path.name for path in tmp_path.iterdir()] == [first.id]
    assert (tmp_path / first.id / MANIFEST).stat().st_mtime_ns == written


def test_any_difference_in_the_rows_makes_another_snapshot(
    tmp_path: Path, splits: dict[Split, Rows], make_rows: MakeRows
) -> None:
    train = splits["train"]
    order = np.array([1, 0, 2, 3])
    variants: dict[str, dict[Split, Rows]] = {
        "as it was": splits,
        "a label": {**splits, "train": Rows(train.ids, np.array([1, 1, 0, 1], dtype=np.uint8), train.tokens)},
        "the order": {**splits, "train": train.take(order)},
        "the order of the ids alone": {
            **splits,
            "train": Rows(train.take(order).ids, train.labels, train.tokens),
        },
        "a token": {
            **splits,
            "train": Rows(train.ids, train.labels, Sequences.from_lists([[1, 2, 4], [], [4], [5, 6]])),
        },
        "where a row ends": {
            **splits,
            "train": Rows(train.ids, train.labels, Sequences.from_lists([[1, 2], [3], [4], [5, 6]])),
        },
        "a row less": {**splits, "train": train.take(np.arange(3))},
        "splits exchanged": {**splits, "train": splits["validation"], "validation": train},
        "a row of test": {**splits, "test": make_rows([[10, 11], [12], [13]])},
    }

    ids = {what: write(tmp_path, rows).id for what, rows in variants.items()}

    assert len(set(ids.values())) == len(variants), ids
    assert len(list(tmp_path.iterdir())) == len(variants)


def test_the_test_id_is_of_the_test_rows_alone(tmp_path: Path, splits: dict[Split, Rows], make_rows: MakeRows) -> None:
    first = write(tmp_path, splits)
    more = write(tmp_path, {**splits, "train": make_rows([[1]], split="train"), "validation": make_rows([[2]])})
    other = write(tmp_path, {**splits, "test": make_rows([[10, 11], [12], [13]])})

    assert more.id != first.id
    assert more.test_id == first.test_id == content_id({"test": splits["test"]})
    assert other.test_id != first.test_id


@pytest.mark.parametrize("name", [*(f"{split}.parquet" for split in SPLITS), MANIFEST])
def test_a_missing_file_of_any_split_is_refused(tmp_path: Path, splits: dict[Split, Rows], name: str) -> None:
    record = write(tmp_path, splits)
    (tmp_path / record.id / name).unlink()

    with pytest.raises(ContentError, match=name):
        read_rows(tmp_path, record.id, "test")


@pytest.mark.parametrize("split", SPLITS)
def test_a_flipped_bit_of_any_split_is_refused(
    tmp_path: Path, splits: dict[Split, Rows], flip: Flip, split: Split
) -> None:
    record = write(tmp_path, splits)
    file = tmp_path / record.id / f"{split}.parquet"

    for position in range(0, file.stat().st_size, 101):
        flip(file, position)
        with pytest.raises(ContentError, match=f"{split}.parquet has changed"):
            read_rows(tmp_path, record.id, "train")
        flip(file, position)
    assert_same_rows(read_rows(tmp_path, record.id, split), splits[split])


def test_a_snapshot_under_another_ones_name_is_refused(tmp_path: Path, splits: dict[Split, Rows]) -> None:
    record = write(tmp_path, splits)
    (tmp_path / record.id).rename(tmp_path / "another")

    with pytest.raises(ContentError, match="holds another snapshot than its name says"):
        read_rows(tmp_path, "another", "test")
    with pytest.raises(ContentError, match="was removed or damaged"):
        read_rows(tmp_path, record.id, "test")


def test_a_damaged_snapshot_is_replaced_when_its_content_comes_again(tmp_path: Path, splits: dict[Split, Rows]) -> None:
    root = tmp_path / "snapshots"
    first = write(root, splits)
    damaged = root / first.id / "train.parquet"
    damaged.write_bytes(b"")

    again = write(root, splits)

    assert again.id == first.id
    assert len(read_rows(root, first.id, "train").ids) == first.num_rows["train"]


def texts(splits: Mapping[Split, Rows], *, words: tuple[str, ...] = ("a", "b")) -> Texts:
    """A text for each row, in two batches."""

    def batches(rows: Rows) -> Iterator[pa.StringArray]:
        said = pa.array([f"what {row_id} says" for row_id in rows.ids.to_pylist()], pa.string())
        yield said[:1]
        yield said[1:]

    of = {split: partial(batches, rows) for split, rows in splits.items()}
    return Texts(of, {"tokenization": "words", "words": list(words)})


def test_texts_and_their_vocabulary_come_back(tmp_path: Path, splits: dict[Split, Rows]) -> None:
    record = write(tmp_path, splits, texts=texts(splits))

    assert record.vocabulary == sha256_of_json({"tokenization": "words", "words": ["a", "b"]})
    assert open_snapshot(tmp_path, record.id).vocabulary() == {"tokenization": "words", "words": ["a", "b"]}
    for split in SPLITS:
        raw = open_snapshot(tmp_path, record.id).raw(split)
        assert not isinstance(raw, Sequences)
        assert raw.to_pylist() == [f"what {row_id} says" for row_id in splits[split].ids.to_pylist()]
        assert_same_rows(read_rows(tmp_path, record.id, split), splits[split])


def test_without_texts_word_ranks_are_what_is_scored(tmp_path: Path, splits: dict[Split, Rows]) -> None:
    record = write(tmp_path, splits)

    assert record.vocabulary == ""
    assert open_snapshot(tmp_path, record.id).vocabulary() is None
    raw = open_snapshot(tmp_path, record.id).raw("train")
    assert isinstance(raw, Sequences)
    assert raw.values.tolist() == splits["train"].tokens.values.tolist()


def test_raw_rows_are_taken_by_position(tmp_path: Path, splits: dict[Split, Rows]) -> None:
    positions = np.array([2, 0])
    said = take_raw(pa.array(["x", "y", "z"]), positions)
    assert not isinstance(said, Sequences)
    assert said.to_pylist() == ["z", "x"]
    taken = take_raw(splits["train"].tokens, positions)
    assert isinstance(taken, Sequences)
    assert [taken.row(index).tolist() for index in range(2)] == [[4], [1, 2, 3]]


def test_another_vocabulary_is_another_snapshot_of_the_same_test_set(tmp_path: Path, splits: dict[Split, Rows]) -> None:
    first = write(tmp_path, splits, texts=texts(splits))
    test = splits["test"]
    renamed = Rows(
        pa.array([f"elsewhere/{index + 7}/{one}" for index, one in enumerate(content_hashes(test.ids).to_pylist())])[
            ::-1
        ],
        test.labels[::-1],
        Sequences.from_lists([[99]] * len(test.ids)),
    )
    other = {**splits, "test": renamed}

    second = write(tmp_path, other, texts=texts(other, words=("b", "a")))

    assert second.id != first.id
    assert second.test_id == first.test_id
    flipped = {**splits, "test": Rows(test.ids, 1 - test.labels, test.tokens)}
    assert write(tmp_path, flipped, texts=texts(flipped)).test_id != first.test_id


def test_content_hashes_of_all_splits_are_read_together(tmp_path: Path, splits: dict[Split, Rows]) -> None:
    record = write(tmp_path, splits)
    expected = {one for rows in splits.values() for one in content_hashes(rows.ids).to_pylist()}
    assert read_content_hashes(tmp_path, record.id) == expected


def test_rows_that_another_snapshot_does_not_hold_are_counted_wherever_they_stand(
    tmp_path: Path, splits: dict[Split, Rows]
) -> None:
    record = write(tmp_path, splits)
    tokens = Sequences.from_lists([[91], splits["train"].tokens.row(0).tolist(), [92], [92]])
    more = {**splits, "test": Rows(row_ids("more", tokens), np.array([0, 1, 0, 1], np.uint8), tokens)}
    today = write(tmp_path, more)

    assert count_unknown(tmp_path, record.id, record.id) == 0
    assert count_unknown(tmp_path, today.id, record.id) == 3


def test_changed_texts_are_not_read(tmp_path: Path, splits: dict[Split, Rows], flip: Flip) -> None:
    record = write(tmp_path, splits, texts=texts(splits))
    flip(tmp_path / record.id / "test-texts.parquet", 20)
    with pytest.raises(ContentError, match="has changed since it was published"):
        open_snapshot(tmp_path, record.id).raw("test")
