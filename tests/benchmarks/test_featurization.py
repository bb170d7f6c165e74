from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks.featurization import RESULTS, by_loop, by_passes, main, read
from benchmarks.figures import markdown, read_figures
from storage.sequences import Sequences
from tests.reviews import reviews


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """40 training reviews and 5 test reviews."""
    texts = [one.text for one in reviews(45, seed=1)]
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"split": ["train"] * 40 + ["test"] * 5, "text": texts}), path)
    return path


def test_both_ways_give_the_same(file: Path) -> None:
    ranks = read(file)
    passes, loop = by_passes(ranks), by_loop(ranks)

    assert isinstance(passes.sequences, Sequences)
    assert [passes.sequences.row(row).tolist() for row in range(40)] == loop.sequences
    assert passes.features.shape == (40, 6)
    # Sums in another order; a feature that is the same in all reviews but for that is standardised to noise.
    varies = loop.features.std(axis=0) > 0.5
    np.testing.assert_allclose(passes.features[:, varies], loop.features[:, varies], atol=1e-5)
    assert varies.sum() >= 4


def test_figures_are_written_and_shown(file: Path, tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    given = ["--reviews", str(file), "--repeats", "2", "--output", str(output)]
    result = CliRunner().invoke(main, given, catch_exceptions=False)

    assert result.exit_code == 0
    stored = json.loads(output.read_text(encoding="utf-8"))
    assert (stored["settings"]["rows"], stored["settings"]["repeats"]) == (40, 2)
    assert [len(taken) for taken in stored["found"].values()] == [2, 2]
    assert markdown(read_figures(output)) in result.output
    assert "| featurization, 40 reviews, CPU time |" in result.output


def test_the_stored_figures_are_of_all_training_reviews_and_reach_the_target() -> None:
    assert json.loads(RESULTS.read_text(encoding="utf-8"))["settings"]["rows"] == 25_000
    (figure,) = read_figures(RESULTS)
    assert figure.reached
