from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks.figures import markdown, read_figures
from benchmarks.tokenization import RESULTS, Corpus, by_arrow, by_loop, main, read
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
    given = ["--reviews", str(reviews), "--repeats", "2", "--output", str(output)]
    result = CliRunner().invoke(main, given, catch_exceptions=False)
    assert result.exit_code == 0
    stored = json.loads(output.read_text(encoding="utf-8"))
    assert markdown(read_figures(output)) in result.output
    assert (stored["settings"]["rows"], stored["settings"]["repeats"]) == (5, 2)
    assert [of["words"] for of in stored["found"].values()] == [19, 20]
    assert len(stored["found"]["words"]["loop_seconds"]["cpu"]) == 2
    assert [figure.target for figure in read_figures(output)] == [5.0, None, 5.0, None]


def test_the_stored_figures_are_of_all_reviews_and_show_the_gain() -> None:
    assert json.loads(RESULTS.read_text(encoding="utf-8"))["settings"]["rows"] == 50_000
    for figure in read_figures(RESULTS):
        assert figure.reached or (figure.ratio or math.inf) < 1
