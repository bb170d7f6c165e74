from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.errors import SourceError
from tasks.sources.base import Limits, RawRows
from tasks.sources.parquet import ParquetSource

LIMITS = Limits(bytes=2**30, rows=1_000_000, text_length=1000)


def source_of(
    folder: Path, limits: Limits = LIMITS, /, *, writing: dict[str, Any] | None = None, **columns: Any
) -> ParquetSource:
    path = folder / "reviews.parquet"
    pq.write_table(pa.table(columns), path, **(writing or {}))
    return ParquetSource(path, limits)


def read(source: ParquetSource, columns: Sequence[str] = ("text",)) -> list[RawRows]:
    return list(source.batches(columns))


def values(batches: list[RawRows], column: str = "text") -> list[str | None]:
    return [value for rows in batches for value in rows.columns[column]]


def refusal(source: ParquetSource) -> str:
    with pytest.raises(SourceError) as caught:
        read(source, source.column_names())
    message = str(caught.value)
    assert str(source.path) in message
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_a_small_file_is_read(tmp_path: Path) -> None:
    source = source_of(tmp_path, label=[1, 0, None], text=["good", None, 'bad\n, "really"'])
    assert source.column_names() == ("label", "text")
    [rows] = read(source, ["text", "label"])
    assert rows.columns == {"text": ("good", None, 'bad\n, "really"'), "label": ("1", "0", None)}
    assert list(rows.places) == ["row 1", "row 2", "row 3"]
    assert source.sha256 == hashlib.sha256(source.path.read_bytes()).hexdigest()
    assert source.origin == str(source.path)


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array(["a", None], pa.string()), ["a", None]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array([1, None], pa.int8()), ["1", None]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array([1.0, 7.5, float("nan"), float("inf"), -0.0], pa.float64()), ["1", "7.5", None, "inf", "0"]),
        (pa.array([1.0, 0.0], pa.float32()), ["1", "0"]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([None, None], pa.null()), [None, None]),
    ],
)
def test_strings_and_numbers_become_text(tmp_path: Path, array: Any, texts: list[str | None]) -> None:
    assert values(read(source_of(tmp_path, text=array))) == texts


@pytest.mark.parametrize(
    ("array", "name"),
    [
        (pa.array([["a"]]), "list"),
        (pa.array([{"a": 1}]), "struct"),
        (pa.array([b"a"]), "binary"),
        (pa.array([date(2026, 1, 1)]), "date32"),
        (pa.array([Decimal("1.0")]), "decimal128"),
    ],
)
def test_a_column_of_another_type_is_named_with_its_type(tmp_path: Path, array: Any, name: str) -> None:
    message = refusal(source_of(tmp_path, text=array))
    assert "the column 'text' is of the type" in message
    assert name in message


def test_a_column_that_is_not_read_may_be_of_any_type(tmp_path: Path) -> None:
    assert values(read(source_of(tmp_path, text=["good"], tags=[["a"]]))) == ["good"]


@pytest.mark.parametrize(("count", "sizes"), [(999, [999]), (1000, [1000]), (2001, [1000, 1000, 1])])
def test_rows_come_in_batches_of_a_thousand_whatever_the_row_groups_are(
    tmp_path: Path, count: int, sizes: list[int]
) -> None:
    texts = [str(number) for number in range(count)]
    batches = read(source_of(tmp_path, text=texts, writing={"row_group_size": 300}))
    assert [len(rows) for rows in batches] == sizes
    assert values(batches) == texts


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=20), st.booleans())
def test_what_was_written_is_read_again(tmp_path: Path, texts: list[str | None], dictionary: bool) -> None:
    source = source_of(tmp_path, text=pa.array(texts, pa.string()), writing={"use_dictionary": dictionary})
    assert values(read(source)) == texts


def test_bytes_that_are_not_utf_8_are_a_fault_of_their_row(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 3, pa.array([b"a", b"caf\xe9", b"b"]).buffers())
    [rows] = read(source_of(tmp_path, text=broken))
    assert list(rows.columns["text"]) == ["a", None, "b"]
    assert rows.faults == {1: "the byte 0xE9 is not UTF-8"}


# Files that cannot be read.


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "there is no file" in refusal(ParquetSource(tmp_path / "absent.parquet", LIMITS))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b"text,label\ngood,1\n" * 100])
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "reviews.parquet"
    path.write_bytes(content)
    assert "not a complete .parquet file" in refusal(ParquetSource(path, LIMITS))


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99, 0.9999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    source = source_of(tmp_path, text=[f"review {number}" for number in range(1000)])
    content = source.path.read_bytes()
    source.path.write_bytes(content[: int(len(content) * share)])
    assert "not a complete .parquet file" in refusal(source)


def test_a_changed_byte_anywhere_raises_nothing_but_a_source_error(tmp_path: Path) -> None:
    source = source_of(tmp_path, text=["good", "bad", "café"] * 10, label=[0, 1, 1] * 10)
    content = source.path.read_bytes()
    refused = 0
    for position in range(0, len(content), 5):
        changed = bytearray(content)
        changed[position] ^= 0xFF
        source.path.write_bytes(changed)
        try:
            names = source.column_names()
            if {"text", "label"} <= set(names):
                read(source, ["text", "label"])
        except SourceError:
            refused += 1
    assert refused > len(content) / 5 / 4


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), path)
    assert "two columns named 'text'" in refusal(ParquetSource(path, LIMITS))


@pytest.mark.parametrize(("limit", "enough"), [(3, True), (2, False)])
def test_the_bound_on_rows_holds_on_both_sides(tmp_path: Path, limit: int, enough: bool) -> None:
    source = source_of(tmp_path, Limits(2**30, limit, 1000), text=["good"] * 3)
    if enough:
        assert len(values(read(source))) == 3
    else:
        assert "data.max_rows" in refusal(source)


@pytest.mark.parametrize("room", [0, -1])
def test_the_bound_on_the_unpacked_size_holds_on_both_sides(tmp_path: Path, room: int) -> None:
    texts = [f"{number:<1000}" for number in range(100)]
    path = source_of(tmp_path, text=texts, writing={"use_dictionary": False}).path
    with pq.ParquetFile(path) as file:
        size = file.metadata.row_group(0).total_byte_size
    assert path.stat().st_size < size / 10
    source = ParquetSource(path, Limits(size + room, 10**6, 1000))
    if room < 0:
        assert "data.max_uncompressed_bytes" in refusal(source)
    else:
        assert values(read(source)) == texts


@pytest.mark.parametrize("length", [900_000, 2_000_000])
def test_a_small_file_that_repeats_a_long_text_is_given_up_at_the_bound(tmp_path: Path, length: int) -> None:
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * length]))
    source = source_of(tmp_path, Limits(50_000_000, 10**6, 1000), text=text.cast(text.type))
    assert source.path.stat().st_size < 200_000
    before = pa.default_memory_pool().max_memory()
    tracemalloc.start()
    assert "data.max_uncompressed_bytes" in refusal(source)
    assert tracemalloc.get_traced_memory()[1] < 60_000_000
    tracemalloc.stop()
    assert pa.default_memory_pool().max_memory() - before < 1_000_000_000


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    source = source_of(tmp_path, text=[f"{number} {'a long review ' * 70}" for number in range(40_000)])
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    peaks = []
    tracemalloc.start()
    for rows in source.batches(["text"]):
        assert len(rows) == 1000
        peaks.append(pool.bytes_allocated() - before)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000
    assert max(peaks) < 20_000_000
