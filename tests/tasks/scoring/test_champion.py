from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from storage.bundles import Bundle, load_bundle, read_test_predictions
from storage.errors import ContentError, NotFoundError, OptionError
from storage.metrics.reader import MetricsReader
from storage.options import Tokenization
from storage.records import Champion
from storage.settings import Settings
from tasks.evaluation.fresh_process import score_in_fresh_process
from tasks.features.tokenization import split_into_words
from tasks.scoring import champion as module
from tasks.scoring.champion import Scorer, serving
from tests.serving import MODELS, Served


def champion(line: str, position: int = 1) -> Champion:
    candidate = f"run {position} of {line}/baseline_avgpool"
    return Champion(
        *(line, position, candidate, "baseline_avgpool", "b" * 64, "s" * 64),
        *("promotion", position, "better", datetime(2026, 1, 1, tzinfo=UTC)),
    )


HISTORY = [champion("imdb", 1), champion("shop", 1), champion("imdb", 2)]


@pytest.mark.parametrize(("line", "position"), [("imdb", 2), ("shop", 1)])
def test_the_last_champion_of_the_named_line_serves(line: str, position: int) -> None:
    assert serving(HISTORY, line) == champion(line, position)


def test_the_only_line_needs_no_name() -> None:
    assert serving([champion("imdb", 1), champion("imdb", 2)], "") == champion("imdb", 2)


def test_of_several_lines_one_must_be_named() -> None:
    with pytest.raises(OptionError, match="several lines have a champion, imdb, shop: name one of them with --line"):
        serving(HISTORY, "")


def test_a_line_without_a_champion_is_told_with_those_that_have_one() -> None:
    with pytest.raises(NotFoundError, match="no champion serves on the line 'imbd'; lines that have one: imdb, shop"):
        serving(HISTORY, "imbd")


@pytest.mark.parametrize(("line", "said"), [("", "no champion serves yet: `retrain run`"), ("imdb", "'imdb'.$")])
def test_before_the_first_promotion_nothing_serves(line: str, said: str) -> None:
    with pytest.raises(NotFoundError, match=said):
        serving([], line)


# What it says of texts.


def settings_of(served: Served) -> Settings:
    return Settings.from_environment({"RETRAIN_HOME": str(served.home)})


def champion_of(served: Served) -> Champion:
    return serving(MetricsReader(settings_of(served).database_url).champions(), "reviews")


def stored(served: Served, bundle: str) -> tuple[pa.StringArray, np.ndarray[Any, Any]]:
    """The test reviews as they stand in the file, and what the model said of them before it was published."""
    predictions = read_test_predictions(settings_of(served).bundles, bundle)
    rows = [int(row_id.split("/")[1]) for row_id in predictions.row_ids.to_pylist()]
    return pa.array([served.reviews[row].text for row in rows]), predictions.probabilities


@pytest.mark.parametrize("model", MODELS)
def test_raw_test_reviews_get_their_stored_probabilities_in_a_fresh_process(served: Served, model: str) -> None:
    run = MetricsReader(settings_of(served).database_url).run("latest")
    [bundle] = [candidate["bundle"] for candidate in run["candidates"] if candidate["model"] == model]
    texts, probabilities = stored(served, bundle)
    assert len(texts) > 100
    assert np.ptp(probabilities) > 0.5
    found = score_in_fresh_process(settings_of(served).bundles, bundle, texts)
    np.testing.assert_allclose(found, probabilities, rtol=0, atol=1e-5)


def test_a_review_gets_the_same_probability_alone_as_among_others(served: Served) -> None:
    scorer = Scorer(settings_of(served), champion_of(served))
    texts, probabilities = stored(served, champion_of(served).bundle)
    # Of very different lengths, so that among others they are padded.
    texts, probabilities = texts[:20], probabilities[:20]
    long = pa.array([" ".join(text.as_py() for text in texts)] * 3)
    among = scorer.probabilities(pa.concat_arrays([long, texts]))[3:]
    alone = np.concatenate([scorer.probabilities(texts[row : row + 1]) for row in range(20)])
    np.testing.assert_allclose(among, probabilities, rtol=0, atol=1e-5)
    np.testing.assert_allclose(alone, probabilities, rtol=0, atol=1e-5)


def test_no_texts_have_no_probabilities(served: Served) -> None:
    none = pa.array([], pa.string())
    scorer = Scorer(settings_of(served), champion_of(served))
    assert scorer.probabilities(none).shape == scorer.has_words(none).shape == (0,)


def test_a_champion_that_was_trained_on_word_ranks_cannot_read_text(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "load_bundle", lambda *given: replace(load_bundle(*given), vocabulary=None))
    scorer = Scorer(settings_of(served), champion_of(served))
    with pytest.raises(ContentError, match=r"trained on the word ranks of .*, and cannot read text: train one on"):
        scorer.probabilities(pa.array(["A good film."]))


def test_a_damaged_bundle_is_not_used(served: Served) -> None:
    with pytest.raises(ContentError):
        Scorer(settings_of(served), replace(champion_of(served), bundle="0" * 64))


Fake = Callable[[Tokenization], Scorer]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A scorer that knows how texts become words, and no more."""

    def make(tokenization: Tokenization) -> Scorer:
        bundle = Bundle("d", None, {}, {}, {}, {"tokenization": tokenization, "words": []})
        monkeypatch.setattr(module, "load_bundle", lambda *_: bundle)
        return Scorer(Settings.from_environment({"RETRAIN_HOME": "nowhere"}), champion("imdb"))

    return make


TEXTS = [
    *("A film", "1", "a", "'tis", " x", "!!!", "?", "", " \n", "...!", "&amp;", "&eacute;t&eacute;", "<br />"),
    *("<br/>b", "\u201cno\u201d", "\U0001f600", "\u0301", "été", "-", "'", "<3", "- b", "\ufffd", "電影", "&#33;"),
]


@pytest.mark.parametrize("tokenization", ["words", "keras"])
def test_whether_a_text_has_words_is_what_its_tokenization_says(reads: Fake, tokenization: Tokenization) -> None:
    words = split_into_words(pa.array(TEXTS), tokenization).to_pylist()
    found = reads(tokenization).has_words(pa.array(TEXTS)).tolist()
    assert dict(zip(TEXTS, found, strict=True)) == {text: bool(row) for text, row in zip(TEXTS, words, strict=True)}
    assert set(found) == {True, False}


def test_a_champion_that_gives_no_numbers_is_told(reads: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.evaluation import scoring

    monkeypatch.setattr(scoring, "score", lambda *_: np.array([0.5, np.nan], np.float32))
    with pytest.raises(
        ContentError, match=r"run 1 of imdb/baseline_avgpool gives no number for 1 of 2 reviews: put an"
    ):
        reads("words").probabilities(pa.array(["a", "b"]))
