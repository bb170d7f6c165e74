"""How long word ranks take to become what the models are fed, against the notebook's loop over the reviews.

Both encode the ranks of the training rows, find the length that reviews are cut to, derive six numbers from each
review, standardise them and cut the reviews: the project with a few passes over one flat array, the loop with lists of
Python and NumPy's functions called for each review. They run in turns and in one process; both use one thread, and the
ratio is one of CPU times. A test holds that both give the same.

    python -m benchmarks.featurization --reviews imdb_reviews.parquet

The file has columns `split` and `text`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.preprocessing import StandardScaler

from benchmarks.figures import Figure, markdown, read_figures, write_result
from benchmarks.machine import machine
from benchmarks.options import reviews_option
from benchmarks.scoring import learn
from storage.options import FeatureOptions
from storage.records import Split
from storage.sequences import Sequences
from storage.snapshots import Rows, row_ids
from tasks.features.matrices import fit_and_featurize
from tasks.features.vocabulary import Vocabulary

RESULTS = Path(__file__).parent / "results" / "featurization.json"
LARGEST_RATIO = 0.1
_OPTIONS = FeatureOptions()


@dataclass(frozen=True, eq=False)
class Ranks:
    """Word ranks of reviews, in the shape that each of the two ways begins with.

    Attributes:
        rows: As a snapshot holds them; their labels have no meaning.
        lists: The same ranks as lists of Python's integers, as Keras hands them over.
    """

    rows: Rows
    lists: list[list[int]]
    vocabulary: Vocabulary


@dataclass(frozen=True, eq=False)
class Featurized:
    """What both ways give.

    Attributes:
        sequences: Encoded and cut: `(rows, ragged)`, or as many lists.
        features: Standardised, float32 `(rows, features)`.
    """

    sequences: Sequences | list[list[int]]
    features: npt.NDArray[np.float32]


def read(path: Path) -> Ranks:
    """The training reviews of a Parquet file, by the ranks of their own vocabulary."""
    table = pq.read_table(path, columns=["split", "text"])
    is_train = pa.array(np.array(table["split"].to_pylist()) == "train")
    vocabulary, tokens = learn(table["text"].combine_chunks().cast(pa.string()).filter(is_train))
    rows = Rows(row_ids("train", tokens), np.zeros(len(tokens), dtype=np.uint8), tokens)
    return Ranks(rows, [tokens.row(row).tolist() for row in range(len(tokens))], vocabulary)


def by_passes(ranks: Ranks) -> Featurized:
    """The project's way."""
    none = ranks.rows.take(np.empty(0, dtype=np.int64))
    splits: dict[Split, Rows] = {"train": ranks.rows, "validation": none, "test": none}
    matrices, _, _ = fit_and_featurize(splits, _OPTIONS, ranks.vocabulary)
    return Featurized(matrices["train"].sequences, matrices["train"].features)


def by_loop(ranks: Ranks) -> Featurized:
    """The notebook's way, a review after the other."""
    num_words = min(_OPTIONS.num_words, ranks.vocabulary.oov_rank + _OPTIONS.index_from)
    encoded = [[_OPTIONS.start_index, *(_index(rank, num_words) for rank in review)] for review in ranks.lists]
    max_length = int(np.percentile([len(review) for review in encoded], _OPTIONS.max_length_percentile))
    features = np.array([_features(review, num_words) for review in encoded])
    scaled = StandardScaler().fit_transform(features).astype(np.float32)
    return Featurized([review[-max_length:] for review in encoded], scaled)


def _index(rank: int, num_words: int) -> int:
    index = rank + _OPTIONS.index_from
    return index if index < num_words else _OPTIONS.oov_index


def _features(review: list[int], num_words: int) -> list[float]:
    indices = np.array(review)
    counts, _ = np.histogram(indices, bins=50, range=(0, num_words))
    shares = counts[counts > 0] / len(indices)
    return [
        float(len(indices)),
        float(np.mean(indices < 500)),
        float(np.mean(indices >= 20_000)),
        float(np.mean(indices)),
        float(np.std(indices)),
        float(-np.sum(shares * np.log(shares))),
    ]


def compare(ranks: Ranks, repeats: int) -> dict[str, list[float]]:
    """Seconds of CPU time of both ways, each `(repeats,)`; the first run of each warms up and is not counted."""
    ways: dict[str, Callable[[Ranks], Featurized]] = {"passes": by_passes, "loop": by_loop}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats + 1):
        for way, run in ways.items():
            started = time.process_time()
            run(ranks)
            seconds[way].append(time.process_time() - started)
    return {f"{way}_seconds": [round(one, 4) for one in taken[1:]] for way, taken in seconds.items()}


@click.command()
@reviews_option
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Runs of each way.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Where figures go.")
def main(reviews: Path, repeats: int, output: Path) -> None:
    """Measure both ways on the training reviews."""
    ranks = read(reviews)
    found = compare(ranks, repeats)
    tokens = ranks.rows.tokens
    name = f"featurization, {len(tokens):,} reviews, CPU time"
    taken = found["passes_seconds"], found["loop_seconds"]
    figures = [Figure.of_turns(name, *taken, against="the notebook's loop", target=LARGEST_RATIO)]
    settings = {"rows": len(tokens), "words": len(tokens.values), "repeats": repeats}
    described = machine("numpy", "scikit-learn")
    write_result(output, machine=described, settings=settings, found=found, figures=figures)
    click.echo(markdown(read_figures(output)))


if __name__ == "__main__":
    main()
