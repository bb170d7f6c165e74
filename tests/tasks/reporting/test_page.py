"""The page of a run: complete, self-contained, escaped, and the same for the same input."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from storage.accounts import Account, Mistake, SplitTable, Spread
from storage.bundles import Predictions
from storage.errors import NotFoundError, OptionError
from storage.metrics.store import MetricsStore
from storage.records import CheckResult, Observation, Stage
from storage.settings import Settings
from tasks.reporting.contents import Answers, ReportContents
from tasks.reporting.page import plain_text, report_file, report_page, write_report
from tests.storage.conftest import Bench
from tests.verdicts import BALANCE, PADDING, PROBE, REJECTED, SNAPSHOT, candidate, contents

HOSTILE = "<script>alert(1)</script><img src=http://example.org/x onerror=alert(2)>\"'&{{ 7*7 }}"
MAX_BYTES = 1_500_000
VOID = {"meta", "link", "img", "br", "hr", "input", "source"}


class Reading(HTMLParser):
    """What a browser makes of a page: its elements, and what they refer to. Fails where one is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def addresses(self) -> list[str]:
        names = ("src", "href", "action", "data", "poster", "srcset")
        return [value or "" for _, attributes in self.elements for name, value in attributes.items() if name in names]


def answers(name: str, noise: float, *, rows: int = 600) -> Answers:
    random = np.random.default_rng(5)
    labels = (np.arange(rows) % 2).astype(np.uint8)
    said = 1 / (1 + np.exp(-2 * (2.0 * labels - 1 + noise * random.normal(size=rows))))
    ratings = pa.array([9 if label else 2 for label in labels], pa.int8())
    words = random.integers(5, 900, rows).astype(np.int32)
    ids = pa.array([f"test/{row}" for row in range(rows)])
    return Answers(name, "model", Predictions(ids, labels, said.astype(np.float32), words, ratings))


def account(text: str | None = "Not good.<br /><br />Not bad.") -> Account:
    spread = Spread(230.5, 170.25, (10, 120, 180, 280, 600, 2400))
    tables = tuple(
        SplitTable(split, 600, 300, 30, spread, {"length": spread, "share_top_500": spread})
        for split in ("train", "validation", "test")
    )
    mistakes = tuple(Mistake(f"test/{row}/ab", row % 2, 0.97, 231, text, row > 2, 3) for row in range(5))
    return Account(512, tables, mistakes, 77)


@pytest.fixture
def whole() -> ReportContents:
    """A run that has all that a run can have."""
    return contents(
        [BALANCE, PROBE],
        [candidate("a", checks=(PADDING,)), candidate("c")],
        [REJECTED],
        answers=(answers("a", 0.8), answers("c", 1.2)),
        accounts={"a": account(), "c": account(None)},
        stages=(Stage("ingest", 1.25, 2**20),),
        missing=("The champion was tested on other rows.",),
    )


def test_the_verdict_comes_first_in_one_sentence(whole: ReportContents) -> None:
    page = report_page(whole)

    assert re.search(r"<h1>nothing promoted on imdb</h1>\s*<p class=\"why\">a: near chance\.</p>", page)
    assert page.index("<h1>") < page.index("<h2>")
    assert "<title>nothing promoted on imdb – r1</title>" in page


def test_a_page_has_every_section_and_each_is_found_from_the_top(whole: ReportContents) -> None:
    read = Reading(report_page(whole))

    sections = [attributes["id"] for tag, attributes in read.elements if tag == "section"]
    linked = [address[1:] for address in read.addresses if address.startswith("#")]
    assert (
        sections
        == linked
        == [
            *(
                "models",
                "decision",
                "learning",
                "curves",
                "calibration",
                "slices",
                "mistakes",
                "checks",
                "data",
                "repeat",
            )
        ]
    )
    said = " ".join(" ".join(read.texts).split())
    for words in (
        *("a logit moves", "near chance | with a bar", "use mask_zero", "all ids agree", "lopsided"),
        *("0.8300", "linear probe", "champion: b of r0", "77 mistakes on test rows", "Its words are not known"),
        *("230.5", "share top 500", "rated 3", "The champion was tested on other rows.", "ingest", "called negative"),
    ):
        assert words in said


def test_every_picture_says_in_words_what_it_shows(whole: ReportContents) -> None:
    read = Reading(report_page(whole))

    images = [attributes for tag, attributes in read.elements if tag == "img"]
    # Accuracies, two losses, ROC, precision, two calibrations, two slices.
    assert len(images) == 9
    assert all(len(image["alt"] or "") > 40 for image in images)
    assert len({image["alt"] for image in images}) == 9


def test_a_page_needs_nothing_but_itself_and_is_small(whole: ReportContents) -> None:
    page = report_page(whole)
    read = Reading(page)

    assert all(address.startswith(("#", "data:", "trend-")) for address in read.addresses)
    assert "script" not in {tag for tag, _ in read.elements}
    assert not re.search(r"url\(|@import|://", page)
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert len(page.encode()) < MAX_BYTES


def test_what_others_have_written_is_shown_and_not_obeyed(whole: ReportContents) -> None:
    check = CheckResult("split", "fail", {}, HOSTILE, HOSTILE, (HOSTILE,))
    odd = contents(
        [check, *whole.checks],
        whole.candidates,
        [replace(REJECTED, reason=HOSTILE)],
        replace(SNAPSHOT, line=HOSTILE, origin=HOSTILE),
        message=f"{HOSTILE}: {HOSTILE}",
        answers=whole.answers,
        accounts={HOSTILE: account(HOSTILE)},
        missing=(HOSTILE,),
    )
    odd = replace(odd, run=replace(odd.run, id=HOSTILE, options={"source": HOSTILE}, versions={HOSTILE: HOSTILE}))

    page = report_page(odd)

    read = Reading(page)
    plain = Reading(report_page(whole))
    # A command to repeat it is the only thing that the plain page has not.
    assert {tag for tag, _ in read.elements} - {"pre"} <= {tag for tag, _ in plain.elements}
    assert all(address.startswith(("#", "data:", "trend-")) for address in read.addresses)
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert "{{ 7*7 }}" in page
    # In reviews, in evidence, in names: as often as it was put there, and always as text.
    assert "".join(read.texts).count("<script>alert(1)</script>") > 20


def test_the_same_contents_give_the_same_bytes_in_another_process_too(whole: ReportContents) -> None:
    program = (
        "import hashlib; from tests.tasks.reporting.test_page import whole, report_page; "
        "print(hashlib.sha256(report_page(whole.__wrapped__()).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert report_page(whole) == report_page(whole)


def test_data_that_was_rejected_has_a_page_of_its_checks() -> None:
    rejected = contents([BALANCE], message="the data was rejected before training: label balance: lopsided")
    page = report_page(replace(rejected, run=replace(rejected.run, state="rejected data")))

    assert [attributes["id"] for tag, attributes in Reading(page).elements if tag == "section"] == [
        *("checks", "data", "repeat")
    ]
    assert "Lengths and features are kept with a model" in page


def test_a_run_that_watched_a_champion_has_a_page_of_what_it_saw() -> None:
    seen = Observation("imdb", 2, "r0/a", 900, 800, 0.8, 0.77, 0.83, None, 0.9, 0.4, 0.5, "degraded", "it fell")
    watched = contents([BALANCE], message="the champion has degraded: it fell", observation=seen)

    said = " ".join("".join(Reading(report_page(watched)).texts).split())

    for words in ("degraded", "800 new of 900", "0.8000", "0.7700 to 0.8300", "0.9000", "40.0%"):
        assert words in said


def test_a_run_that_left_nothing_but_its_end_has_a_page() -> None:
    nothing = contents(message="there is no file reviews.csv.")
    page = report_page(replace(nothing, snapshot=None, run=replace(nothing.run, state="failed", seconds=None)))

    assert "there is no file reviews.csv" in page
    assert "unknown" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a<br /><br />b", "a\nb"), ("a <BR>  b", "a\nb"), ("a <b>b</b>", "a <b>b</b>"), ("<br/>a<br>", "a")],
)
def test_line_breaks_of_html_are_line_breaks_and_other_markup_is_text(text: str, shown: str) -> None:
    assert plain_text(text) == shown


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    settings = Settings.from_environment({"RETRAIN_HOME": str(tmp_path)})
    return Bench(MetricsStore(settings.database_url))


def test_a_page_is_written_whole_below_the_home_or_where_it_is_asked_for(bench: Bench, tmp_path: Path) -> None:
    settings = Settings.from_environment({"RETRAIN_HOME": str(tmp_path)})
    run_id = bench.start_run()
    bench.store.finish_run(run_id, "failed", "there is no file x.csv.", 1.0)

    path = write_report(settings, "latest")
    named = write_report(settings, run_id, tmp_path / "here" / "page.html")

    assert path == report_file(settings, run_id) == tmp_path / "reports" / f"{run_id}.html"
    assert path.read_bytes() == named.read_bytes()
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_run_that_is_not_done_has_no_page_yet(bench: Bench, tmp_path: Path) -> None:
    run_id = bench.start_run()

    with pytest.raises(OptionError, match=f"run {run_id} is still running"):
        write_report(Settings.from_environment({"RETRAIN_HOME": str(tmp_path)}), run_id)


def test_an_unknown_run_and_a_folder_in_the_files_place_are_told(bench: Bench, tmp_path: Path) -> None:
    settings = Settings.from_environment({"RETRAIN_HOME": str(tmp_path)})
    run_id = bench.start_run()
    bench.store.finish_run(run_id, "failed", "no", 1.0)

    with pytest.raises(NotFoundError, match="no run begins with 'x'"):
        write_report(settings, "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OptionError, match="cannot be written: Is a directory"):
        write_report(settings, run_id, tmp_path / "folder")
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".folder")] == []
