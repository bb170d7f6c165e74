from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from storage.errors import SourceError
from storage.options import ColumnOptions
from tasks.sources.base import Limits, RawRows
from tasks.sources.folder import FolderSource, has_classes

LIMITS = Limits(bytes=2**30, rows=1_000_000, text_length=1000)
LONGEST_FILE = 4 * 1000 + 65_536


def source_of(folder: Path, files: dict[str, str | bytes], limits: Limits = LIMITS) -> FolderSource:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return FolderSource(folder, ColumnOptions(), limits)


def read(source: FolderSource, columns: Sequence[str] | None = None) -> list[RawRows]:
    return list(source.batches(source.column_names() if columns is None else columns))


def values(batches: list[RawRows], column: str = "text") -> list[str | None]:
    return [value for rows in batches for value in rows.columns[column]]


def refusal(source: FolderSource) -> str:
    with pytest.raises(SourceError) as caught:
        read(source)
    message = str(caught.value)
    assert str(source.path) in message
    assert message.endswith(".")
    return message


def by_id(batches: list[RawRows]) -> dict[str | None, dict[str, str | None]]:
    return {
        row_id: {name: column[at] for name, column in rows.columns.items()}
        for rows in batches
        for at, row_id in enumerate(rows.columns["id"])
    }


def test_a_tree_like_acl_imdb_is_read(tmp_path: Path) -> None:
    source = source_of(tmp_path, {
        "train/pos/0_9.txt": "good", "train/neg/0_2.txt": "bad\r\n", "test/pos/1_10.txt": "\ufeffvery good",
        "train/unsup/0_0.txt": "unknown", "train/urls_pos.txt": "http", "README": "hello", "imdb.vocab": "the",
    })  # fmt: skip
    assert source.column_names() == ("text", "label", "id", "split", "rating")
    assert by_id(read(source)) == {
        "train/pos/0_9": {"text": "good", "label": "pos", "id": "train/pos/0_9", "split": "train", "rating": "9"},
        "train/neg/0_2": {"text": "bad\r\n", "label": "neg", "id": "train/neg/0_2", "split": "train", "rating": "2"},
        "test/pos/1_10": {"text": "very good", "label": "pos", "id": "test/pos/1_10", "split": "test", "rating": "10"},
    }
    assert {place for rows in read(source) for place in rows.places} == {
        "train/pos/0_9.txt", "train/neg/0_2.txt", "test/pos/1_10.txt",
    }  # fmt: skip
    assert source.origin == str(tmp_path)
    assert source.sha256 == ""


def test_a_tree_without_splits_and_ratings_has_no_such_columns(tmp_path: Path) -> None:
    source = source_of(tmp_path, {"pos/a.txt": "good", "neg/b.txt": "bad"})
    assert source.column_names() == ("text", "label", "id")
    assert by_id(read(source)) == {
        "pos/a": {"text": "good", "label": "pos", "id": "pos/a"},
        "neg/b": {"text": "bad", "label": "neg", "id": "neg/b"},
    }


def test_the_columns_are_called_as_the_options_call_them(tmp_path: Path) -> None:
    source_of(tmp_path, {"train/pos/1_9.txt": "good"})
    columns = ColumnOptions(text="body", label="sentiment", id="key", split="part", rating="stars")
    source = FolderSource(tmp_path, columns, LIMITS)
    assert source.column_names() == ("body", "sentiment", "key", "part", "stars")
    assert values(read(source), "body") == ["good"]


@pytest.mark.parametrize("name", ["a_9.txt", "1_9_9.txt", "1-9.txt", "1_.txt", "1_९.txt"])
def test_only_a_number_and_a_number_make_a_rating(tmp_path: Path, name: str) -> None:
    source = source_of(tmp_path, {f"pos/{name}": "good", "pos/1_8.txt": "good"})
    assert sorted(values(read(source), "rating"), key=str) == ["8", None]


def test_the_order_is_that_of_a_hash_so_that_classes_are_mixed_and_stays_when_files_come(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        f"{label}/{number}.txt": "text" for label in ("pos", "neg") for number in range(200)
    }
    labels = values(read(source_of(tmp_path, files)), "label")
    assert 60 < sum(label == "pos" for label in labels[:200]) < 140
    before = values(read(source_of(tmp_path, {})), "id")
    after = values(read(source_of(tmp_path, {f"pos/new{number}.txt": "text" for number in range(100)})), "id")
    assert [row_id for row_id in after if row_id in set(before)] == before


def test_two_folders_with_the_same_files_have_the_same_order(tmp_path: Path) -> None:
    names = [f"{label}/{number}.txt" for label in ("pos", "neg") for number in range(20)]
    first = source_of(tmp_path / "a", dict.fromkeys(names, "text"))
    second = source_of(tmp_path / "b", dict.fromkeys(reversed(names), "text"))
    assert values(read(first), "id") == values(read(second), "id")


def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.txt").write_text("elsewhere")
    source = source_of(tmp_path / "reviews", {"pos/a.txt": "good"})
    (tmp_path / "reviews" / "pos" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "reviews" / "pos" / "gone.txt").symlink_to(tmp_path / "gone")
    (tmp_path / "reviews" / "neg").symlink_to(tmp_path / "elsewhere")
    assert values(read(source)) == ["good"]


def test_a_pipe_and_a_folder_with_the_ending_of_a_text_are_no_reviews(tmp_path: Path) -> None:
    source = source_of(tmp_path, {"pos/a.txt": "good"})
    os.mkfifo(tmp_path / "pos" / "pipe.txt")
    (tmp_path / "pos" / "folder.txt").mkdir()
    assert values(read(source)) == ["good"]


def test_a_file_that_is_not_utf_8_is_at_fault_and_no_other_one(tmp_path: Path) -> None:
    batches = read(source_of(tmp_path, {"pos/a.txt": "good", "pos/b.txt": b"caf\xe9"}))
    assert sorted(values(batches), key=str) == [None, "good"]
    assert [(rows.places[at], fault) for rows in batches for at, fault in rows.faults.items()] == [
        ("pos/b.txt", "the byte 0xE9 is not UTF-8")
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file")
def test_a_file_that_may_not_be_read_is_at_fault(tmp_path: Path) -> None:
    source = source_of(tmp_path, {"pos/a.txt": "good"})
    (tmp_path / "pos" / "a.txt").chmod(0)
    [rows] = read(source)
    assert rows.faults == {0: "it cannot be read (Permission denied)"}


def test_a_file_that_is_gone_when_its_turn_comes_is_at_fault(tmp_path: Path) -> None:
    source = source_of(tmp_path, {f"pos/{number}.txt": "good" for number in range(1001)})
    batches = source.batches(["text"])
    assert len(next(batches)) == 1000
    for path in (tmp_path / "pos").iterdir():
        path.unlink()
    assert next(batches).faults == {0: "it cannot be read (No such file or directory)"}


def test_a_name_that_is_no_text_is_shown_as_its_bytes(tmp_path: Path) -> None:
    source = source_of(tmp_path, {"pos/a.txt": "good"})
    (tmp_path / "pos" / "a.txt").rename(os.fsdecode(os.fsencode(tmp_path) + b"/pos/\xff.txt"))
    assert values(read(source), "id") == ["pos/\\xff"]


def test_a_file_of_50_megabytes_is_not_held_in_memory_beyond_the_bound(tmp_path: Path) -> None:
    [text] = values(read(source_of(tmp_path, {"pos/a.txt": b"x" * 50_000_000})))
    assert text is not None
    assert len(text) == LONGEST_FILE


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    source = source_of(tmp_path, {"positive/a.txt": "good", "train/good/a.txt": "good"})
    assert not has_classes(tmp_path)
    assert "no folders pos and neg" in refusal(source)


def test_classes_in_the_folder_and_below_it_are_refused(tmp_path: Path) -> None:
    message = refusal(source_of(tmp_path, {"pos/a.txt": "good", "train/pos/a.txt": "good"}))
    assert "has pos and train/pos" in message


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "No such file or directory" in refusal(FolderSource(tmp_path / "absent", ColumnOptions(), LIMITS))


def test_empty_classes_have_no_rows(tmp_path: Path) -> None:
    (tmp_path / "pos").mkdir()
    source = FolderSource(tmp_path, ColumnOptions(), LIMITS)
    assert source.column_names() == ("text", "label", "id")
    assert read(source) == []


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(30, 3, 1000), None),
        (Limits(30, 2, 1000), "data.max_rows"),
        (Limits(29, 3, 1000), "data.max_uncompressed_bytes"),
    ],
)
def test_the_bounds_hold_on_both_sides_before_a_file_is_read(tmp_path: Path, limits: Limits, said: str | None) -> None:
    source = source_of(tmp_path, {f"pos/{number}.txt": "x" * 10 for number in range(3)}, limits)
    if said is None:
        assert len(values(read(source, ["text"]))) == 3
    else:
        with pytest.raises(SourceError, match=said):
            source.column_names()
