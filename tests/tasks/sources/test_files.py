from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.errors import SourceError
from storage.options import ColumnOptions, DataOptions
from tasks.sources.base import Limits, TextSource
from tasks.sources.contents import read_labelled
from tasks.sources.delimited import DelimitedSource
from tasks.sources.files import TEXT_ENDINGS, open_path
from tasks.sources.folder import FolderSource
from tasks.sources.json_lines import JsonLinesSource
from tasks.sources.parquet import ParquetSource

LIMITS = Limits(bytes=2**30, rows=1_000_000, text_length=1000)
REVIEWS = {"a": ("good, really", "pos"), "b": ('bad\n"news"', "neg"), "c": ("café 😀", "pos")}


def opened(path: Path) -> TextSource:
    return open_path(path, ColumnOptions(), LIMITS)


def refusal(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        opened(path)
    message = str(caught.value)
    assert str(path) in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("reviews.csv", DelimitedSource),
        ("reviews.tsv", DelimitedSource),
        ("REVIEWS.CSV", DelimitedSource),
        ("week.47.csv", DelimitedSource),
        ("reviews.csv.gz", DelimitedSource),
        ("reviews.jsonl", JsonLinesSource),
        ("reviews.ndjson", JsonLinesSource),
        ("reviews.jsonl.gz", JsonLinesSource),
        ("reviews.parquet", ParquetSource),
    ],
)
def test_the_ending_of_a_file_names_its_reader(tmp_path: Path, name: str, kind: type) -> None:
    (tmp_path / name).touch()
    assert isinstance(opened(tmp_path / name), kind)


def test_fields_are_separated_as_the_ending_says(tmp_path: Path) -> None:
    for name, delimiter in {"r.csv": ",", "r.tsv": "\t", "r.tsv.gz": "\t"}.items():
        (tmp_path / name).touch()
        source = opened(tmp_path / name)
        assert isinstance(source, DelimitedSource)
        assert source.delimiter == delimiter


@pytest.mark.parametrize("folder", ["pos", "neg", "train/pos", "test/neg"])
def test_a_folder_with_classes_is_a_source(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    assert isinstance(opened(tmp_path), FolderSource)


@pytest.mark.parametrize("folder", [".", "positive", "train", "a/b/pos"])
def test_a_folder_without_classes_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    assert "has no folders pos and neg" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["reviews.csv", "reviews.parquet"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    assert "there is no file" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["reviews", "reviews.xlsx", "reviews.json", "reviews.gz", "r.parquet.gz", "r.csv.zip", ".csv"]
)
def test_an_unknown_ending_is_refused_with_those_that_are_known(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    message = refusal(tmp_path / name)
    assert all(ending in message for ending in TEXT_ENDINGS)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "reviews.csv")
    assert "is not a file" in refusal(tmp_path / "reviews.csv")


def write_csv(path: Path) -> Path:
    with (path / "reviews.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "text", "label"), *((key, *row) for key, row in REVIEWS.items())])
    return path / "reviews.csv"


def write_json_lines(path: Path) -> Path:
    lines = [json.dumps({"id": key, "text": text, "label": label}) for key, (text, label) in REVIEWS.items()]
    (path / "reviews.jsonl").write_text("\n".join(lines))
    return path / "reviews.jsonl"


def write_parquet(path: Path) -> Path:
    columns = {"id": list(REVIEWS), "text": [row[0] for row in REVIEWS.values()]}
    pq.write_table(pa.table({**columns, "label": [row[1] for row in REVIEWS.values()]}), path / "reviews.parquet")
    return path / "reviews.parquet"


def write_folder(path: Path) -> Path:
    for key, (text, label) in REVIEWS.items():
        (path / label).mkdir(exist_ok=True)
        (path / label / f"{key}.txt").write_text(text)
    return path


@pytest.mark.parametrize("write", [write_csv, write_json_lines, write_parquet, write_folder])
def test_the_same_reviews_are_read_from_every_kind_of_file(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    found = {}
    for rows in read_labelled(opened(write(tmp_path)), ColumnOptions(), DataOptions()):
        assert rows.refusals == ()
        assert rows.labels is not None
        assert rows.ids is not None
        for row_id, text, label in zip(rows.ids, rows.texts.to_pylist(), rows.labels, strict=True):
            assert row_id is not None
            found[row_id.split("/")[-1]] = (text, "pos" if label else "neg")
    assert found == REVIEWS
