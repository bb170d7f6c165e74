from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What `on_jax` finds."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.tasks.training.jax.on_jax"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


@pytest.mark.parametrize("return_sequences", ["true", "false"])
def test_outputs_and_gradients_are_those_of_keras(found: dict[str, Any], return_sequences: str) -> None:
    differences = found[return_sequences]

    assert differences["outputs"] < 1e-5
    assert len(differences["gradients"]) == 7
    assert max(differences["gradients"]) < 1e-5
    assert differences["smallest"] > 0.1


def test_a_model_is_trained_on_jax_and_keeps_keras_layers(found: dict[str, Any]) -> None:
    training = found["training"]

    assert training["losses"][1] < training["losses"][0] < 0.9
    assert training["layers"].count("Bidirectional") == 2
    assert training["products"] in ("float32", "tfloat32", "bfloat16")


def test_its_progress_goes_forward_and_ends_with_the_last_batch(found: dict[str, Any]) -> None:
    training = found["training"]

    assert training["are_finite"]
    assert training["batches"] == sorted(training["batches"])
    assert training["batches"][-1] == training["of"]
