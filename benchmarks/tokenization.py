"""How long raw reviews take to become ranks, against a plain Python loop that does the same.

Both make word numbers, content hashes, the vocabulary of the training rows and ranks, in turns and in one process, from
texts that are in memory as Arrow batches.

    python -m benchmarks.tokenization imdb_reviews.parquet

The file has columns `split` and `text`. On ASCII texts the two agree to the word, as a test holds; the loop takes no
care of Unicode, symbols and entities.
"""

from __future__ import annotations

import hashlib
import json
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

from benchmarks.machine import machine
from storage.options import DataOptions, Tokenization
from storage.sequences import Sequences
from tasks.features.tokenization import WordTable, content_hashes, split_into_words
from tasks.features.vocabulary import Vocabulary

RESULTS = Path(__file__).parent / "results" / "tokenization.json"
BATCH_ROWS = 2048
SIZE = DataOptions().vocabulary_size

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


def compare(corpus: Corpus, tokenization: Tokenization, repeats: int) -> dict[str, Any]:
    """Medians of both ways in seconds of wall and of CPU time, and of the ratio of neighbouring runs.

    Both use one thread, so the ratio is one of CPU times: what else the machine does changes it little.
    """
    runs = [[_seconds(way, corpus, tokenization) for way in (by_arrow, by_loop)] for _ in range(repeats)]
    walls, cpus = np.moveaxis(np.array(runs), 2, 0)
    arrow, loop = ({"wall": wall, "cpu": cpu} for wall, cpu in zip(_medians(walls), _medians(cpus), strict=True))
    found = by_arrow(corpus, tokenization)
    return {
        "words": len(found.ranks.values),
        "distinct_words": found.distinct,
        "arrow_seconds": arrow,
        "loop_seconds": loop,
        "loop_to_arrow": round(float(np.median(cpus[:, 1] / cpus[:, 0])), 2),
    }


def _seconds(way: Callable[[Corpus, Tokenization], Outcome], corpus: Corpus, of: Tokenization) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    way(corpus, of)
    return time.perf_counter() - wall, time.process_time() - cpu


def _medians(seconds: npt.NDArray[np.float64]) -> list[float]:
    """Of each way, from seconds `(repeats, ways)`."""
    medians: list[float] = np.median(seconds, axis=0).round(2).tolist()
    return medians


def markdown(found: dict[str, dict[str, Any]]) -> str:
    """The figures as a table in Markdown."""
    lines = ["| tokenization | Arrow, s (CPU) | Python loop, s (CPU) | loop / Arrow |", "|---|---|---|---|"]
    for name, of in found.items():
        arrow, loop = (f"{of[way]['wall']:.1f} ({of[way]['cpu']:.1f})" for way in ("arrow_seconds", "loop_seconds"))
        lines.append(f"| {name} | {arrow} | {loop} | {of['loop_to_arrow']:.1f} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("reviews", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Runs of each way.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Where figures go.")
def main(reviews: Path, repeats: int, output: Path) -> None:
    """Measure both ways on the REVIEWS, a Parquet file with columns split and text."""
    corpus = read(reviews)
    found = {name: compare(corpus, name, repeats) for name in get_args(Tokenization)}
    settings = {"rows": len(corpus.is_train), "batch_rows": BATCH_ROWS, "repeats": repeats}
    result = {"machine": machine("pyarrow", "numpy"), "settings": settings, "found": found}
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    click.echo(markdown(found))


if __name__ == "__main__":
    main()
