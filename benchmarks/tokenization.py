"""How long raw reviews take to become ranks, against a plain Python loop that does the same.

Both make word numbers, content hashes, the vocabulary of the training rows and ranks, in turns and in one process, from
texts that are in memory as Arrow batches. Both use one thread, and the ratio is one of CPU times.

    python -m benchmarks.tokenization --reviews imdb_reviews.parquet

The file has columns `split` and `text`. On ASCII texts the two agree to the word, as a test holds; the loop takes no
care of Unicode, symbols and entities.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.figures import Figure, markdown, read_figures, write_result
from benchmarks.machine import machine
from benchmarks.options import reviews_option
from storage.options import DataOptions, Tokenization
from storage.sequences import Sequences
from tasks.features.tokenization import WordTable, content_hashes, split_into_words
from tasks.features.vocabulary import Vocabulary

RESULTS = Path(__file__).parent / "results" / "tokenization.json"
BATCH_ROWS = 2048
SIZE = DataOptions().vocabulary_size
LARGEST_SECONDS = 5.0
"""What 50,000 reviews are to take at most."""

_WORD = re.compile(r"[^\W_]+(?:'+[^\W_]+)*")
_BREAK = re.compile(r"<br ?/?>")
_KERAS = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n\r', " "))


@dataclass(frozen=True)
class Corpus:
    """Texts in batches, and which rows are of train, bool `(rows,)`."""

    batches: list[pa.StringArray]
    is_train: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outcome:
    """What both ways give: ranks `(rows, ragged)`, a hash of each row, and how many distinct words there are."""

    ranks: Sequences
    hashes: list[str]
    distinct: int


def read(path: Path) -> Corpus:
    """The reviews of a Parquet file."""
    table = pq.read_table(path, columns=["split", "text"])
    batches = [batch["text"].cast(pa.string()) for batch in table.to_batches(max_chunksize=BATCH_ROWS)]
    return Corpus(batches, np.array(table["split"].to_pylist()) == "train")


def by_arrow(corpus: Corpus, tokenization: Tokenization) -> Outcome:
    """The project's way."""
    table, hashes, numbered = WordTable(), list[str](), list[Sequences]()
    for batch in corpus.batches:
        words = split_into_words(batch, tokenization)
        hashes += content_hashes(words)
        numbered.append(table.add(words))
    values = np.concatenate([numbers.values for numbers in numbered])
    lengths = np.concatenate([numbers.lengths for numbers in numbered])
    counts = np.bincount(values[np.repeat(corpus.is_train, lengths)], minlength=len(table))
    vocabulary = Vocabulary.build(table, counts, SIZE, tokenization)
    ranks = vocabulary.ranks_of_table(table.words)[values]
    return Outcome(Sequences.from_lengths(ranks, lengths), hashes, len(table))


def by_loop(corpus: Corpus, tokenization: Tokenization) -> Outcome:
    """Plain Python: a regular expression, a dict, a Counter."""
    split = _findall if tokenization == "words" else _keras_split
    numbers, counts, hashes, rows = dict[str, int](), Counter[str](), list[str](), list[list[int]]()
    texts = (text for batch in corpus.batches for text in batch.to_pylist())
    for text, is_train in zip(texts, corpus.is_train, strict=True):
        words = split(text)
        hashes.append(hashlib.blake2b(" ".join(words).encode(), digest_size=8).hexdigest())
        rows.append([numbers.setdefault(word, len(numbers)) for word in words])
        if is_train:
            counts.update(words)
    known = sorted(counts, key=lambda word: (-counts[word], word))[:SIZE]
    rank_of = {word: rank for rank, word in enumerate(known, start=1)}
    ranks = [rank_of.get(word, len(known) + 1) for word in numbers]
    return Outcome(Sequences.from_lists([[ranks[number] for number in row] for row in rows]), hashes, len(numbers))


def _findall(text: str) -> list[str]:
    return _WORD.findall(_BREAK.sub(" ", text.lower()))


def _keras_split(text: str) -> list[str]:
    return [word for word in text.lower().translate(_KERAS).split(" ") if word]


def compare(corpus: Corpus, tokenization: Tokenization, repeats: int) -> tuple[dict[str, Any], list[Figure]]:
    """Seconds of wall and of CPU time of both ways, each `(repeats,)`, and what they come to.

    What else the machine does changes a ratio of CPU times little.
    """
    runs = [[_seconds(way, corpus, tokenization) for way in (by_arrow, by_loop)] for _ in range(repeats)]
    walls, cpus = np.moveaxis(np.array(runs), 2, 0)
    of = by_arrow(corpus, tokenization)
    found: dict[str, Any] = {"words": len(of.ranks.values), "distinct_words": of.distinct}
    for place, way in enumerate(("arrow", "loop")):
        found[f"{way}_seconds"] = {"wall": _listed(walls[:, place]), "cpu": _listed(cpus[:, place])}
    name = f"tokenization, {len(corpus.is_train):,} raw reviews, `{tokenization}`"
    compared = Figure.of_turns(f"{name}, CPU time", cpus[:, 0], cpus[:, 1], against="a Python loop")
    return found, [Figure(name, "s", float(np.median(walls[:, 0])), target=LARGEST_SECONDS), compared]


def _seconds(way: Callable[[Corpus, Tokenization], Outcome], corpus: Corpus, of: Tokenization) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    way(corpus, of)
    return time.perf_counter() - wall, time.process_time() - cpu


def _listed(seconds: npt.NDArray[np.float64]) -> list[float]:
    listed: list[float] = seconds.round(3).tolist()
    return listed


@click.command()
@reviews_option
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Runs of each way.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Where figures go.")
def main(reviews: Path, repeats: int, output: Path) -> None:
    """Measure both ways on the reviews."""
    corpus = read(reviews)
    found, figures = dict[str, Any](), list[Figure]()
    for name in get_args(Tokenization):
        found[name], rows = compare(corpus, name, repeats)
        figures += rows
    settings = {"rows": len(corpus.is_train), "batch_rows": BATCH_ROWS, "repeats": repeats}
    write_result(output, machine=machine("pyarrow", "numpy"), settings=settings, found=found, figures=figures)
    click.echo(markdown(read_figures(output)))


if __name__ == "__main__":
    main()
