from __future__ import annotations

import gzip
import hashlib
import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.errors import SourceError
from tasks.sources.base import Limits, RawRows
from tasks.sources.json_lines import JsonLinesSource

LIMITS = Limits(bytes=2**30, rows=1_000_000, text_length=1000)
LONGEST_LINE = 12 * 1000 + 65_536


def source_of(
    folder: Path, content: str | bytes, limits: Limits = LIMITS, name: str = "reviews.jsonl"
) -> JsonLinesSource:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return JsonLinesSource(path, limits)


def read(source: JsonLinesSource, columns: Sequence[str] = ("text",)) -> list[RawRows]:
    return list(source.batches(columns))


def values(batches: list[RawRows], column: str = "text") -> list[str | None]:
    return [value for rows in batches for value in rows.columns[column]]


def faults(batches: list[RawRows]) -> dict[str, str]:
    return {rows.places[at]: fault for rows in batches for at, fault in rows.faults.items()}


def refusal(source: JsonLinesSource) -> str:
    with pytest.raises(SourceError) as caught:
        read(source, source.column_names())
    message = str(caught.value)
    assert str(source.path) in message
    assert "\n" not in message
    assert message.endswith(".")
    return message


# Good files.


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_small_file_is_read(tmp_path: Path, mark: str, end: str) -> None:
    source = source_of(tmp_path, mark + f'{{"text":"good","label":1}}{end}{end}{{"label":"neg", "text":"bad"}}')
    assert source.column_names() == ("text", "label")
    [rows] = read(source, ["label", "text"])
    assert rows.columns == {"label": ("1", "neg"), "text": ("good", "bad")}
    assert list(rows.places) == ["row 1 (line 1)", "row 2 (line 3)"]
    assert rows.faults == {}
    assert source.sha256 == hashlib.sha256(source.path.read_bytes()).hexdigest()
    assert source.origin == str(source.path)


def test_a_packed_file_is_unpacked(tmp_path: Path) -> None:
    assert values(read(source_of(tmp_path, gzip.compress(b'{"text":"good"}\n'), name="reviews.jsonl.gz"))) == ["good"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1", "1"),
        ("-1", "-1"),
        ("1.0", "1"),
        ("1e0", "1"),
        ("7.5", "7.5"),
        ("true", "true"),
        ("false", "false"),
        ("null", None),
        ('""', ""),
        ('"1.0"', "1.0"),
        ("1e300", "1e+300"),
        ('"caf\\u00e9\\n\\ud83d\\ude00"', "café\n😀"),
    ],
)
def test_plain_values_become_text(tmp_path: Path, value: str, text: str | None) -> None:
    assert values(read(source_of(tmp_path, f'{{"text": {value}}}\n'))) == [text]


def test_an_absent_key_is_a_missing_value(tmp_path: Path) -> None:
    assert values(read(source_of(tmp_path, '{"text":"good"}\n{"label":1}\n'))) == ["good", None]


@pytest.mark.parametrize(("before", "found"), [(99, True), (100, False)])
def test_the_columns_are_all_keys_of_the_first_hundred_objects(tmp_path: Path, before: int, found: bool) -> None:
    source = source_of(tmp_path, '{"text":"good"}\n' * before + '{"label":1}\n')
    assert source.column_names() == (("text", "label") if found else ("text",))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=20), st.booleans())
def test_what_the_json_module_writes_is_read_again(tmp_path: Path, texts: list[str], ascii_only: bool) -> None:
    content = "".join(json.dumps({"text": text}, ensure_ascii=ascii_only) + "\n" for text in texts)
    batches = read(source_of(tmp_path, content))
    assert values(batches) == texts
    assert faults(batches) == {}


# Rows at fault.


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("good,1", "it is not JSON (Expecting value"),
        ('{"text":"good"', "it is not JSON (Expecting ',' delimiter"),
        ('{"text":"good"} {"text":"bad"}', "it is not JSON (Extra data"),
        ('"good"', "it is not a JSON object"),
        ('["good"]', "it is not a JSON object"),
        ("1", "it is not a JSON object"),
        ('{"text":["good"]}', "'text' is not a text but a list"),
        ('{"text":{"body":"good"}}', "'text' is not a text but an object"),
        ('{"text":"good","text":"bad"}', "the key 'text' is there twice"),
        ('{"label":1,"more":{"a":1,"a":2}}', "the key 'a' is there twice"),
        ('{"text":NaN}', "it is not JSON, which has no NaN"),
        ('{"text":-Infinity}', "it is not JSON, which has no -Infinity"),
        ("[" * 10_000, "it is not JSON (maximum recursion"),
        ("9" * 5000, "it is not JSON (Exceeds the limit"),
        ("\0", "it holds a NUL character"),
    ],
)
def test_a_line_that_is_no_object_of_plain_values_is_at_fault_and_no_other_one(
    tmp_path: Path, line: str, fault: str
) -> None:
    batches = read(source_of(tmp_path, f'{{"text":"first"}}\n{line}\n{{"text":"last"}}\n'))
    assert values(batches) == ["first", None, "last"]
    assert list(faults(batches)) == ["row 2 (line 2)"]
    assert faults(batches)["row 2 (line 2)"].startswith(fault)


def test_a_nested_value_in_a_column_that_is_not_read_is_no_fault(tmp_path: Path) -> None:
    assert values(read(source_of(tmp_path, '{"text":"good","tags":["a"]}\n'))) == ["good"]


def test_a_byte_that_is_not_utf_8_is_named_with_its_row(tmp_path: Path) -> None:
    batches = read(source_of(tmp_path, b'{"text":"first"}\n{"text":"caf\xe9"}\n{"text":"caf\xc3\xa9"}\n'))
    assert values(batches) == ["first", None, "café"]
    assert faults(batches) == {"row 2 (line 2)": "the byte 0xE9 is not UTF-8"}


@pytest.mark.parametrize(("length", "at_fault"), [(LONGEST_LINE, False), (LONGEST_LINE + 1, True)])
def test_the_bound_on_a_line_holds_on_both_sides(tmp_path: Path, length: int, at_fault: bool) -> None:
    text = "x" * (length - len('{"text":""}\n'))
    batches = read(source_of(tmp_path, f'{{"text":"{text}"}}\n{{"text":"last"}}\n'))
    assert values(batches) == [None if at_fault else text, "last"]


def test_a_text_of_the_longest_length_is_read_however_it_is_escaped(tmp_path: Path) -> None:
    text = "😀" * LIMITS.text_length
    assert values(read(source_of(tmp_path, json.dumps({"text": text}) + "\n"))) == [text]


def test_a_line_of_50_megabytes_is_at_fault_and_is_not_held_in_memory(tmp_path: Path) -> None:
    source = source_of(tmp_path, b'{"text":"first"}\n{"text":"' + b"x" * 50_000_000 + b'"}\n{"text":"last"}\n')
    tracemalloc.start()
    batches = read(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert values(batches) == ["first", None, "last"]
    assert faults(batches) == {"row 2 (line 2)": f"it is longer than {LONGEST_LINE:,} characters"}
    assert peak < 3_000_000


def test_a_truncated_last_line_is_at_fault(tmp_path: Path) -> None:
    assert values(read(source_of(tmp_path, '{"text":"good"}\n{"text":"cut o'))) == ["good", None]


# Files that cannot be read.


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "there is no file" in refusal(JsonLinesSource(tmp_path / "absent.jsonl", LIMITS))


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file_has_no_columns(tmp_path: Path, content: str) -> None:
    assert "is empty" in refusal(source_of(tmp_path, content))


@pytest.mark.parametrize("content", ["text,label\ngood,1\n", '[\n{"text":"good"},\n', "PK\x03\x04"])
def test_a_file_without_an_object_in_its_first_lines_is_refused(tmp_path: Path, content: str) -> None:
    source = source_of(tmp_path, content)
    assert "does not begin with a JSON object in each line: row 1 (line 1)" in refusal(source)


def test_utf_16_is_named(tmp_path: Path) -> None:
    assert "UTF-16" in refusal(source_of(tmp_path, '{"text":"good"}\n'.encode("utf-16")))


def test_an_empty_key_is_no_name_of_a_column(tmp_path: Path) -> None:
    assert "has no name" in refusal(source_of(tmp_path, '{"":"good"}\n'))


@pytest.mark.parametrize(("limit", "enough"), [(3, True), (2, False)])
def test_the_bound_on_rows_holds_on_both_sides(tmp_path: Path, limit: int, enough: bool) -> None:
    source = source_of(tmp_path, '{"text":"good"}\n' * 3, Limits(2**30, limit, 1000))
    if enough:
        assert len(values(read(source))) == 3
    else:
        assert "data.max_rows" in refusal(source)


def test_a_small_file_that_unpacks_to_much_is_given_up_at_the_bound(tmp_path: Path) -> None:
    bomb = gzip.compress(b'{"text":"good"}\n' * 1_000_000)
    assert len(bomb) < 100_000
    source = source_of(tmp_path, bomb, Limits(1_000_000, 10**7, 1000), "reviews.ndjson.gz")
    assert "data.max_uncompressed_bytes" in refusal(source)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    with path.open("w") as file:
        for number in range(20_000):
            file.write(json.dumps({"text": f"{number} {'a long review ' * 70}"}) + "\n")
    tracemalloc.start()
    assert sum(len(rows) for rows in JsonLinesSource(path, LIMITS).batches(["text"])) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000 < path.stat().st_size
