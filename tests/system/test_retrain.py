"""The main job, run as a user runs it: the installed command, real training, a real store."""

from __future__ import annotations

import json
import signal
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tasks.checks import DATA_CHECKS, MODEL_CHECKS
from tests.system.conftest import BIN, Shell, end, wait_for

# Small, but enough for the averaging model to learn: seconds instead of minutes.
QUICK = (
    *("run", "--source", "synthetic", "--models", "baseline_avgpool", "--epochs", "12"),
    *("--set", "synthetic.num_train=3000", "--set", "synthetic.num_test=1500"),
    *("--set", "training.batch_size=64", "--set", "training.learning_rate=0.002"),
)
TINY = (
    *("run", "--source", "synthetic", "--epochs", "1"),
    *("--set", "synthetic.num_train=300", "--set", "synthetic.num_test=200"),
)


@pytest.fixture(scope="module")
def first_run(shell: Shell) -> dict[str, Any]:
    """A run on an empty home, whose model is good enough to be promoted."""
    done = shell.retrain(*QUICK)
    assert done.returncode == 0, done.stderr
    assert "SOURCE: embedded synthetic corpus" in done.stderr
    assert "promoted baseline_avgpool on synthetic" in done.stdout
    run: dict[str, Any] = shell.json("show", "latest")
    return run


def test_a_run_is_recorded_from_its_source_to_its_decision(first_run: dict[str, Any]) -> None:
    assert first_run["state"] == "completed"
    assert first_run["trigger"] == "command line"
    assert first_run["snapshot"]["num_train"] == 2700
    assert first_run["snapshot"]["num_validation"] == 300
    checks = {(check["subject"], check["name"]): check for check in first_run["checks"]}
    assert set(checks) == {
        *(("data", check.name) for check in DATA_CHECKS),
        *(("baseline_avgpool", check.name) for check in MODEL_CHECKS),
    }
    assert {check["verdict"] for check in checks.values()} == {"pass"}
    assert checks["data", "drift"]["evidence"] == "the line has no champion yet"
    assert checks["data", "drift"]["action"] == "warn"
    (decision,) = first_run["decisions"]
    assert (decision["verdict"], decision["kind"]) == ("promoted", "promotion")
    assert all(gate["verdict"] in ("pass", "not applicable") for gate in decision["gates"])
    assert decision["diagnosis"] == []
    assert {stage["name"] for stage in first_run["stages"]} == {
        *("ingest", "featurize", "validate", "probe", "train baseline_avgpool"),
        *("predict baseline_avgpool", "evaluate", "evaluate baseline_avgpool"),
        *("predict again baseline_avgpool", "promote"),
    }
    assert first_run["device"].startswith(("cpu", "gpu"))
    assert first_run["versions"]["keras"]


def test_the_champion_is_shown(shell: Shell, first_run: dict[str, Any]) -> None:
    (champion,) = shell.json("champion")
    assert champion["line"] == "synthetic"
    assert champion["candidate_id"] == f"{first_run['id']}/baseline_avgpool"
    assert first_run["id"] in shell.retrain("champion").stdout


def test_a_second_run_compares_with_the_champion_on_the_same_rows(shell: Shell, first_run: dict[str, Any]) -> None:
    done = shell.retrain(*QUICK, "--force", "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    (decision,) = run["decisions"]
    # The same seed on the same machine gives the same model: nothing to choose between the two.
    assert decision["comparison"]["champion_id"] == f"{first_run['id']}/baseline_avgpool"
    assert decision["comparison"]["only_challenger"] == decision["comparison"]["only_champion"] == 0
    assert decision["comparison"]["alpha"] == pytest.approx(0.025)
    assert decision["verdict"] == "rejected"
    assert "not shown to be better than the champion" in decision["reason"]
    assert decision["diagnosis"][0]["cause"] == "no better than the champion"
    assert decision["diagnosis"][0]["standing"] == "shown"
    (drift,) = (check for check in run["checks"] if check["name"] == "drift")
    assert drift["verdict"] == "pass"
    assert "same" in drift["evidence"]
    # Half of the error is spent; what is left for the second comparison is told.
    assert run["ledger"]["comparisons"] == 1
    assert run["ledger"]["left"] == pytest.approx(0.025)
    assert "1 comparison with a champion so far, α spent 0.0250 of 0.05" in shell.retrain("show", run["id"]).stdout
    # The same content makes no second snapshot.
    assert run["snapshot_id"] == first_run["snapshot_id"]
    assert len(list((shell.home / "snapshots").iterdir())) == 1
    (champion,) = shell.json("champion")
    assert champion["position"] == 1


def test_a_dry_run_records_its_decision_and_nothing_else(shell: Shell, first_run: dict[str, Any]) -> None:
    done = shell.retrain(*QUICK, "--seed", "8", "--dry-run")
    assert done.returncode == 0, done.stderr
    run = shell.json("show", "latest")
    (decision,) = run["decisions"]
    assert run["dry_run"] is True
    assert decision["verdict"] in ("would promote", "would reject")
    assert decision["comparison"] is None
    assert run["ledger"]["comparisons"] == 1
    (champion,) = shell.json("champion")
    assert champion["position"] == 1


def test_an_earlier_champion_is_put_back_with_a_reason(shell: Shell, first_run: dict[str, Any]) -> None:
    lenient = ("gates.comparison=non-inferiority", "gates.accuracy_loss_margin=0.3", "gates.auc_loss_margin=0.3")
    done = shell.retrain(*QUICK, "--seed", "9", *(word for name in lenient for word in ("--set", name)))
    assert done.returncode == 0, done.stderr
    assert "promoted baseline_avgpool on synthetic" in done.stdout
    second = shell.json("champion")[0]
    assert second["position"] == 2

    assert shell.retrain("rollback", "synthetic", "--reason", "just looking", "--dry-run").returncode == 0
    assert shell.json("champion")[0] == second
    done = shell.retrain("rollback", "synthetic", "--reason", "it [misses] irony")
    assert done.returncode == 0, done.stderr
    assert f"put back {first_run['id']}/baseline_avgpool on synthetic: it [misses] irony" in done.stdout

    history = shell.json("champion", "--history")
    assert [entry["succession"] for entry in history] == ["promotion", "promotion", "rollback"]
    assert history[2]["candidate_id"] == history[0]["candidate_id"] == f"{first_run['id']}/baseline_avgpool"
    assert (history[2]["reason"], history[2]["mark"]) == ("it [misses] irony", 3)
    assert "it [misses] irony" in shell.retrain("champion", "--history").stdout
    run = shell.json("show", "latest")
    (gate,) = run["decisions"][0]["gates"]
    assert (run["flow"], gate["name"], gate["verdict"]) == ("rollback", "reload", "pass")
    assert "put back baseline_avgpool" in shell.retrain("history", "--limit", "1").stdout
    again = shell.retrain("rollback", "synthetic", "--to", "1", "--reason", "once more")
    assert again.returncode == 2
    assert "serves on 'synthetic' already" in again.stderr


def test_the_store_can_be_read_with_sqlite_alone(shell: Shell, first_run: dict[str, Any]) -> None:
    with sqlite3.connect(f"file:{shell.home / 'metrics.db'}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT c.model, m.value, d.verdict FROM runs r JOIN candidates c ON c.run_id = r.id "
            "JOIN metrics m ON m.candidate_id = c.id JOIN decisions d ON d.candidate_id = c.id "
            "WHERE d.run_id = r.id AND r.id = ? AND m.split = 'test' AND m.name = 'accuracy' AND m.scope = 'overall'",
            (first_run["id"],),
        ).fetchall()
    connection.close()
    expected = next(
        metric["value"]
        for metric in first_run["candidates"][0]["metrics"]
        if (metric["split"], metric["name"]) == ("test", "accuracy")
    )
    assert rows == [("baseline_avgpool", expected, "promoted")]


def test_history_lists_the_runs_newest_first(shell: Shell, first_run: dict[str, Any]) -> None:
    runs = shell.json("history")
    assert [run["started_at"] for run in runs] == sorted((run["started_at"] for run in runs), reverse=True)
    assert runs[-1]["id"] == first_run["id"]
    assert runs[-1]["promoted"] == "baseline_avgpool"
    table = shell.retrain("history", "--limit", "1").stdout
    assert table.splitlines()[0].split()[0] == "run"
    assert runs[0]["id"] in table
    assert first_run["id"] not in table


def test_both_models_train_without_a_server_of_ones_own(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    done = shell.retrain(*TINY)
    assert done.returncode == 0, done.stderr
    assert "nothing promoted on synthetic" in done.stdout
    run = shell.json("show", "latest")
    for decision in run["decisions"]:
        assert decision["diagnosis"][0]["cause"] == "too few epochs"
        assert decision["diagnosis"][0]["standing"] == "shown"
    assert "allow more epochs" in shell.retrain("show", "latest").stdout
    parameters = {candidate["model"]: candidate["num_parameters"] for candidate in run["candidates"]}
    assert parameters == {"baseline_avgpool": 6_408_321, "advanced_bilstm_features": 6_550_817}
    assert "epoch 1 of at most 1" in done.stderr
    assert "one epoch can show no convergence" in done.stderr
    assert "Traceback" not in done.stderr
    missing = shell.retrain("champion")
    assert (missing.returncode, missing.stdout) == (4, "")
    assert "there is no champion of any line yet" in missing.stderr


def test_a_killed_run_is_found_by_the_next_one(shell: Shell, first_run: dict[str, Any]) -> None:
    log = shell.folder / "killed.log"
    # A seed that no other test takes: what was trained before would be reused, and there would be nothing to kill.
    process = shell.start(str(BIN / "retrain"), *QUICK, "--seed", "10", output=log)
    try:
        wait_for(lambda: "epoch 2 of at most" in log.read_text(), 180)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    finally:
        end(process)
    killed = shell.json("history", "--limit", "1")[0]
    assert killed["state"] == "running"
    done = shell.retrain(*TINY, "--models", "baseline_avgpool")
    assert done.returncode == 0, done.stderr
    assert f"run {killed['id']} had died" in done.stderr
    assert shell.json("show", killed["id"])["state"] == "crashed"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_is_cancelled_and_leaves_nothing_half_written(tmp_path: Path, how: signal.Signals) -> None:
    """With a temporary Prefect server, which must be gone afterwards too."""
    shell = Shell(tmp_path)
    log = shell.folder / "stopped.log"
    process = shell.start(str(BIN / "retrain"), *QUICK, output=log)
    try:
        wait_for(lambda: "epoch 1 of at most" in log.read_text(), 180)
        process.send_signal(how)
        assert process.wait(60) == 130
    finally:
        end(process)
    assert log.read_text().strip().splitlines()[-1] == "retrain: stopped"
    assert "Traceback" not in log.read_text()
    assert shell.json("show", "latest")["state"] == "cancelled"
    assert list((shell.home / "bundles").iterdir()) == []
    left = [found for found in psutil.process_iter() if str(tmp_path) in str(environment_of(found))]
    assert left == []


def environment_of(process: psutil.Process) -> dict[str, str]:
    try:
        variables: dict[str, str] = process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return {}
    return variables


def test_data_with_one_class_is_rejected_before_training(shell: Shell) -> None:
    path = shell.folder / "one_class.npz"
    rows = np.empty(40, dtype=object)
    rows[:] = [[1, 2, 3 + index] for index in range(40)]
    alternating = np.arange(40) % 2
    np.savez(path, x_train=rows, y_train=alternating, x_test=rows, y_test=np.ones(40, dtype=int))
    done = shell.retrain("run", "--source", str(path), "--json")
    assert done.returncode == 3
    assert "test has only one class" in done.stderr
    assert "Traceback" not in done.stderr
    run = json.loads(done.stdout)
    assert run["state"] == "rejected data"
    assert run["candidates"] == []
    assert next(check for check in run["checks"] if check["name"] == "label balance")["verdict"] == "fail"


def test_a_check_can_be_turned_off_or_to_a_warning_and_the_store_says_so(shell: Shell) -> None:
    reviews = [[1 + (row * row) % 97, 2, 3 + row % 50, 4 + row] for row in range(400)]
    rows = np.empty(400, dtype=object)
    rows[:] = reviews
    path = shell.folder / "leaked.npz"
    labels = np.random.default_rng(1).permutation(np.arange(400) % 2)
    np.savez(path, x_train=rows, y_train=labels, x_test=rows, y_test=labels)
    refused = shell.retrain("check", str(path))
    assert refused.returncode == 3
    assert "the data was rejected before training: " in refused.stderr
    assert "leakage" in refused.stdout
    assert "fail" in refused.stdout
    assert "Traceback" not in refused.stderr
    recorded = shell.json("show", "latest")
    assert (recorded["flow"], recorded["state"], recorded["candidates"]) == ("check", "rejected data", [])

    options = ("checks.leakage=warn", "checks.probe=off", "checks.convergence=warn")
    done = shell.retrain(
        *("run", "--source", str(path), "--epochs", "1", "--models", "baseline_avgpool", "--json"),
        *(word for name in options for word in ("--set", name)),
    )
    assert done.returncode == 0, done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert (checks["leakage"]["verdict"], checks["leakage"]["action"]) == ("warn", "warn")
    assert len(checks["leakage"]["offending_rows"]) == 20
    assert (checks["probe"]["verdict"], checks["probe"]["action"], checks["probe"]["measured"]) == ("off", "off", {})
    assert checks["convergence"]["verdict"] == "warn"


def test_a_check_alone_trains_nothing_and_says_that_the_data_is_fit(shell: Shell, first_run: dict[str, Any]) -> None:
    done = shell.retrain("check", "synthetic", "--set", "synthetic.num_train=3000", "--set", "synthetic.num_test=1500")
    assert done.returncode == 0, done.stderr
    assert "synthetic is fit to be trained on: 10 checks passed" in done.stdout
    recorded = shell.json("show", "latest")
    # The same reviews as the main job's, and so the same snapshot.
    assert recorded["snapshot_id"] == first_run["snapshot_id"]
    assert (recorded["flow"], recorded["seed"], recorded["decisions"]) == ("check", None, [])
    assert [stage["name"] for stage in recorded["stages"]] == ["ingest", "featurize", "validate", "probe"]
    assert "fit to be trained on" in shell.retrain("history", "--limit", "1").stdout


def test_a_truncated_file_gives_one_sentence(shell: Shell) -> None:
    whole = shell.folder / "whole.npz"
    rows = np.empty(2, dtype=object)
    rows[:] = [[1, 2, 3], [4, 5]]
    np.savez(whole, x_train=rows, y_train=np.array([0, 1]), x_test=rows, y_test=np.array([0, 1]))
    path = shell.folder / "truncated.npz"
    path.write_bytes(whole.read_bytes()[:-100])
    done = shell.retrain("run", "--source", str(path))
    assert done.returncode == 2
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"retrain: {path} is not a complete .npz file")
    assert "Traceback" not in done.stderr
    assert not [folder for folder in (shell.home / "snapshots").iterdir() if folder.name.startswith(".")]
    assert shell.json("history", "--limit", "1")[0]["state"] == "failed"


def test_real_reviews_are_trained_on_a_line_of_their_own(shell: Shell, imdb_file: Path) -> None:
    done = shell.retrain(
        *("run", "--source", "auto", "--sample-size", "4000", "--models", "baseline_avgpool", "--epochs", "12"),
        *("--set", "training.batch_size=64", "--json"),
        RETRAIN_IMDB_FILE=str(imdb_file),
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert run["line"] == "imdb-sample-4000"
    assert "RETRAIN_IMDB_FILE names it" in run["source_reason"]
    assert len(run["snapshot"]["source_sha256"]) == 64
    (candidate,) = run["candidates"]
    scores = {
        metric["name"]: metric["value"]
        for metric in candidate["metrics"]
        if (metric["split"], metric["scope"]) == ("test", "overall")
    }
    assert scores["accuracy"] > 0.75
    assert scores["auc"] > 0.85
