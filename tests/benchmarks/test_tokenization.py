from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks.tokenization import RESULTS, Corpus, by_arrow, by_loop, main, markdown, read
from storage.options import Tokenization

TEXTS = [
    "A film, a FILM!<br />Don't miss it.",
    "",
    "It's 'bad'; really\tbad:\n1/10",
    "don't see the film",
    "unseen here",
]
SPLITS = ["train", "train", "train", "train", "test"]


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"split": SPLITS, "text": TEXTS}), path)
    return path


@pytest.mark.parametrize("tokenization", ["words", "keras"])
def test_both_ways_give_the_same(reviews: Path, tokenization: Tokenization) -> None:
    whole = read(reviews)
    batches = [piece for batch in whole.batches for piece in (batch[:2], batch[2:])]
    arrow, loop = by_arrow(Corpus(batches, whole.is_train), tokenization), by_loop(whole, tokenization)
    assert np.array_equal(arrow.ranks.values, loop.ranks.values)
    assert np.array_equal(arrow.ranks.offsets, loop.ranks.offsets)
    assert (arrow.hashes, arrow.distinct) == (loop.hashes, loop.distinct)


def test_figures_are_written_and_shown(reviews: Path, tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    result = CliRunner().invoke(main, [str(reviews), "--repeats", "1", "--output", str(output)], catch_exceptions=False)
    assert result.exit_code == 0
    figures = json.loads(output.read_text(encoding="utf-8"))
    assert markdown(figures["found"]) in result.output
    assert (figures["settings"]["rows"], figures["settings"]["repeats"]) == (5, 1)
    assert [of["words"] for of in figures["found"].values()] == [19, 20]


def test_the_stored_figures_are_of_all_reviews_and_show_the_gain() -> None:
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert stored["settings"]["rows"] == 50_000
    for of in stored["found"].values():
        assert of["loop_to_arrow"] > 1
        assert of["arrow_seconds"]["cpu"] <= 5
