"""Training that a kill cut off, taken up by the next run; and both models at once."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np

from storage.bundles import MODEL_FILE, load_model
from tasks.training.runtime import prepare_keras
from tests.system.conftest import BIN, Shell, end, wait_for
from tests.system.test_retrain import QUICK, TINY

# A seed that no other test takes, and so slow that each epoch is better than the one before.
SLOW = (*QUICK, "--seed", "41", "--epochs", "5", "--set", "training.learning_rate=0.0005")


def weights(shell: Shell, run: dict[str, Any], model: str = "baseline_avgpool") -> list[np.ndarray[Any, Any]]:
    prepare_keras()
    (bundle,) = (found["bundle"] for found in run["candidates"] if found["model"] == model)
    found: list[np.ndarray[Any, Any]] = load_model(shell.home / "bundles" / bundle / MODEL_FILE).get_weights()
    return found


def same(one: list[np.ndarray[Any, Any]], other: list[np.ndarray[Any, Any]]) -> bool:
    return all(np.array_equal(first, second) for first, second in zip(one, other, strict=True))


def curve(run: dict[str, Any]) -> list[tuple[Any, ...]]:
    (candidate,) = run["candidates"]
    return [(epoch["epoch"], epoch["loss"], epoch["validation_loss"]) for epoch in candidate["epochs"]]


def test_a_killed_training_is_taken_up_by_the_next_run_with_the_same_result(shell: Shell) -> None:
    log = shell.folder / "killed.log"
    process = shell.start(str(BIN / "retrain"), *SLOW, output=log)
    try:
        # The third epoch has begun, so the second one is kept.
        wait_for(lambda: "epoch 3 of at most" in log.read_text(), 180, every=0.02)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    finally:
        end(process)
    (kept,) = (shell.home / "checkpoints").glob("*.npz")

    done = shell.retrain(*SLOW)
    assert done.returncode == 0, done.stderr
    assert "baseline_avgpool: taken up after epoch" in done.stderr
    assert "epoch 1 of at most" not in done.stderr
    assert not kept.exists()
    taken_up = shell.json("show", "latest")

    forced = shell.retrain(*SLOW, "--force")
    assert forced.returncode == 0, forced.stderr
    assert "taken up" not in forced.stderr
    whole = shell.json("show", "latest")
    assert whole["candidates"][0]["best_epoch"] > 3
    assert curve(taken_up) == curve(whole)
    assert same(weights(shell, taken_up), weights(shell, whole))
    assert list((shell.home / "checkpoints").iterdir()) == []


def test_models_trained_at_once_are_those_trained_one_after_the_other(shell: Shell) -> None:
    runs = []
    for at_once in ("true", "false"):
        done = shell.retrain(*TINY, "--force", "--seed", "42", "--set", f"training.at_once={at_once}")
        assert done.returncode == 0, done.stderr
        runs.append(shell.json("show", "latest"))
    for model in ("baseline_avgpool", "advanced_bilstm_features"):
        assert same(*(weights(shell, run, model) for run in runs))


def test_a_run_that_trains_models_at_once_can_be_stopped(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    log = shell.folder / "stopped.log"
    endless = (*QUICK[:3], *QUICK[5:], "--epochs", "500", "--seed", "43", "--set", "training.at_once=true")
    patient = ("--set", "training.early_stopping_patience=100", "--set", "training.learning_rate=0.000001")
    process = shell.start(str(BIN / "retrain"), *endless, *patient, output=log)
    try:
        wait_for(lambda: "baseline_avgpool: epoch 1 of at most" in log.read_text(), 180)
        process.send_signal(signal.SIGINT)
        assert process.wait(180) == 130
    finally:
        end(process)
    assert log.read_text().strip().splitlines()[-1] == "retrain: stopped"
    assert "Traceback" not in log.read_text()
    assert shell.json("show", "latest")["state"] == "cancelled"
    assert list((shell.home / "bundles").iterdir()) == []
