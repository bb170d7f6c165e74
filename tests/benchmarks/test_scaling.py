from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks.scaling import FAR_BYTES, RESULTS, figures_of, found_of, growth, in_process, main, markdown
from benchmarks.scaling_picture import draw
from benchmarks.scaling_stages import STAGES, run_stage, write_reviews


def cost(seconds: float, anonymous: float) -> dict[str, float]:
    return {"seconds": seconds, "cpu_seconds": seconds / 2, "anonymous": anonymous, "resident": 2 * anonymous}


# 0.1 ms and 50 bytes a review, and 100 MB as soon as it starts.
LINEAR = {rows: dict.fromkeys(STAGES, cost(rows / 10_000, 1e8 + 50 * rows)) for rows in (1_000, 10_000, 100_000)}


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.parquet"
    write_reviews(path, 400)
    return path


def test_the_corpus_has_its_rows_with_both_labels_and_is_the_same_every_time(tmp_path: Path, reviews: Path) -> None:
    write_reviews(tmp_path / "again.parquet", 400)

    table = pq.read_table(reviews)

    assert table.equals(pq.read_table(tmp_path / "again.parquet"))
    assert table["label"].value_counts().field("counts").to_pylist() == pytest.approx([200, 200], abs=60)
    assert len(set(table["text"].to_pylist())) == 400


def test_the_stages_run_one_after_the_other_with_the_code_of_a_real_run(
    tmp_path: Path, reviews: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RETRAIN_DATABASE_URL", raising=False)
    monkeypatch.delenv("RETRAIN_SOURCES", raising=False)

    for stage in STAGES:
        took = run_stage(stage, reviews)
        assert took["seconds"] > 0
        assert took["cpu_seconds"] > 0
        state = json.loads((tmp_path / "home" / "scaling.json").read_text(encoding="utf-8"))
        if stage == "checks":
            assert sum(state["snapshot"]["num_rows"].values()) == 400
            verdicts = {one["name"]: one["verdict"] for one in state["checks"]}
            assert verdicts["train/test alignment"] == verdicts["consistent scaler"] == "pass"

    assert state["scored"] == pq.read_metadata(tmp_path / "home" / "scores.parquet").num_rows == 400


def test_a_stage_is_measured_from_outside_and_its_failure_is_told(tmp_path: Path, reviews: Path) -> None:
    found = in_process("ingest", reviews, tmp_path / "home")

    assert 0 < found["anonymous"] < found["resident"]
    assert found["seconds"] > 0
    assert found["cpu_seconds"] > 0
    with pytest.raises(click.ClickException, match="the stage featurization failed with 1: FileNotFoundError"):
        in_process("featurization", reviews, tmp_path / "elsewhere")


def test_the_slope_is_that_between_the_two_largest_sizes_and_reaches_to_ten_million() -> None:
    grown = growth({rows: of["ingest"] for rows, of in LINEAR.items()} | {1_000: cost(9, 9e9)})

    assert grown["microseconds_per_review"] == 100
    assert (grown["anonymous_bytes_per_review"], grown["resident_bytes_per_review"]) == (50, 100)
    assert grown["exponents"] == {"seconds": 1, "cpu_seconds": 1}
    assert grown["anonymous_at_10_million"] == pytest.approx(1e8 + 5e8)
    assert grown["seconds_at_10_million"] == pytest.approx(1000)


def test_the_tables_tell_each_size_and_the_extrapolation_as_one() -> None:
    shown = markdown(found_of(LINEAR))

    assert "| ingest | 100,000 | 10.0 | 5.0 | 100 | 200 |" in shown
    assert "| checks | 100.0 | 1.00 | 1.00 | 50 | 0.6 |" in shown
    assert "extrapolated to 10,000,000 reviews" in shown
    names = [figure.name for figure in figures_of(found_of(LINEAR))]
    assert "ingest, 10,000,000 reviews, extrapolated: anonymous memory" in names


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw(found_of(LINEAR), tmp_path / "scaling.png")

    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


def test_a_slope_needs_two_sizes() -> None:
    result = CliRunner().invoke(main, ["--rows", "1000"])

    assert result.exit_code == 2
    assert "a slope needs two" in result.output


def test_the_stored_figures_are_of_a_million_reviews_and_ten_million_fit() -> None:
    stored: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))

    assert max(stored["settings"]["sizes"]) == 1_000_000
    assert set(stored["found"]) == set(STAGES)
    for of in stored["found"].values():
        assert of["growth"]["anonymous_at_10_million"] <= FAR_BYTES
        assert of["growth"] == growth({int(rows): cost for rows, cost in of["costs"].items()})
