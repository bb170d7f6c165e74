from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks.figures import markdown, read_figures
from benchmarks.scoring import RESULTS, main, prepare
from storage.records import MODEL_NAMES
from tests.reviews import reviews


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """40 training reviews and 30 test reviews, which have a word that no training review has."""
    texts = [one.text for one in reviews(70, seed=1)]
    texts[40:] = [f"{text} unseen" for text in texts[40:]]
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"split": ["train"] * 40 + ["test"] * 30, "text": texts}), path)
    return path


@pytest.mark.parametrize(("asked", "taken"), [(10, 10), (30, 30), (31, 30)])
def test_test_reviews_from_all_over_the_file_are_encoded_as_training_decides(
    file: Path, asked: int, taken: int
) -> None:
    prepared = prepare(file, asked)
    texts = pq.read_table(file)["text"].to_pylist()
    assert prepared.texts.to_pylist()[0] == texts[40]
    assert prepared.texts.to_pylist()[-1] == texts[69]
    assert len(set(prepared.texts.to_pylist())) == len(prepared.sequences) == len(prepared.features) == taken
    assert "unseen" not in prepared.vocabulary.words.to_pylist()
    assert prepared.sequences.lengths.max() <= prepared.encoder.max_length


def test_figures_are_written_and_shown(file: Path, tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    given = ["--reviews", str(file), "--rows", "20", "--repeats", "1", "--output", str(output)]
    result = CliRunner().invoke(main, given, catch_exceptions=False)
    assert result.exit_code == 0
    stored = json.loads(output.read_text(encoding="utf-8"))
    assert (stored["settings"]["rows"], stored["settings"]["repeats"]) == (20, 1)
    assert set(stored["found"]) == set(MODEL_NAMES)
    assert markdown(read_figures(output)) in result.output
    for name, of in stored["found"].items():
        assert f"| scoring, 20 reviews, {name} |" in result.output
        assert of["largest_difference"] < 1e-5


def test_the_stored_figures_show_the_gain_on_real_reviews() -> None:
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert stored["settings"]["rows"] >= 4096
    for of in stored["found"].values():
        assert of["largest_difference"] <= 1e-5
    ratios = [figure.ratio for figure in read_figures(RESULTS) if figure.ratio is not None]
    assert len(ratios) == len(MODEL_NAMES)
    assert max(ratios) <= 0.5
