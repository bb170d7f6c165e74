from __future__ import annotations

import csv
import gzip
import hashlib
import io
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.errors import SourceError
from tasks.sources.base import Limits, RawRows
from tasks.sources.delimited import DelimitedSource

LIMITS = Limits(bytes=2**30, rows=1_000_000, text_length=1000)
LONGEST_ROW = 2 * 1000 + 65_536
HEADER = "text,label\n"


def source_of(
    folder: Path, content: str | bytes, limits: Limits = LIMITS, name: str = "reviews.csv"
) -> DelimitedSource:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return DelimitedSource(path, limits, "\t" if ".tsv" in name else ",")


def read(source: DelimitedSource, columns: Sequence[str] = ("text", "label")) -> list[RawRows]:
    return list(source.batches(columns))


def values(batches: list[RawRows], column: str = "text") -> list[str | None]:
    return [value for rows in batches for value in rows.columns[column]]


def faults(batches: list[RawRows]) -> dict[str, str]:
    return {rows.places[at]: fault for rows in batches for at, fault in rows.faults.items()}


def refusal(source: DelimitedSource) -> str:
    with pytest.raises(SourceError) as caught:
        read(source, source.column_names())
    message = str(caught.value)
    assert str(source.path) in message
    assert "\n" not in message
    assert message.endswith(".")
    return message


# Good files.


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False], ids=["with a last line end", "without a last line end"])
def test_a_small_file_is_read_with_any_line_end_and_with_or_without_a_byte_order_mark(
    tmp_path: Path, end: str, mark: str, last: bool
) -> None:
    source = source_of(tmp_path, mark + end.join(["text,label", "good,1", '"bad, really",0']) + last * end)
    assert source.column_names() == ("text", "label")
    [rows] = read(source)
    assert rows.columns == {"text": ("good", "bad, really"), "label": ("1", "0")}
    assert list(rows.places) == ["row 1 (line 2)", "row 2 (line 3)"]
    assert rows.faults == {}
    assert source.origin == str(source.path)
    assert source.sha256 == hashlib.sha256(source.path.read_bytes()).hexdigest()


def test_only_the_columns_asked_for_are_handed_over(tmp_path: Path) -> None:
    [rows] = read(source_of(tmp_path, "a,label,text\nx,1,good\n"), ["text"])
    assert rows.columns == {"text": ("good",)}


def test_tabs_separate_the_fields_of_a_tsv_file(tmp_path: Path) -> None:
    source = source_of(tmp_path, "text\tlabel\ngood, really\t1\n", name="reviews.tsv")
    assert values(read(source)) == ["good, really"]


def test_a_packed_file_is_unpacked(tmp_path: Path) -> None:
    source = source_of(tmp_path, gzip.compress(b"text,label\ngood,1\n"), name="reviews.csv.gz")
    assert values(read(source)) == ["good"]


def test_line_ends_commas_and_quotation_marks_in_a_quoted_field_are_part_of_the_text(tmp_path: Path) -> None:
    rows = read(source_of(tmp_path, HEADER + '"one\r\ntwo\n\n""three"", four",1\nnext,0\n'))
    assert values(rows) == ['one\r\ntwo\n\n"three", four', "next"]
    assert [place for batch in rows for place in batch.places] == ["row 1 (line 2)", "row 2 (line 6)"]


@pytest.mark.parametrize("text", ["NA", "null", "nan", "None", " padded ", "#comment", "\\N"])
def test_a_text_is_taken_as_it_stands(tmp_path: Path, text: str) -> None:
    assert values(read(source_of(tmp_path, f"{HEADER}{text},1\n"))) == [text]


def test_empty_lines_are_no_rows(tmp_path: Path) -> None:
    rows = read(source_of(tmp_path, f"{HEADER}\ngood,1\n\n\nbad,0\n\n"))
    assert values(rows) == ["good", "bad"]
    assert [place for batch in rows for place in batch.places] == ["row 1 (line 3)", "row 2 (line 6)"]


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    assert read(source_of(tmp_path, HEADER)) == []


@pytest.mark.parametrize(("count", "sizes"), [(999, [999]), (1000, [1000]), (1001, [1000, 1])])
def test_rows_come_in_batches_of_a_thousand(tmp_path: Path, count: int, sizes: list[int]) -> None:
    assert [len(rows) for rows in read(source_of(tmp_path, HEADER + "good,1\n" * count))] == sizes


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
            st.sampled_from(["0", "1", ""]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_what_the_csv_module_writes_is_read_again(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *rows])
    batches = read(source_of(tmp_path, stream.getvalue()))
    assert list(zip(values(batches), values(batches, "label"), strict=True)) == rows
    assert faults(batches) == {}


# Rows at fault.


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("good", "1 field, the header has 2"),
        ("good,1,", "3 fields, the header has 2"),
        ("well, good,1", "3 fields, the header has 2"),
        ("a\0b,1", "it holds a NUL character"),
    ],
)
def test_a_row_that_does_not_fit_the_header_is_at_fault_and_no_other_one(tmp_path: Path, row: str, fault: str) -> None:
    batches = read(source_of(tmp_path, f"{HEADER}first,1\n{row}\nlast,0\n"))
    assert values(batches) == ["first", None, "last"]
    assert faults(batches) == {"row 2 (line 3)": fault}


def test_every_row_of_a_file_with_one_column_too_many_is_at_fault(tmp_path: Path) -> None:
    batches = read(source_of(tmp_path, HEADER + "0,good,1\n" * 10))
    assert len(faults(batches)) == 10


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_a_byte_that_is_not_utf_8_is_named_with_its_row(tmp_path: Path, encoding: str) -> None:
    content = HEADER.encode() + b"first,1\n" + "caf\xe9,1\n".encode(encoding) + "caf\xe9,0\n".encode()
    batches = read(source_of(tmp_path, content))
    assert values(batches) == ["first", None, "caf\xe9"]
    assert faults(batches) == {"row 2 (line 3)": "the byte 0xE9 is not UTF-8"}


def test_a_text_of_the_longest_length_is_read_even_if_it_is_all_quotation_marks(tmp_path: Path) -> None:
    text = '"' * LIMITS.text_length
    assert values(read(source_of(tmp_path, f'{HEADER}"{text * 2}",1\n'))) == [text]


@pytest.mark.parametrize(("length", "at_fault"), [(LONGEST_ROW, False), (LONGEST_ROW + 1, True)])
def test_the_bound_on_a_row_holds_on_both_sides(tmp_path: Path, length: int, at_fault: bool) -> None:
    text = "x" * (length - len(",1\n"))
    batches = read(source_of(tmp_path, f"{HEADER}{text},1\nlast,0\n"))
    assert values(batches) == [None if at_fault else text, "last"]


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize(
    "line", ["x" * 1000 + "\n", 'a ""quoted"" word ' * 60 + "\n"], ids=["lines", "quotation marks"]
)
def test_a_field_of_50_megabytes_is_at_fault_and_is_not_held_in_memory(tmp_path: Path, quoted: bool, line: str) -> None:
    long = (line if quoted else line.replace("\n", " ").replace('"', "")) * (50_000_000 // len(line))
    source = source_of(tmp_path, f'{HEADER}first,1\n"{long}",1\nlast,0\n' if quoted else f"{HEADER}{long},1\nlast,0\n")
    del long
    tracemalloc.start()
    batches = read(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert values(batches)[-2:] == [None, "last"]
    assert list(faults(batches).values()) == [f"it is longer than {LONGEST_ROW:,} characters"]
    assert peak < 3_000_000


def test_many_short_fields_in_one_row_are_bounded_too(tmp_path: Path) -> None:
    batches = read(source_of(tmp_path, f"{HEADER}{',' * 10_000_000}\nlast,0\n"))
    assert values(batches) == [None, "last"]


# Files that cannot be read.


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "there is no file" in refusal(DelimitedSource(tmp_path / "absent.csv", LIMITS))


@pytest.mark.parametrize("content", ["", "\ufeff"], ids=["no byte", "only a byte order mark"])
def test_an_empty_file_has_no_header(tmp_path: Path, content: str) -> None:
    assert "is empty" in refusal(source_of(tmp_path, content))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("text,label,text", "two columns named 'text'"),
        ("text,,label", "column 2 has no name"),
        ("text,label,", "column 3 has no name"),
        ("text, ,label", "column 2 has no name"),
        ('text,"label', "ends inside a quoted field, which begins in the header"),
        ("te\0xt,label", "NUL"),
        ("x" * 100_000, "longer than"),
    ],
)
def test_a_header_must_name_each_column_differently(tmp_path: Path, header: str, said: str) -> None:
    assert said in refusal(source_of(tmp_path, f"{header}\n"))


def test_a_header_is_exact(tmp_path: Path) -> None:
    assert source_of(tmp_path, "Text, label\n").column_names() == ("Text", " label")


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-16", "UTF-16"), ("utf-16-le", "NUL"), ("utf-16-be", "NUL"), ("utf-32", "UTF-16"), ("utf-32-be", "NUL")],
)
def test_another_unicode_is_named(tmp_path: Path, encoding: str, said: str) -> None:
    message = refusal(source_of(tmp_path, f"{HEADER}good,1\n".encode(encoding)))
    assert said in message
    assert "expected" in message


@pytest.mark.parametrize("start", [b"PK\x03\x04\xff\xff\n", b"PAR1\x80\x81\n", b"\x89PNG\r\n\x1a\n\0"])
def test_something_that_is_no_text_has_no_header(tmp_path: Path, start: bytes) -> None:
    assert "not a header" in refusal(source_of(tmp_path, start * 10))


def test_a_file_that_ends_inside_a_quoted_field_names_the_row_where_it_began(tmp_path: Path) -> None:
    message = refusal(source_of(tmp_path, f'{HEADER}first,1\n"second\nand more,1\nthird,0\n'))
    assert "ends inside a quoted field, which begins in row 2 (line 3)" in message


def test_a_quotation_mark_that_is_never_closed_is_found_after_the_longest_row_too(tmp_path: Path) -> None:
    message = refusal(source_of(tmp_path, f'{HEADER}first,1\n"second,1\n' + "third,0\n" * 50_000))
    assert "ends inside a quoted field, which begins in row 2 (line 3)" in message


@pytest.mark.parametrize("row", ['"he said "hi" to me",1', '"second,1\n"third",0', '"a" ,1'])
def test_a_quotation_mark_in_the_wrong_place_ends_the_file(tmp_path: Path, row: str) -> None:
    message = refusal(source_of(tmp_path, f"{HEADER}first,1\n{row}\nlast,0\n"))
    assert "row 2 (line 3) has a quotation mark in the wrong place" in message


@pytest.mark.parametrize(("limit", "enough"), [(3, True), (2, False)])
def test_the_bound_on_rows_holds_on_both_sides(tmp_path: Path, limit: int, enough: bool) -> None:
    source = source_of(tmp_path, HEADER + "good,1\n" * 3, Limits(2**30, limit, 1000))
    if enough:
        assert len(values(read(source))) == 3
    else:
        assert "data.max_rows" in refusal(source)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("room", [0, -1])
def test_the_bound_on_the_unpacked_size_holds_on_both_sides(tmp_path: Path, packed: bool, room: int) -> None:
    content = (HEADER + "good,1\n" * 10_000).encode()
    name, stored = ("reviews.csv.gz", gzip.compress(content)) if packed else ("reviews.csv", content)
    source = source_of(tmp_path, stored, Limits(len(content) + room, 10**6, 1000), name)
    if room < 0:
        assert "data.max_uncompressed_bytes" in refusal(source)
    else:
        assert len(values(read(source))) == 10_000


def test_a_small_file_that_unpacks_to_much_is_given_up_at_the_bound(tmp_path: Path) -> None:
    bomb = gzip.compress(HEADER.encode() + b"x" * 100_000_000)
    assert len(bomb) < 200_000
    source = source_of(tmp_path, bomb, Limits(10_000_000, 10**6, 1000), "reviews.csv.gz")
    tracemalloc.start()
    assert "data.max_uncompressed_bytes" in refusal(source)
    assert tracemalloc.get_traced_memory()[1] < 3_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_truncated_packed_file_is_refused(tmp_path: Path, share: float) -> None:
    content = gzip.compress(HEADER.encode() + b"".join(b"review %d,1\n" % number for number in range(10_000)))
    source = source_of(tmp_path, content[: int(len(content) * share)], name="reviews.csv.gz")
    assert "truncated" in refusal(source)


def test_a_packed_file_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(source_of(tmp_path, HEADER, name="reviews.csv.gz"))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    with path.open("w") as file:
        file.write(HEADER)
        for number in range(40_000):
            file.write(f"{number} {'a long review ' * 70},1\n")
    assert path.stat().st_size > 35_000_000
    tracemalloc.start()
    assert sum(len(rows) for rows in DelimitedSource(path, LIMITS).batches(["text", "label"])) == 40_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000
