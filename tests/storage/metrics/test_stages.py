from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from storage.metrics.stages import measured_stage

if TYPE_CHECKING:
    from tests.storage.conftest import Bench


def test_a_step_that_ends_well_is_noted_with_its_time_and_memory(bench: Bench) -> None:
    run_id = bench.start_run()
    started = time.monotonic()
    with measured_stage(bench.store, run_id, "ingest"):
        time.sleep(0.02)
    most = time.monotonic() - started

    (stage,) = bench.reader.run(run_id)["stages"]
    assert (stage["run_id"], stage["name"]) == (run_id, "ingest")
    assert 0.02 <= stage["seconds"] <= most
    # This process holds NumPy and Arrow: more than 10 MiB, and less than a terabyte, so the unit is bytes.
    assert 10 * 2**20 < stage["peak_memory_bytes"] < 2**40


def test_the_memory_of_a_step_that_another_process_did_is_that_processs(bench: Bench) -> None:
    run_id = bench.start_run()
    with measured_stage(bench.store, run_id, "train") as stage:
        stage.peak_memory_bytes = 17

    assert [found["peak_memory_bytes"] for found in bench.reader.run(run_id)["stages"]] == [17]


def test_the_time_that_is_told_of_another_step_is_not_told_twice(bench: Bench) -> None:
    run_id = bench.start_run()
    started = time.monotonic()
    with measured_stage(bench.store, run_id, "train") as stage:
        time.sleep(0.02)
        stage.elsewhere_seconds = 0.015
    most = time.monotonic() - started

    (found,) = bench.reader.run(run_id)["stages"]
    assert 0.005 <= found["seconds"] <= most - 0.015


def test_a_step_that_fails_is_not_noted(bench: Bench) -> None:
    run_id = bench.start_run()
    with pytest.raises(RuntimeError, match="no disk"), measured_stage(bench.store, run_id, "ingest"):
        raise RuntimeError("no disk")

    assert bench.reader.run(run_id)["stages"] == []
