from __future__ import annotations

import numpy as np
import pyarrow as pa

from storage.sequences import Sequences
from storage.snapshots import Rows
from tasks.checks.places import source_files


def rows(ids: list[str | None], labels: list[int] | None = None) -> Rows:
    tokens = Sequences.from_lists([[1] * (index + 1) for index in range(len(ids))])
    return Rows(pa.array(ids, pa.string()), np.array(labels or [0] * len(ids), dtype=np.uint8), tokens)


def test_rows_of_all_splits_come_back_in_the_order_of_their_file() -> None:
    files = source_files({"train": rows(["a/10/x", "b/0/y", "a/2/z"], [1, 0, 0]), "validation": rows(["a/3/w"], [1])})
    assert list(files) == ["a", "b"]
    assert files["a"].places.tolist() == [2, 3, 10]  # as numbers, not as text
    assert files["a"].labels.tolist() == [0, 1, 1]
    assert files["a"].lengths.tolist() == [3, 1, 1]
    assert files["a"].are_of("train").tolist() == [True, False, True]
    assert files["a"].are_of("validation").tolist() == [False, True, False]


def test_a_source_may_have_slashes() -> None:
    assert list(source_files({"train": rows(["old/train/7/x"])})) == ["old/train"]


def test_odd_and_missing_ids_have_no_place() -> None:
    odd = [None, "", "a", "a/b/c", "a/-1/c", "/1/c", "a/1", "a/99999999999999999999/c", "a/1/c"]
    assert source_files({"train": rows(odd)})["a"].places.tolist() == [1]
    assert source_files({"train": rows(odd[:-1])}) == {}


def test_a_split_whose_parts_differ_in_size_is_left_out() -> None:
    good = rows(["a/0/x", "a/1/y"])
    assert source_files({"train": Rows(good.ids, good.labels[:1], good.tokens)}) == {}
