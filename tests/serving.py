"""A small champion that reads text, made by the stages of the retrain flow; only Prefect's engine is stood in for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from storage.options import CheckOptions, RunOptions, TrainingOptions
from storage.records import MODEL_NAMES
from tests.reviews import Review, reviews, write_reviews

TASKS = {"retrain": ("ingest", "train", "evaluate", "promote"), "check": ("featurize", "validate")}
MODELS = MODEL_NAMES
# How people write: what they say stays the same.
MANNERS = (
    "{}",
    "{}!!!<br /><br />I can\u2019t say more.",
    "\u201c{}\u201d \u2013 so said my na\u00efve aunt &amp; uncle",
    "10/10 \U0001f600\n\t{}, isn't it?",
)


@dataclass(frozen=True)
class Served:
    """What was made.

    Attributes:
        home: The folder that RETRAIN_HOME is to name.
        reviews: What the champion of the line `reviews` was trained on and tested with, in the order of its file.
    """

    home: Path
    reviews: list[Review]


def serve(folder: Path) -> Served:
    """Train both models on a file of reviews, and promote one of them."""
    from flows import check, retrain
    from tasks.training.runtime import prepare_keras

    made = reviews(700, seed=1)
    written = [
        replace(one, text=MANNERS[number % len(MANNERS)].format(one.text.capitalize()))
        for number, one in enumerate(made)
    ]
    write_reviews(folder / "reviews.csv", written)
    prepare_keras()
    options = RunOptions(
        source=str(folder / "reviews.csv"),
        models=MODELS,
        epochs=8,
        training=TrainingOptions(batch_size=32, learning_rate=0.005),
        # The tests do what this check does.
        checks=CheckOptions(reload="off"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETRAIN_HOME", str(folder / "home"))
        for name in ("RETRAIN_DATABASE_URL", "RETRAIN_SOURCES", "RETRAIN_IMDB_FILE"):
            patch.delenv(name, raising=False)
        for module in (retrain, check):
            for name in TASKS[module.__name__.rpartition(".")[2]]:
                patch.setattr(module, name, getattr(module, name).fn)
        for name in ("report", "announce_decisions"):
            patch.setattr(retrain, name, lambda *_, **__: None)
        outcome = retrain.run(options)
    assert outcome.message.startswith("promoted"), outcome.message
    return Served(folder / "home", written)
