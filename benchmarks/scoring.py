"""How fast reviews are scored: batches of similar length against Keras' own `predict` on full padding.

Both are given the same encoded test reviews and the same model, in turns and in one process. Then the whole way from
raw text: words, ranks, features, probabilities. The weights are fresh, since no speed depends on them, and the
vocabulary, the length that reviews are cut to and the scaler are those of the training rows.

    python -m benchmarks.scoring --reviews imdb_reviews.parquet

The file has columns `split` and `text`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.figures import Figure, markdown, read_figures, write_result
from benchmarks.machine import machine
from benchmarks.options import reviews_option
from storage.bundles import Bundle
from storage.options import DataOptions, FeatureOptions
from storage.records import MODEL_NAMES, ModelName
from storage.sequences import Sequences
from tasks.features.encoding import Encoder
from tasks.features.review_features import review_features
from tasks.features.scaler import Scaler
from tasks.features.tokenization import WordTable, split_into_words
from tasks.features.vocabulary import Vocabulary
from tasks.training.runtime import prepare_keras

RESULTS = Path(__file__).parent / "results" / "scoring.json"
BATCH_SIZE = 256
_PIECE = 2048

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Reviews of a split, and what the training rows decide.

    Attributes:
        texts: Raw, `(rows,)`.
        sequences: Encoded and cut, `(rows, ragged)`.
        features: Standardised, float32 `(rows, features)`.
    """

    texts: pa.StringArray
    vocabulary: Vocabulary
    encoder: Encoder
    scaler: Scaler
    sequences: Sequences
    features: npt.NDArray[np.float32]


def prepare(reviews: Path, num_rows: int, split: str = "test") -> Prepared:
    """Build the vocabulary of the training rows, and encode rows of a split from all over the file."""
    table = pq.read_table(reviews, columns=["split", "text"])
    splits = np.array(table["split"].to_pylist())
    texts = table["text"].combine_chunks().cast(pa.string())
    vocabulary, tokens = learn(texts.filter(pa.array(splits == "train")))
    encoder = Encoder.fit(tokens.lengths, FeatureOptions(), vocabulary)
    scaler = Scaler.fit(review_features(encoder.encode(tokens), encoder.num_words))
    positions = np.flatnonzero(splits == split)
    chosen = positions[np.linspace(0, len(positions) - 1, min(num_rows, len(positions))).astype(int)]
    scored = texts.take(pa.array(chosen))
    encoded = encoder.encode(vocabulary.ranks(scored))
    features = scaler.transform(review_features(encoded, encoder.num_words))
    return Prepared(scored, vocabulary, encoder, scaler, encoder.truncate(encoded), features)


def learn(texts: pa.StringArray) -> tuple[Vocabulary, Sequences]:
    """The vocabulary of some texts, and their ranks under it."""
    options, table, parts = DataOptions(), WordTable(), list[Sequences]()
    for start in range(0, len(texts), _PIECE):
        parts.append(table.add(split_into_words(texts.slice(start, _PIECE), options.tokenization)))
    numbers = np.concatenate([part.values for part in parts])
    counts = np.bincount(numbers, minlength=len(table))
    vocabulary = Vocabulary.build(table, counts, options.vocabulary_size, options.tokenization)
    ranks = vocabulary.ranks_of_table(table.words)[numbers]
    return vocabulary, Sequences.from_lengths(ranks, np.concatenate([part.lengths for part in parts]))


def measure(name: ModelName, prepared: Prepared, repeats: int) -> dict[str, Any]:
    """Seconds of each way, `(repeats,)`, and how far the probabilities differ."""
    prepare_keras()
    import keras

    from tasks.evaluation.scoring import score
    from tasks.features.batching import predict
    from tasks.models import build_model

    keras.utils.set_random_seed(7)
    model = build_model(name, num_words=prepared.encoder.num_words, num_features=prepared.features.shape[1])
    vocabulary = prepared.vocabulary.to_json()
    bundle = Bundle("", model, prepared.encoder.to_json(), prepared.scaler.to_json(), {}, vocabulary)
    padded = {"seq": prepared.sequences.padded(prepared.encoder.max_length), "feat": prepared.features}
    inputs = {key: padded[key] for key in model.input}

    def in_full() -> Probabilities:
        return cast(Probabilities, model.predict(inputs, batch_size=BATCH_SIZE, verbose=0)[:, 0])

    ways: dict[str, Callable[[], Probabilities]] = {
        "full_padding": in_full,
        "by_length": lambda: predict(model, prepared.sequences, prepared.features),
        "from_text": lambda: score(bundle, prepared.texts),
    }
    # The first run of each way traces its functions, and is not counted.
    answers = {way: run() for way, run in ways.items()}
    seconds = {way: np.empty(repeats) for way in ways}
    for repeat in range(repeats):
        for way, run in ways.items():
            started = time.perf_counter()
            run()
            seconds[way][repeat] = time.perf_counter() - started
    return {
        **{f"{way}_seconds": taken.round(3).tolist() for way, taken in seconds.items()},
        "largest_difference": max(float(np.abs(one - answers["full_padding"]).max()) for one in answers.values()),
    }


def figures_of(name: ModelName, found: dict[str, Any], num_rows: int) -> list[Figure]:
    """What a model's seconds come to."""
    what = f"{num_rows:,} reviews, {name}"
    full, by_length, from_text = (found[f"{way}_seconds"] for way in ("full_padding", "by_length", "from_text"))
    return [
        Figure.of_turns(f"scoring, {what}", by_length, full, against="Keras' `predict`, padded in full"),
        Figure(f"scoring from raw text, {what}", "s", float(np.median(from_text))),
    ]


positive = click.IntRange(min=1)


@click.command()
@reviews_option
@click.option("--rows", type=positive, default=8192, show_default=True, help="Most test reviews to score.")
@click.option("--repeats", type=positive, default=5, show_default=True, help="Runs of each way.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Where figures go.")
def main(reviews: Path, rows: int, repeats: int, output: Path) -> None:
    """Measure scoring by length against full padding, and the whole way from raw text."""
    prepare_keras()
    import keras

    prepared = prepare(reviews, rows)
    found: dict[str, dict[str, Any]] = {name: measure(name, prepared, repeats) for name in MODEL_NAMES}
    settings = {
        "rows": len(prepared.texts),
        "columns": prepared.encoder.max_length,
        "mean_tokens": round(float(prepared.sequences.lengths.mean()), 1),
        "batch_size": BATCH_SIZE,
        "repeats": repeats,
    }
    described = machine("pyarrow", "numpy", "keras") | {"backend": keras.config.backend()}
    figures = [figure for name in MODEL_NAMES for figure in figures_of(name, found[name], len(prepared.texts))]
    write_result(output, machine=described, settings=settings, found=found, figures=figures)
    click.echo(markdown(read_figures(output)))


if __name__ == "__main__":
    main()
