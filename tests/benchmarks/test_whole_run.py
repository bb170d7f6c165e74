from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click import ClickException
from click.testing import CliRunner

from benchmarks.figures import Figure, markdown, read_figures
from benchmarks.whole_run import account_of, figures_of, is_inside, main, run_in
from storage.metrics.store import MetricsStore
from storage.records import MODEL_NAMES, Stage
from tests.storage.conftest import Bench

STAGES = {
    "ingest": 2.0,
    "validate": 3.0,
    "probe": 5.0,
    "train advanced_bilstm_features": 150.0,
    "predict advanced_bilstm_features": 30.0,
    "evaluate advanced_bilstm_features": 6.0,
}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A store in the home that the environment names."""
    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path))
    monkeypatch.delenv("RETRAIN_DATABASE_URL", raising=False)
    return Bench(MetricsStore(f"sqlite:///{tmp_path}/metrics.db"))


def finished(bench: Bench) -> str:
    run_id = bench.start_run()
    bench.snapshot(run_id)
    for number, (name, seconds) in enumerate(STAGES.items(), 1):
        bench.store.record_stage(run_id, Stage(name, seconds, number * 10**8))
    bench.store.finish_run(run_id, "completed", "nothing promoted", 200.0)
    return run_id


def test_only_training_prediction_and_the_probe_are_inside() -> None:
    inside = [f"{step} {model}" for step in ("train", "predict", "predict again") for model in MODEL_NAMES]

    assert [name for name in (*inside, *STAGES, "promote") if is_inside(name)] == [*inside, *list(STAGES)[2:5]]


def test_what_is_outside_is_a_share_of_the_whole_run(bench: Bench) -> None:
    found = account_of(bench.reader.run(finished(bench)))

    assert (found["seconds"], found["outside_seconds"], found["peak_memory_bytes"]) == (200.0, 15.0, 600_000_000)
    assert found["stages"][3]["percent"] == 75.0
    figures = {figure.name: figure for figure in figures_of(found | {"process_seconds": 212.0}, 110)}
    assert figures["whole run, 110 reviews: outside training, prediction and the probe"].ours == 7.5
    assert figures["whole run, 110 reviews: between the stages"].ours == 4.0
    assert figures["whole run, 110 reviews: imports, Prefect's start and end"].ours == 12.0
    bounds = [(figure.ours, figure.target, figure.reached) for figure in figures.values() if figure.target]
    assert bounds == [(7.5, 5.0, False), (0.6, 3.0, True)]


def test_a_run_of_the_store_is_told_and_written(bench: Bench, tmp_path: Path) -> None:
    finished(bench)
    output = tmp_path / "figures.json"
    done = CliRunner().invoke(main, ["--run", "latest", "--output", str(output)], catch_exceptions=False)

    assert done.exit_code == 0
    assert markdown(read_figures(output)) in done.output
    assert Figure("whole run, 110 reviews", "s", 200.0) in read_figures(output)
    assert json.loads(output.read_text(encoding="utf-8"))["settings"]["rows"] == 110


def test_a_run_without_a_decision_is_not_told_of(bench: Bench, tmp_path: Path) -> None:
    bench.store.finish_run(bench.start_run(), "failed", "no file", 2.0)
    done = CliRunner().invoke(main, ["--run", "latest", "--output", str(tmp_path / "figures.json")])

    assert done.exit_code == 1
    assert "no retraining that came to its decision" in done.output


def test_a_run_that_fails_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "retrain"
    command.write_text('#!/bin/sh\n[ "$1 $2 $3" = "run --epochs 1" ] && exit 7\nexit 8\n', encoding="utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("benchmarks.whole_run.sys.executable", str(tmp_path / "python"))

    with pytest.raises(ClickException, match="ended with status 7"):
        run_in(tmp_path, ["--epochs", "1"])


@pytest.mark.parametrize("given", [[], ["--run", "latest", "--reviews", __file__]])
def test_either_a_file_or_a_run_is_named(given: list[str]) -> None:
    done = CliRunner().invoke(main, given)

    assert done.exit_code == 2
    assert "Name a file with --reviews, or a run with --run" in done.output
