from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage.errors import SourceError
from storage.options import ColumnOptions, DataOptions
from storage.records import SPLITS, Split
from storage.sequences import Sequences
from storage.snapshots import content_hashes, open_snapshot, write_snapshot
from tasks.features.vocabulary import Vocabulary
from tasks.sources.base import Limits
from tasks.sources.files import open_path
from tasks.sources.texts import GatheredTexts, TextPart, gather

Row = dict[str, Any]
WORDS = ("good", "bad", "fine", "poor", "great", "awful", "film", "plot", "actor", "scene")


def reviews(count: int, *, seed: int = 0) -> list[Row]:
    """Different texts, as many of each label."""
    random = np.random.default_rng(seed)
    return [
        {"text": f"{' '.join(random.choice(WORDS, 8))} number {seed} {index}", "label": index % 2}
        for index in range(count)
    ]


class Bench:
    """Files of reviews in a folder, gathered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0
        self.quarantine = folder / "quarantine" / "run.jsonl"

    def part(self, name: str, rows: Sequence[Row]) -> TextPart:
        path = self.folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        columns = ColumnOptions()
        return TextPart(name, open_path(path, columns, Limits(2**30, 10**6, 10**5)), columns)

    def gather(self, *parts: TextPart, sample_size: int = 0, **options: Any) -> GatheredTexts:
        self._count += 1
        spool = self.folder / f"spool-{self._count}"
        return gather(parts, DataOptions(**options), sample_size, spool=spool, quarantine=self.quarantine)

    def gather_rows(self, rows: Sequence[Row], **options: Any) -> GatheredTexts:
        return self.gather(self.part("shop", rows), **options)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def texts_of(found: GatheredTexts, split: Split) -> list[str]:
    return [text for batch in found.texts.batches[split]() for text in batch.to_pylist()]


def sides(found: GatheredTexts) -> dict[str, Split]:
    """The split of each row, by what it says."""
    return {one: split for split in SPLITS for one in content_hashes(found.splits[split].ids).to_pylist()}


def test_every_row_goes_to_one_split_with_its_text_its_words_and_its_label(bench: Bench) -> None:
    rows = reviews(500)
    found = bench.gather_rows(rows)

    vocabulary = Vocabulary.from_json(found.texts.vocabulary)
    words = ["", *vocabulary.words.to_pylist(), ""]
    label_of = {row["text"]: row["label"] for row in rows}
    seen = []
    for split in SPLITS:
        part, texts = found.splits[split], texts_of(found, split)
        assert len(texts) == len(part.ids) == len(part.labels) == len(part.tokens)
        for index, text in enumerate(texts):
            ranks = part.tokens.row(index).tolist()
            spoken = [words[rank] or "?" for rank in ranks]
            assert len(spoken) == len(text.split())
            assert all(word in (said, "?") for word, said in zip(spoken, text.split(), strict=True))
            assert part.labels[index] == label_of[text]
        seen += texts
    assert sorted(seen) == sorted(label_of)


def test_an_id_says_the_file_the_place_and_the_words(bench: Bench) -> None:
    found = bench.gather_rows([{"text": ""}, *reviews(200)], validation_share=0.2)
    places = sorted(int(one.split("/")[1]) for split in SPLITS for one in found.splits[split].ids.to_pylist())
    assert places == list(range(1, 201))
    assert {one.split("/")[0] for one in found.splits["train"].ids.to_pylist()} == {"shop"}


def test_the_vocabulary_is_of_the_training_rows_alone(bench: Bench) -> None:
    found = bench.gather_rows(reviews(500))

    vocabulary = Vocabulary.from_json(found.texts.vocabulary)
    spoken = {word for text in texts_of(found, "train") for word in text.split()}
    assert set(vocabulary.words.to_pylist()) == spoken
    others = {word for split in SPLITS[1:] for text in texts_of(found, split) for word in text.split()}
    assert others - spoken, "the test would show nothing"
    assert found.splits["train"].tokens.values.max() == len(vocabulary)
    assert found.splits["test"].tokens.values.max() == vocabulary.oov_rank


def test_the_vocabulary_keeps_the_most_frequent_words(bench: Bench) -> None:
    found = bench.gather_rows(reviews(500), vocabulary_size=10)
    vocabulary = Vocabulary.from_json(found.texts.vocabulary)
    assert set(vocabulary.words.to_pylist()) <= {*WORDS, "number", "0"}
    assert len(vocabulary) == 10


def test_a_review_keeps_its_side_when_more_arrive(bench: Bench) -> None:
    first = bench.gather(bench.part("shop", reviews(500)))
    before = sides(first)

    second = bench.gather(bench.part("shop", reviews(500)), bench.part("more", reviews(300, seed=1)))

    after = sides(second)
    assert len(after) == 800
    assert {one: after[one] for one in before} == before


def test_ids_of_earlier_rows_stay_when_more_arrive(bench: Bench) -> None:
    first = bench.gather(bench.part("shop", reviews(100)))
    second = bench.gather(bench.part("shop", reviews(100)), bench.part("more", reviews(100, seed=1)))
    for split in SPLITS:
        assert set(first.splits[split].ids.to_pylist()) <= set(second.splits[split].ids.to_pylist())


def test_duplicates_never_straddle_the_splits_however_they_are_written(bench: Bench) -> None:
    rows = reviews(300)
    shouted = [{"text": f"<br />{row['text'].upper()}!!!", "label": row["label"]} for row in rows]

    found = bench.gather_rows([*rows, *shouted])

    hashes = [set(content_hashes(found.splits[split].ids).to_pylist()) for split in SPLITS]
    assert sum(map(len, hashes)) == len(set.union(*hashes)) == 300
    assert sum(len(found.splits[split].ids) for split in SPLITS) == 600


def test_a_row_of_two_files_is_taken_once_unless_its_label_differs(bench: Bench) -> None:
    rows = reviews(200)
    again = [{**row, "label": 1 - row["label"]} if index < 5 else row for index, row in enumerate(rows)]

    found = bench.gather(bench.part("shop", rows), bench.part("again", [*again, *reviews(50, seed=1)]))

    assert sum(len(found.splits[split].ids) for split in SPLITS) == 200 + 5 + 50
    assert found.contents.num_repeated == 195
    assert found.contents.num_rows == 450


def test_repetitions_within_a_file_stay_for_the_check_to_count(bench: Bench) -> None:
    found = bench.gather_rows([*reviews(200), *reviews(200)])
    assert sum(len(found.splits[split].ids) for split in SPLITS) == 400
    assert found.contents.num_repeated == 0


def test_a_split_of_the_sources_own_is_kept(bench: Bench) -> None:
    rows = [{**row, "split": "test" if index < 150 else "train"} for index, row in enumerate(reviews(500))]

    found = bench.gather_rows(rows)

    assert len(found.splits["test"].ids) == 150
    assert len(found.splits["train"].ids) + len(found.splits["validation"].ids) == 350
    assert {one.split("/")[0] for one in found.splits["test"].ids.to_pylist()} == {"shop.test"}
    assert {one.split("/")[0] for one in found.splits["validation"].ids.to_pylist()} == {"shop.train"}


def test_ratings_go_with_their_rows_and_are_unknown_in_a_file_without_any(bench: Bench) -> None:
    rated = [{**row, "rating": 9 if row["label"] else 2} for row in reviews(300)]

    found = bench.gather(bench.part("rated", rated), bench.part("plain", reviews(100, seed=1)))

    for split in SPLITS:
        part = found.splits[split]
        assert part.ratings is not None
        for row_id, label, rating in zip(part.ids.to_pylist(), part.labels, part.ratings.to_pylist(), strict=True):
            assert rating == ((9 if label else 2) if row_id.startswith("rated") else None)
    assert bench.gather_rows(reviews(300)).splits["train"].ratings is None


def test_validation_rows_of_the_sources_own_are_all_there_are(bench: Bench) -> None:
    names = ["train", "train", "validation", "test"]
    found = bench.gather_rows([{**row, "split": names[index % 4]} for index, row in enumerate(reviews(400))])
    assert {split: len(found.splits[split].ids) for split in SPLITS} == {"train": 200, "validation": 100, "test": 100}


def test_refused_rows_are_told_and_kept_aside(bench: Bench) -> None:
    rows = [
        *reviews(100),
        {"text": "", "label": 1},
        {"text": "well", "label": "maybe"},
        {"text": "!!! ...", "label": 0},
    ]

    found = bench.gather_rows(rows)

    assert (found.contents.num_rows, found.contents.num_refused) == (103, 3)
    assert sum(found.contents.reasons.values()) == 3
    assert [example.split(",")[0] for example in found.contents.examples] == ["shop"] * 3
    assert found.contents.quarantine == str(bench.quarantine)
    kept = [json.loads(line) for line in bench.quarantine.read_text(encoding="utf-8").splitlines()]
    assert sorted(one["position"] for one in kept) == [100, 101, 102]
    assert {one["text"] for one in kept} == {"", "well", "!!! ..."}
    assert all(one["reason"] and one["source"].endswith("shop.jsonl") for one in kept)
    assert next(one["reason"] for one in kept if one["position"] == 102) == "no word in its text"


def test_nothing_is_kept_aside_where_nothing_is_refused(bench: Bench) -> None:
    found = bench.gather_rows(reviews(100))
    assert found.contents.quarantine == ""
    assert not bench.quarantine.exists()


def test_what_a_first_try_had_set_aside_is_not_there_twice_after_the_second(bench: Bench) -> None:
    rows = [*reviews(50), {"text": "", "label": 0}]
    whole, gone = bench.part("shop", rows), bench.part("gone", rows)
    (bench.folder / "gone.jsonl").unlink()
    with pytest.raises(SourceError):
        bench.gather(whole, gone)
    assert bench.quarantine.is_file()

    assert bench.gather(whole).contents.num_refused == 1
    assert len(bench.quarantine.read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.parametrize("size", [20, 50])
def test_a_sample_is_chosen_by_content_and_grows_by_adding(bench: Bench, size: int) -> None:
    found = bench.gather_rows(reviews(500), sample_size=size)
    assert len(found.splits["test"].ids) == size
    assert len(found.splits["train"].ids) + len(found.splits["validation"].ids) == size
    larger = sides(bench.gather_rows(reviews(500), sample_size=size + 10))
    assert sides(found).items() <= larger.items()


def test_too_few_reviews_to_split_are_told(bench: Bench) -> None:
    with pytest.raises(SourceError, match="1 reviews are too few: none of them is left for"):
        bench.gather_rows(reviews(1))


def test_the_same_content_gives_the_same_snapshot_and_its_texts_come_back(bench: Bench, tmp_path: Path) -> None:
    def write(found: GatheredTexts) -> str:
        return write_snapshot(
            tmp_path / "snapshots", found.splits, line="shop", origin="", reason="", sha256="", split_seed=1,
            texts=found.texts,
        ).id  # fmt: skip

    found = bench.gather_rows(reviews(300))
    snapshot_id = write(found)

    assert write(bench.gather_rows(reviews(300))) == snapshot_id
    assert write(bench.gather_rows(reviews(301))) != snapshot_id
    stored = open_snapshot(tmp_path / "snapshots", snapshot_id)
    vocabulary = stored.vocabulary()
    assert vocabulary is not None
    assert vocabulary == found.texts.vocabulary
    for split in SPLITS:
        texts = stored.raw(split)
        assert not isinstance(texts, Sequences)
        assert texts.to_pylist() == texts_of(found, split)
        ranks = Vocabulary.from_json(vocabulary).ranks(texts)
        assert ranks.values.tolist() == stored.rows(split).tokens.values.tolist()
