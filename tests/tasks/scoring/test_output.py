from __future__ import annotations

import csv
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.errors import OptionError
from tasks.scoring.output import OUTPUT_ENDINGS, SCHEMA, check_output, complete_or_nothing

ROOT = Path(__file__).parents[3]
ROWS: list[dict[str, Any]] = [
    {"source": "s", "row": 1, "id": "a", "probability": 0.1, "label": 0, "champion": "r/m", "refused": None},
    {
        "source": "s",
        "row": 2,
        "id": None,
        "probability": None,
        "label": None,
        "champion": "r/m",
        "refused": 'it says "no",\nand more',
    },
    {"source": "s", "row": 3, "id": "ü, 😀", "probability": 1 / 3, "label": 1, "champion": "r/m", "refused": None},
]
TABLE = pa.Table.from_pylist(ROWS, SCHEMA)
every_ending = pytest.mark.parametrize("ending", OUTPUT_ENDINGS)


def read(path: Path) -> list[dict[str, Any]]:
    """What a program would read, with an empty field of a CSV file for what is missing."""
    if path.suffix == ".parquet":
        assert pq.read_schema(path).equals(SCHEMA)
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    kinds: dict[str, Any] = {"row": int, "probability": float, "label": int}
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {name: kinds.get(name, str)(value) if value else None for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: what a full disk is to whoever writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write(path: Path, *tables: pa.Table) -> None:
    with complete_or_nothing(path) as output:
        for table in tables:
            output.write(table)


def break_off(path: Path, error: BaseException) -> None:
    """Begin to write, and stop for this reason."""
    with complete_or_nothing(path) as output:
        output.write(TABLE)
        raise error


@every_ending
def test_rows_are_read_back_as_they_were_written(tmp_path: Path, ending: str) -> None:
    write(tmp_path / f"out{ending}", TABLE, TABLE.slice(0, 1))
    found = read(tmp_path / f"out{ending}")
    assert len(found) == 4
    for row, expected in zip(found, [*ROWS, ROWS[0]], strict=True):
        probability = expected["probability"]
        assert row.pop("probability") == (None if probability is None else pytest.approx(probability, abs=1e-7))
        assert row == {name: value for name, value in expected.items() if name != "probability"}


@every_ending
def test_without_rows_there_is_a_file_without_rows(tmp_path: Path, ending: str) -> None:
    write(tmp_path / f"out{ending}")
    assert read(tmp_path / f"out{ending}") == []


def test_text_has_the_shortest_number_that_is_the_probability(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).random(500, np.float32)
    table = TABLE.take([0] * len(numbers)).set_column(3, "probability", pa.array(numbers))
    for ending in (".csv", ".jsonl"):
        write(tmp_path / f"out{ending}", TABLE, table)
        found = [row["probability"] for row in read(tmp_path / f"out{ending}")]
        assert found[0] == 0.1
        assert np.array_equal(np.array(found[3:], np.float32), numbers)


@every_ending
def test_an_ending_may_be_in_capitals(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending.upper()}"
    check_output(path)
    write(path, TABLE)
    assert path.is_file()


# Complete, or not at all.


@every_ending
def test_while_rows_are_written_what_was_there_before_stays(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
    path.write_text("before")
    with complete_or_nothing(path) as output:
        output.write(TABLE)
        assert path.read_text() == "before"
    assert len(read(path)) == 3
    assert list(tmp_path.iterdir()) == [path]


@every_ending
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, OSError])
def test_what_is_raised_in_the_middle_leaves_everything_as_it_was(
    tmp_path: Path, ending: str, there: bool, error: type[BaseException]
) -> None:
    path = tmp_path / f"out{ending}"
    if there:
        path.write_text("before")
    with pytest.raises(error):
        break_off(path, error())
    assert [one.read_text() for one in tmp_path.iterdir()] == ["before"] * there


@every_ending
def test_killed_in_the_middle_nothing_stands_under_the_name(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
    code = (
        "import sys, pathlib, tests.tasks.scoring.test_output as test\n"
        "with test.complete_or_nothing(pathlib.Path(sys.argv[1])) as output:\n"
        "    output.write(test.TABLE)\n"
        "    print('written', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        child.kill()
        child.wait()
    assert child.returncode == -signal.SIGKILL
    assert not path.exists()


@every_ending
@pytest.mark.parametrize("size", [0, 100, 4096])
def test_a_disk_that_is_full_is_told_and_what_was_there_before_stays(tmp_path: Path, ending: str, size: int) -> None:
    path = tmp_path / f"out{ending}"
    path.write_text("before")
    rng = np.random.default_rng(1)
    # Nothing that could be packed into a few bytes.
    ids = pa.array([rng.bytes(20).hex() for _ in range(20_000)])
    big = pa.table({name: [None] * len(ids) for name in SCHEMA.names}, schema=SCHEMA).set_column(2, "id", ids)
    said = rf"the output {path} cannot be written: File too large\."
    with files_of_at_most(size), pytest.raises(OptionError, match=said):
        write(path, big)
    assert [one.read_text() for one in tmp_path.iterdir()] == ["before"]


@every_ending
def test_a_disk_that_is_full_only_in_the_end_is_told_too(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
    # The rows stay in a buffer, or are followed by what closes the file.
    with files_of_at_most(80), pytest.raises(OptionError, match="cannot be written"):
        write(path, TABLE)
    assert list(tmp_path.iterdir()) == []


# Mistakes that are told at once.


@pytest.mark.parametrize("name", ["out.txt", "out", "out.csv.gz", ".csv", "out.xlsx"])
def test_an_ending_that_is_not_known_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(OptionError, match=r"must end in \.parquet, \.csv, \.jsonl\."):
        check_output(tmp_path / name)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=f"the folder {tmp_path}/no of the output is not there: make it"):
        check_output(tmp_path / "no" / "out.csv")


def test_a_folder_at_the_place_of_the_output_is_told(tmp_path: Path) -> None:
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(OptionError, match="is there already, and is not a file"):
        check_output(tmp_path / "out.csv")


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"cannot be written: File name too long\."):
        check_output(tmp_path / f"{'x' * 300}.csv")


@pytest.mark.parametrize("allowed", [True, False])
def test_a_folder_that_cannot_be_written_to_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    # Whoever is root may write everywhere.
    monkeypatch.setattr(os, "access", lambda *_: allowed)
    if allowed:
        check_output(tmp_path / "out.csv")
    else:
        with pytest.raises(OptionError, match=f"the folder {tmp_path} of the output cannot be written to"):
            check_output(tmp_path / "out.csv")


def test_a_folder_that_nobody_can_write_to_is_told_when_the_file_is_made() -> None:
    with pytest.raises(OptionError, match=r"the output /proc/out\.csv cannot be written: "):
        write(Path("/proc/out.csv"))


def test_the_output_cannot_be_the_input_by_whatever_name(tmp_path: Path) -> None:
    source = tmp_path / "reviews.csv"
    source.write_text("text\ngood\n")
    (tmp_path / "link.csv").symlink_to(source)
    for name in ("reviews.csv", "link.csv"):
        with pytest.raises(OptionError, match=f"the output {tmp_path / name} is the file that is read: name another"):
            check_output(tmp_path / name, str(source))


@pytest.mark.parametrize("origin", ["", "elsewhere.csv", "sqlite:///reviews.db"])
def test_another_file_that_is_there_may_be_replaced(tmp_path: Path, origin: str) -> None:
    (tmp_path / "out.csv").write_text("before")
    (tmp_path / "elsewhere.csv").write_text("text\ngood\n")
    check_output(tmp_path / "out.csv", origin and str(tmp_path / origin))
