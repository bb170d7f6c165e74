from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.spool import Spool, StringSpool, parquet_batches


def test_values_come_back_in_the_order_in_which_they_went_in(tmp_path: Path) -> None:
    spool = Spool(np.float32, tmp_path)
    for values in ([[1.5, 2], [3, 4]], [[5, 6]]):
        spool.add(np.array(values).T)

    found = spool.finish()

    assert found.dtype == np.dtype(np.float32)
    assert found.tolist() == [1.5, 3, 2, 4, 5, 6]


def test_values_are_not_to_be_written_to_and_leave_no_file(tmp_path: Path) -> None:
    spool = Spool(np.int32, tmp_path)
    spool.add(np.arange(3))
    assert list(tmp_path.iterdir()) == []

    with pytest.raises(ValueError, match="read-only"):
        spool.finish()[0] = 1

    assert list(tmp_path.iterdir()) == []


def test_without_values_there_is_an_empty_array() -> None:
    spool = Spool(np.int32)
    spool.add(np.empty(0, np.int32))

    assert spool.finish().tolist() == []


def test_a_spool_that_is_given_up_closes_its_file() -> None:
    # An open file would be a warning, and warnings are errors.
    Spool(np.int32).add(np.arange(3))
    gc.collect()


def test_strings_come_back_with_the_missing_ones_missing(tmp_path: Path) -> None:
    pieces = [pa.array(["left out", "é", None, "", "left out"]).slice(1, 3), pa.array([], pa.string()), pa.array(["z"])]
    spool = StringSpool(tmp_path)
    for piece in pieces:
        spool.add(piece)

    found = spool.finish()

    assert found.type == pa.string()
    assert found.to_pylist() == ["é", None, "", "z"]
    assert found.null_count == 1
    assert found.slice(2).to_pylist() == ["", "z"]


def test_without_strings_there_is_an_empty_array() -> None:
    assert StringSpool().finish().to_pylist() == []


def test_more_strings_than_two_gibibytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spool = StringSpool()
    monkeypatch.setattr(spool, "_num_bytes", 2**31 - 2)
    spool.add(pa.array(["a"]))

    with pytest.raises(pa.ArrowInvalid):
        spool.add(pa.array(["b"]))


def test_a_file_of_one_large_row_group_comes_in_batches(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": np.arange(10_000), "b": np.arange(10_000)}), path)

    batches = list(parquet_batches(path, ["a"]))

    assert pq.read_metadata(path).num_row_groups == 1
    assert max(batch.num_rows for batch in batches) < 5_000
    assert batches[0].schema.names == ["a"]
    assert np.concatenate([batch["a"].to_numpy() for batch in batches]).tolist() == list(range(10_000))
