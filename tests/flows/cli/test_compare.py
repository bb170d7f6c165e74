"""Two runs side by side, with bundles that hold what their models said of each test row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from storage.bundles import MODEL_FILE, Predictions, publish_bundle
from storage.content import make_staging
from storage.records import Decision, Stage
from storage.settings import Settings
from tests.flows.cli.terminal.conftest import line_with
from tests.flows.conftest import Command
from tests.storage.conftest import Bench

NUM_ROWS = 40
LABELS = np.arange(NUM_ROWS, dtype=np.uint8) % 2


def publish(bundles: Path, num_wrong: int) -> str:
    """A bundle that gets the last rows wrong; nothing else of it is read."""
    is_wrong = np.arange(NUM_ROWS) >= NUM_ROWS - num_wrong
    sure = np.linspace(0.6, 0.9, NUM_ROWS)
    probabilities = np.where(LABELS ^ is_wrong, sure, 1 - sure).astype(np.float32)
    folder = make_staging(bundles)
    (folder / MODEL_FILE).write_bytes(b"a model")
    ids = pa.array([f"test/{number}" for number in range(NUM_ROWS)])
    return publish_bundle(
        folder, encoder={}, scaler={}, predictions=Predictions(ids, LABELS, probabilities), manifest={}
    )


def run_with(bench: Bench, bundle: str, **changes: object) -> str:
    """A finished run whose model is in that bundle."""
    run_id = bench.start_run(options={"epochs": 3, "training": {"batch_size": 64}} | dict(changes))
    bench.snapshot(run_id)
    candidate = bench.candidate(run_id, bundle=bundle)
    bench.store.record_stage(run_id, Stage("train baseline_avgpool", 12.34, 2**30))
    bench.decide(Decision(candidate.id, False, "not better [yet]", ()), run_id=run_id)
    bench.store.finish_run(run_id, "completed", "nothing promoted", 61.0)
    return run_id


@pytest.fixture
def runs(bench: Bench, settings: Settings) -> tuple[str, str]:
    """The second run is right on 10 rows more."""
    worse, better = (publish(settings.bundles, wrong) for wrong in (12, 2))
    return run_with(bench, worse), run_with(bench, better, epochs=5)


def test_on_the_same_rows_a_difference_has_a_paired_interval(runs: tuple[str, str], retrain: Command) -> None:
    code, out, err = retrain("compare", *runs)
    assert (code, err) == (0, "")
    assert "The test rows are the same." in out
    assert "0 rows only the first gets right, 10 only the second; intervals are paired, at 95 %" in out
    # 10 discordant rows of 40: 0.25 ± 1.96 · sqrt(10 - 100 / 40) / 40; all one way by chance twice in 2 ** 10.
    accuracy = line_with(out, "accuracy")
    assert accuracy.split("]")[-2].split() == ["+0.2500", "[+0.1158,", "+0.3842"]
    assert accuracy.split()[-1] == "0.0020"


def test_what_is_not_alike_is_told_and_what_is_alike_is_not(runs: tuple[str, str], retrain: Command) -> None:
    out = retrain("compare", *runs)[1]
    assert line_with(out, "epochs").split() == ["epochs", "3", "5"]
    assert "batch_size" not in out
    assert "Data  alike" in out
    assert line_with(out, "train baseline_avgpool").count("12.3 s, peak 1,024 MiB") == 2
    assert out.count("rejected: not better [yet]") == 2


def test_a_program_gets_the_numbers(runs: tuple[str, str], retrain: Command) -> None:
    told = json.loads(retrain("compare", *runs, "--json")[1])
    (model,) = told["models"]
    accuracy = model["metrics"][0]
    assert told["same_test_rows"] is True
    assert told["options"] == [{"name": "epochs", "first": 3, "second": 5}]
    assert (model["only_first"], model["only_second"], model["note"]) == (0, 10, "")
    assert (accuracy["difference"], accuracy["p_value"]) == pytest.approx((0.25, 2**-9))
    assert [metric["p_value"] for metric in model["metrics"][2:]] == [None] * 6


def test_on_other_rows_there_is_no_p_value(runs: tuple[str, str], bench: Bench, retrain: Command) -> None:
    other = bench.start_run("reviews")
    bench.snapshot(other, id="s2", test_id="t2", line="reviews")
    bench.candidate(other)
    out = retrain("compare", runs[0], other)[1]
    assert "The test rows are not the same." in out
    assert "other test rows: only the bounds of each alone are known" in out
    assert line_with(out, "test rows", "t1").split()[-2:] == ["t1", "t2"]
    told = json.loads(retrain("compare", runs[0], other, "--json")[1])
    assert told["models"][0]["only_first"] is None
    assert all(metric["p_value"] is None and metric["lower"] is None for metric in told["models"][0]["metrics"])


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_without_a_whole_bundle_the_rest_is_compared_all_the_same(
    runs: tuple[str, str], settings: Settings, retrain: Command, damage: str
) -> None:
    for folder in settings.bundles.iterdir():
        predictions = folder / "test_predictions.parquet"
        predictions.write_bytes(predictions.read_bytes()[:-1] if damage == "changed" else b"")
        if damage == "missing":
            predictions.unlink()
    code, out, _ = retrain("compare", *runs)
    assert code == 0
    assert "it cannot be compared row by row: " in out
    assert line_with(out, "accuracy").split()[-1] == "+0.0000"
    assert "train baseline_avgpool" in out


def test_a_model_of_one_run_only_is_shown(runs: tuple[str, str], bench: Bench, retrain: Command) -> None:
    bench.candidate(runs[1], "advanced_bilstm_features")
    out = retrain("compare", *runs)[1]
    assert "only one of the runs has it" in out


def test_a_run_that_trained_nothing_is_compared_by_what_it_has(
    runs: tuple[str, str], bench: Bench, retrain: Command
) -> None:
    failed = bench.start_run(versions={"python": "3.12"})
    bench.store.finish_run(failed, "failed", "no file [/]", 1.0)
    code, out, _ = retrain("compare", runs[0], failed)
    assert code == 0
    assert line_with(out, "no file [/]").startswith(failed)
    assert line_with(out, "python").split() == ["python", "3.11", "3.12"]


def test_a_run_of_no_name_is_told(runs: tuple[str, str], retrain: Command) -> None:
    code, out, err = retrain("compare", "latest", "nobody")
    assert (code, out) == (4, "")
    assert "no run begins with 'nobody'" in err
