"""The command `retrain predict`, with a small real champion: in this process, and as it is installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from storage.bundles import read_test_predictions
from storage.metrics.reader import MetricsReader
from storage.settings import Settings
from tests.flows.conftest import Command
from tests.reviews import write_reviews
from tests.serving import Served

RETRAIN = Path(sys.executable).parent / "retrain"


@pytest.fixture
def settings(served_home: Path) -> Settings:
    """The home that the command of this process finds: one with a champion."""
    return Settings.from_environment()


@pytest.fixture
def files(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with three reviews."""
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_reviews(folder / "in.csv", served.reviews[:3])
    return folder


# Texts.

GOOD, BAD = "A wonderful, superb, moving film.", "Awful and boring; a terrible, dull [story]."


def test_texts_are_labelled_for_a_person(settings: Settings, retrain: Command) -> None:
    code, out, err = retrain("predict", GOOD, BAD)
    assert (code, err) == (0, "")
    good, bad, by = out.splitlines()[1:]
    assert re.fullmatch(rf"1 positive +0\.[5-9]\d+ +{re.escape(GOOD)} *", good)
    assert re.fullmatch(rf"0 negative +0\.[0-4]\d+ +{re.escape(BAD)} *", bad)
    assert re.fullmatch(r"by the champion \S+/(baseline_avgpool|advanced_bilstm_features)", by)


def test_texts_are_labelled_for_a_program(settings: Settings, retrain: Command) -> None:
    code, out, err = retrain("predict", "--json", "--line", "reviews", GOOD, BAD)
    assert (code, err) == (0, "")
    good, bad = json.loads(out)
    assert set(good) == {"text", "probability", "label", "champion"}
    assert (good["text"], good["label"], bad["text"], bad["label"]) == (GOOD, 1, BAD, 0)
    assert good["probability"] > 0.5 > bad["probability"]


# A file.


def test_a_file_is_labelled_for_a_person(files: Path, settings: Settings, retrain: Command) -> None:
    code, out, err = retrain("predict", "--input", "in.csv", "--output", "out.jsonl")
    assert (code, err) == (0, "")
    assert re.match(r"3 rows: \d positive, \d negative, 0 without a label, by the champion \S+/\w+\n", out)
    assert out.splitlines()[-1] == str(files / "out.jsonl")
    assert len((files / "out.jsonl").read_text().splitlines()) == 3


def test_a_file_is_labelled_for_a_program(files: Path, settings: Settings, retrain: Command) -> None:
    code, out, _ = retrain("predict", "--input", "in.csv", "--output", "out.parquet", "--json")
    assert code == 0
    told = json.loads(out)
    assert (told["path"], told["num_rows"], told["num_refused"]) == (str(files / "out.parquet"), 3, 0)
    assert told["num_positive"] == sum(pq.read_table(files / "out.parquet")["label"].to_pylist())


def test_a_named_source_and_other_columns_are_read_too(files: Path, settings: Settings, retrain: Command) -> None:
    (settings.home / "sources.toml").write_text(f'[today]\npath = "{files / "in.csv"}"\n', encoding="utf-8")
    assert retrain("predict", "--input", "today", "--output", "named.csv")[0] == 0
    (files / "other.csv").write_text((files / "in.csv").read_text().replace("text,label", "body,label"))
    given = ("--input", "other.csv", "--output", "other-out.csv", "--set", "columns.text=body")
    assert retrain("predict", *given)[0] == 0
    named, other = ((files / name).read_text().splitlines()[1:] for name in ("named.csv", "other-out.csv"))
    assert [line.partition(",")[2] for line in named] == [line.partition(",")[2] for line in other]
    assert ({line.split(",")[0] for line in named}, {line.split(",")[0] for line in other}) == ({"in"}, {"other"})


# Mistakes.

USAGE = "give texts to label, or both --input and --output."
MISTAKES: list[tuple[tuple[str, ...], int, str]] = [
    ((), 2, USAGE),
    (("--input", "in.csv"), 2, USAGE),
    (("--output", "out.csv"), 2, USAGE),
    (("good", "--input", "in.csv", "--output", "out.csv"), 2, USAGE),
    (("good", "--output", "out.csv"), 2, USAGE),
    (("good", "--nonsense"), 2, "No such option"),
    (("",), 2, "an empty text has no label"),
    (("good", "?!"), 2, "there is no word in the text '?!'"),
    (("good", "--line", "shop"), 4, "no champion serves on the line 'shop'; lines that have one: reviews."),
    (("good", "--set", "data.nonsense=1"), 2, "option 'data.nonsense'"),
    (("--input", "gone.csv", "--output", "out.csv"), 2, "there is no file"),
    (("--input", "gone", "--output", "out.csv"), 2, "unknown source 'gone'"),
    (("--input", "imdb", "--output", "out.csv"), 2, "imdb holds word ranks, not texts"),
    (("--input", "in.csv", "--output", "out.txt"), 2, "must end in .parquet, .csv, .jsonl"),
    (("--input", "in.csv", "--output", "no/out.csv"), 2, "of the output is not there: make it"),
    (("--input", "in.csv", "--output", "in.csv"), 2, "is the file that is read"),
    (("--input", "in.csv", "--output", "/proc/out.csv"), 2, "/proc"),
    (("--input", "in.csv", "--output", "out.csv", "--set", "columns.text=body"), 2, "has no column 'body'"),
    (("--input", "in.csv", "--output", "out.csv", "--line", "shop"), 4, "no champion serves on the line 'shop'"),
]


@pytest.mark.parametrize(("arguments", "code", "sentence"), MISTAKES, ids=[" ".join(each[0]) for each in MISTAKES])
def test_a_mistake_gets_one_sentence_and_leaves_nothing(
    files: Path, settings: Settings, retrain: Command, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    before = (files / "in.csv").read_bytes()
    found, out, err = retrain("predict", *arguments)
    assert (found, out) == (code, "")
    assert sentence in err
    assert len([line for line in err.splitlines() if "retrain: " in line or "Error: " in line]) == 1
    assert "Traceback" not in err
    assert [path.name for path in files.iterdir()] == ["in.csv"]
    assert (files / "in.csv").read_bytes() == before


def test_before_anything_was_trained_nothing_can_be_labelled(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retrain: Command
) -> None:
    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path / "other"))
    code, out, err = retrain("predict", "good")
    assert (code, out) == (4, "")
    assert "there is no metrics store" in err
    assert not (tmp_path / "other").exists()


def test_a_bundle_that_was_changed_labels_nothing(files: Path, settings: Settings, retrain: Command) -> None:
    champion = MetricsReader(settings.database_url).champion("reviews")
    assert champion is not None
    (settings.bundles / champion.bundle / "vocabulary.json").write_text("{}")
    code, out, err = retrain("predict", "--input", "in.csv", "--output", "out.csv")
    assert (code, out) == (1, "")
    assert err.startswith("retrain: ")
    assert len(err.splitlines()) == 1
    assert not (files / "out.csv").exists()


def test_a_source_of_which_no_row_can_be_labelled_is_told(files: Path, settings: Settings, retrain: Command) -> None:
    (files / "blank.csv").write_text("text\n \n\t\n")
    code, _, err = retrain("predict", "--input", "blank.csv", "--output", "out.csv")
    assert code == 2
    assert "none of the 2 rows of" in err
    assert not (files / "out.csv").exists()


# As it is installed.


def called(folder: Path, *arguments: str | bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [RETRAIN, "predict", *arguments], cwd=folder, env=os.environ, capture_output=True, timeout=300, check=False
    )


def test_the_test_reviews_get_their_stored_probabilities_from_the_installed_command(
    served: Served, files: Path, settings: Settings
) -> None:
    champion = MetricsReader(settings.database_url).champion("reviews")
    assert champion is not None
    stored = read_test_predictions(settings.bundles, champion.bundle)
    rows = [int(row_id.split("/")[1]) for row_id in stored.row_ids.to_pylist()]
    lines: list[dict[str, Any]] = [{"id": f"review {row}", "text": served.reviews[row].text} for row in rows]
    lines.insert(1, {"id": "nothing", "text": None})
    (files / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    done = called(files, "--input", "in.jsonl", "--output", "out.csv")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().startswith(f"{len(rows) + 1} rows: ")
    head, first, refused, *rest = (files / "out.csv").read_text(encoding="utf-8").splitlines()
    assert head == "source,row,id,probability,label,champion,refused"
    assert refused == f"in,2,nothing,,,{champion.candidate_id},it has no text"
    fields = [line.split(",") for line in (first, *rest)]
    assert [row_id for _, _, row_id, *_ in fields] == [f"review {row}" for row in rows]
    probabilities = np.array([float(each[3]) for each in fields])
    np.testing.assert_allclose(probabilities, stored.probabilities, rtol=0, atol=1e-5)
    assert [int(each[4]) for each in fields] == (stored.probabilities > 0.5).astype(int).tolist()


def test_bytes_that_are_no_text_are_a_mistake_and_no_traceback(files: Path, settings: Settings) -> None:
    done = called(files, b"caf\xe9")
    assert (done.returncode, done.stdout) == (2, b"")
    assert (
        done.stderr.decode() == "retrain: the text 'caf?' is not UTF-8: give it in UTF-8, or in a file with --input.\n"
    )
