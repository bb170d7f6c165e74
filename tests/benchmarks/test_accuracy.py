from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import keras
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks import accuracy
from benchmarks.accuracy import WAYS, Job, do, main, read_trainings, training_of
from benchmarks.accuracy_pairs import AGAINST, Trained, table
from storage.options import TrainingOptions
from tasks.models import build_model
from tasks.training import loop
from tests.reviews import reviews

HERE = "cpu: a processor, 2 cores (tensorflow)"
SETTINGS = {"train_rows": 900, "validation_rows": 100, "test_rows": 500, "snapshot": "0123456789ab", "epochs": 12}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = reviews(200, seed=1)
    splits = ["train"] * 120 + ["test"] * 80
    columns = {"split": splits, "text": [one.text for one in made], "label": [one.label for one in made]}
    pq.write_table(pa.table(columns), tmp_path / "reviews.parquet")
    return tmp_path / "reviews.parquet"


def jobs(*ways: str, seeds: int = 1) -> list[Job]:
    return [
        Job(Path("nowhere"), "0", "baseline_avgpool", way, seed, 12) for seed in range(1, seeds + 1) for way in ways
    ]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that were done, by somebody who takes no time; the one of seed 9 is interrupted."""
    taken: list[Job] = []

    def at_once(work: Callable[..., Any], *arguments: Any) -> Any:
        if work is accuracy.device:
            return HERE
        (job,) = arguments
        if job.seed == 9:
            raise KeyboardInterrupt
        taken.append(job)
        number = 0.8 + len(taken) / 1000
        return Trained(HERE, job.model, job.way, job.seed, "float32", 5, 3, 20.0, number, 0.95, "0123456789ab")

    monkeypatch.setattr(accuracy, "in_a_process", at_once)
    return taken


def test_ways_are_trained_on_the_same_reviews_and_measured_on_the_test_reviews(file: Path, tmp_path: Path) -> None:
    output = tmp_path / "accuracy.json"
    small = ["--seeds", "1", "--epochs", "1", "--models", "baseline_avgpool", "--ways", "ours", "--ways", "plain"]
    result = CliRunner().invoke(main, ["--reviews", str(file), *small, "--output", str(output)], catch_exceptions=False)

    assert result.exit_code == 0
    stored = json.loads(output.read_text(encoding="utf-8"))
    counts = {name: stored["settings"][f"{name}_rows"] for name in ("train", "validation", "test")}
    assert counts["train"] + counts["validation"] == 120
    assert 0 < counts["validation"] < counts["train"]
    assert counts["test"] == 80
    ours, plain = read_trainings(output)
    assert (ours.way, plain.way, ours.device, ours.epochs) == ("ours", "plain", plain.device, 1)
    assert round(80 * ours.accuracy) == pytest.approx(80 * ours.accuracy)
    assert ours.auc == pytest.approx(plain.auc, abs=0.01)
    assert table([ours, plain]) in result.output


def test_the_plain_way_trains_with_nothing_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model("advanced_bilstm_features", num_words=20, num_features=3)
    parts = [type(layer).__name__ for layer in model.layers]
    assert "Bidirectional" in parts

    def trained() -> tuple[list[str], type]:
        used = vars(loop)
        made, _ = used["accelerated"](model, "float32")
        return [type(layer).__name__ for layer in made.layers], type(used["adam"](0.001, 1.0))

    monkeypatch.setattr(loop, "train_model", trained)
    assert training_of("plain")() == (parts, keras.optimizers.Adam)
    layers, optimizer = training_of("ours")()
    assert "Bidirectional" not in layers
    assert optimizer is not keras.optimizers.Adam


def test_the_first_way_is_the_products_default() -> None:
    assert next(iter(WAYS.items())) == ("ours", TrainingOptions())
    assert set(AGAINST) == set(WAYS) - {"ours"}


def test_an_interrupted_series_goes_on(done: list[Job], tmp_path: Path) -> None:
    output = tmp_path / "accuracy.json"
    first = jobs("ours", "plain")
    with pytest.raises(KeyboardInterrupt):
        do([*first, replace(first[0], seed=9)], SETTINGS, output, again=False)
    assert [one.way for one in read_trainings(output)] == ["ours", "plain"]

    do(jobs("ours", "plain", seeds=2), SETTINGS, output, again=False)
    assert [(job.seed, job.way) for job in done] == [(1, "ours"), (1, "plain"), (2, "ours"), (2, "plain")]
    assert [one.accuracy for one in read_trainings(output)] == [0.801, 0.802, 0.803, 0.804]


def test_what_is_trained_again_is_replaced(done: list[Job], tmp_path: Path) -> None:
    output = tmp_path / "accuracy.json"
    do(jobs("ours", "plain"), SETTINGS, output, again=False)
    do(jobs("ours"), SETTINGS, output, again=True)

    assert len(done) == 3
    assert [(one.way, one.accuracy) for one in read_trainings(output)] == [("ours", 0.803), ("plain", 0.802)]


def test_what_another_device_trained_is_kept_and_shown_without_reviews(done: list[Job], tmp_path: Path) -> None:
    output = tmp_path / "accuracy.json"
    do(jobs("ours"), SETTINGS, output, again=False)
    stored = output.read_text(encoding="utf-8")
    output.write_text(stored.replace(HERE, "gpu:0 (jax)"), encoding="utf-8")
    do(jobs("ours"), SETTINGS, output, again=False)

    assert [one.device for one in read_trainings(output)] == ["gpu:0 (jax)", HERE]
    shown = CliRunner().invoke(main, ["--output", str(output)], catch_exceptions=False)
    assert table(read_trainings(output)) in shown.output
    assert len(done) == 2


def test_trainings_of_other_settings_are_not_mixed(done: list[Job], tmp_path: Path) -> None:
    output = tmp_path / "accuracy.json"
    do(jobs("ours"), SETTINGS, output, again=False)
    before = output.read_bytes()

    with pytest.raises(click.ClickException, match="name another with --output"):
        do(jobs("plain"), {**SETTINGS, "epochs": 3}, output, again=True)
    assert output.read_bytes() == before
    assert len(done) == 1
