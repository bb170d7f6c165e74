from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks import training
from benchmarks.figures import read_figures
from benchmarks.training import figure_of, main
from benchmarks.training_ways import spread


def test_chosen_batches_stand_for_all_widths() -> None:
    widths = np.array([50, 10, 40, 20, 30, 60])

    assert sorted(widths[spread(widths, 3)]) == [20, 40, 60]
    assert sorted(spread(widths, 6)) == list(range(6))


def test_each_way_is_a_row_of_its_own() -> None:
    notebook = figure_of("advanced_bilstm_features", "notebook", {"ours": [8.0, 16.0, 24.0], "notebook": [32.0] * 3})
    torch = figure_of("advanced_bilstm_features", "torch", {"ours": [8.0, 16.0, 24.0], "torch": [16.0, 32.0, 48.0]})

    assert (notebook.ours, notebook.reference, notebook.ratio, notebook.target) == (16.0, 32.0, 0.5, 0.4)
    assert (torch.reference, torch.ratio, torch.target) == (32.0, 0.5, None)


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    draw = np.random.default_rng(3)
    texts = [" ".join(f"word{number}" for number in draw.integers(0, 90, draw.integers(3, 30))) for _ in range(90)]
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"split": ["train"] * 80 + ["test"] * 10, "text": texts}), path)
    return path


def test_both_models_are_trained_both_ways(reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "training.json"
    monkeypatch.setattr(training.importlib.util, "find_spec", lambda _: None)  # type: ignore[attr-defined]
    small = ["--rows", "80", "--batches", "1", "--repeats", "1"]
    done = CliRunner().invoke(main, ["--reviews", str(reviews), *small, "--output", str(output)])

    assert done.exit_code == 0, done.output
    figures = read_figures(output)
    assert [(figure.name, figure.against) for figure in figures] == [
        ("baseline_avgpool, an epoch", "the notebook's way"),
        ("advanced_bilstm_features, an epoch", "the notebook's way"),
    ]
    assert all(figure.ours > 0 and figure.ratio is not None for figure in figures)
    stored: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    assert stored["settings"]["rows"] == 80


def test_reviews_are_asked_for() -> None:
    done = CliRunner().invoke(main, [])

    assert done.exit_code == 2
    assert "--reviews" in done.output
