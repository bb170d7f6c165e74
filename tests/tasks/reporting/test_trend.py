"""The page of a line: complete, self-contained, escaped, readable with one run or very many, the same for the same."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from storage.errors import NotFoundError, OptionError
from storage.metrics.store import MetricsStore
from storage.metrics.trend import LineTrend, TrendReader, TrendRun
from storage.settings import Settings
from tasks.reporting.page import trend_file, trend_name
from tasks.reporting.trend import trend_page, write_trend, write_trend_of
from tasks.reporting.trend_view import headline, verdict_of
from tests.storage.conftest import Bench
from tests.tasks.reporting.test_page import HOSTILE, MAX_BYTES, Reading
from tests.trends import fill, line_trend, run, score, tenure, week

NOTHING: frozenset[str] = frozenset()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment({"RETRAIN_HOME": str(tmp_path / "home")})


@pytest.fixture
def bench(settings: Settings) -> Bench:
    settings.prepare()
    return Bench(MetricsStore(settings.database_url))


def said_by(page: str) -> str:
    return " ".join("".join(Reading(page).texts).split())


def pictures_of(page: str) -> list[str]:
    return [attributes["alt"] or "" for tag, attributes in Reading(page).elements if tag == "img"]


def test_the_first_sentence_says_what_serves_since_when_and_how_the_last_run_ended() -> None:
    assert headline(line_trend()) == (
        "a serves imdb since 2026-02-16, with a test accuracy of 0.8500 [0.8400, 0.8600]; the last run, monitor of "
        "2026-03-30, ended so: the champion of imdb is healthy."
    )
    assert f'<h1 class="long">{headline(line_trend())}</h1>' in trend_page(line_trend(), NOTHING)


def test_a_page_has_every_section_and_each_is_found_from_the_top() -> None:
    read = Reading(trend_page(line_trend(), NOTHING))

    sections = [attributes["id"] for tag, attributes in read.elements if tag == "section"]
    linked = [address[1:] for address in read.addresses if address.startswith("#")]
    assert sections == linked == ["accuracy", "numbers", "served", "checks", "runs"]


def test_every_picture_says_in_words_what_it_shows() -> None:
    accuracy, auc, recall, observed, spent, times = pictures_of(trend_page(line_trend(), NOTHING))

    assert accuracy.startswith(
        "Test accuracy over time: a from 0.8500 on 2026-01-05 to 0.8511 on 2026-03-23 in 12 runs, lowest"
    )
    assert accuracy.endswith("number 3, a, from 2026-02-16")
    assert auc.startswith("Test AUC over time: a from")
    assert recall.startswith("Negative reviews found (recall) over time: a from")
    assert "2026-03-30 0.8400, healthy" in observed
    assert "ffffffff, last used 2026-03-23: 0.0458 of 0.05" in spent
    assert times.startswith("Minutes a run over time: retraining from 7.0000")


def test_the_tables_tell_what_served_which_checks_refused_and_what_each_run_decided() -> None:
    said = said_by(trend_page(line_trend(), NOTHING))

    for words in (
        *("2026-01-05 03:00until 2026-02-02 03:00", "2026-02-16 03:00until now", "trained by r0, put there by r6"),
        *("rollback", "complaints", "0.8400 to 0.8600", "label balance", "nothing promoted on imdb: a: near chance"),
        *("7 min", "healthy", "promoted", "rejected", "retrain trend imdb", "12 × retrain"),
    ):
        assert words in said


def test_runs_whose_pages_lie_beside_it_are_a_click_away_and_no_others() -> None:
    addresses = Reading(trend_page(line_trend(), {"r0", "r3", "x"})).addresses

    assert {address for address in addresses if not address.startswith(("#", "data:"))} == {"r0.html", "r3.html"}


def test_a_page_needs_nothing_but_itself() -> None:
    page = trend_page(line_trend(), NOTHING)
    read = Reading(page)

    assert all(address.startswith(("#", "data:")) for address in read.addresses)
    assert "script" not in {tag for tag, _ in read.elements}
    assert not re.search(r"url\(|@import|://", page)
    # A phone has a picture of its own of what is as wide as a desk.
    (narrow,) = (attributes for tag, attributes in read.elements if tag == "source")
    assert (narrow["srcset"] or "").startswith("data:image/png;base64,")


def test_what_others_have_named_is_shown_and_not_obeyed() -> None:
    whole = line_trend()
    odd = replace(
        whole,
        line=HOSTILE,
        runs=tuple(replace(one, id=HOSTILE, message=f"{HOSTILE}: {HOSTILE}") for one in whole.runs),
        scores=tuple(replace(one, model=HOSTILE, run_id=HOSTILE) for one in whole.scores),
        served=tuple(replace(one, model=HOSTILE, reason=HOSTILE, decided_by=HOSTILE) for one in whole.served),
        spent=tuple(replace(one, test_id=HOSTILE) for one in whole.spent),
        findings=tuple(replace(one, name=HOSTILE, subject=HOSTILE) for one in whole.findings),
    )

    page = trend_page(odd, {HOSTILE})

    read, plain = Reading(page), Reading(trend_page(whole, {"r0"}))
    assert {tag for tag, _ in read.elements} == {tag for tag, _ in plain.elements}
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert all(address.startswith(("#", "data:", "%3Cscript%3E")) for address in read.addresses)
    assert "".join(read.texts).count("<script>alert(1)</script>") > 20


def test_a_dollar_in_a_name_is_no_formula() -> None:
    odd = line_trend(scores=tuple(score(number, "$\\frac$") for number in range(3)))
    assert "$\\frac$ from 0.8500" in pictures_of(trend_page(odd, NOTHING))[0]


def test_one_run_has_a_page() -> None:
    one = line_trend(runs=(run(0),), scores=(score(0),), served=(tenure(1, 0),), spent=(), findings=())

    page = trend_page(one, NOTHING)

    assert "in one run, " in pictures_of(page)[0]
    assert [attributes["id"] for tag, attributes in Reading(page).elements if tag == "section"] == [
        *("accuracy", "numbers", "served", "runs")
    ]


def test_a_line_without_a_champion_or_a_model_says_so() -> None:
    failed = run(0, state="rejected data", message="too few reviews", decisions={}, seconds=None)
    bare = LineTrend("imdb", (failed,))

    page = trend_page(bare, NOTHING)

    assert headline(bare) == (
        "nothing serves imdb yet; the last run, retrain of 2026-01-05, ended so: too few reviews."
    )
    assert pictures_of(page) == []
    assert [attributes["id"] for tag, attributes in Reading(page).elements if tag == "section"] == ["runs"]


def test_a_week_that_is_far_off_is_told_beside_the_picture() -> None:
    usual = line_trend()
    broken = replace(usual, scores=(*usual.scores, score(12, value=0.5, lower=0.49, upper=0.51)))
    assert "far off" not in said_by(trend_page(usual, NOTHING))
    assert "One accuracy lies far off all others" in said_by(trend_page(broken, NOTHING))


def test_five_hundred_runs_are_drawn_as_few_and_say_how(bench: Bench, settings: Settings) -> None:
    fill(bench.url, 500)

    page = write_trend(settings, "imdb").read_text(encoding="utf-8")

    said = said_by(page)
    assert "Each point is the median of 3 runs that follow each other; the shade is as wide as all their exact" in said
    assert "the last 100 of 500" in said
    assert "in 500 runs" in pictures_of(page)[0]
    assert page.count("<tr>") < 150
    assert len(page.encode()) < MAX_BYTES


def test_the_same_store_gives_the_same_bytes(bench: Bench, settings: Settings, tmp_path: Path) -> None:
    fill(bench.url, 5)

    path = write_trend(settings, "imdb")
    again = write_trend(settings, "imdb", tmp_path / "elsewhere" / "page.html")

    assert path == trend_file(settings, "imdb") == settings.reports / "trend-imdb.html"
    assert path.read_bytes() == again.read_bytes()
    assert trend_page(TrendReader(bench.url).trend("imdb"), NOTHING).encode() == path.read_bytes()
    assert [file.name for file in settings.reports.iterdir()] == ["trend-imdb.html"]


def test_the_line_of_a_run_has_its_page_and_a_run_without_a_line_has_none(bench: Bench, settings: Settings) -> None:
    known, unknown = bench.start_run("My shop"), bench.start_run("-")
    for run_id in (known, unknown):
        bench.store.finish_run(run_id, "failed", "no", 1.0)

    assert write_trend_of(settings, known) == trend_file(settings, "My shop")
    assert write_trend_of(settings, unknown) is None
    assert len(list(settings.reports.iterdir())) == 1


def test_an_unknown_line_and_a_folder_in_the_files_place_are_told(bench: Bench, settings: Settings) -> None:
    fill(bench.url, 1)
    with pytest.raises(NotFoundError, match=r"no run of the line 'x' has ended yet; there are runs of 'imdb'\."):
        write_trend(settings, "x")
    with pytest.raises(OptionError, match="cannot be written: Is a directory"):
        write_trend(settings, "imdb", settings.home)


@pytest.mark.parametrize("line", ["Imdb", "../../etc/passwd", "a/b", "a b", "", "é", "x" * 300, HOSTILE])
def test_every_line_has_a_file_of_its_own_within_the_folder(line: str, settings: Settings) -> None:
    name = trend_name(line)
    assert re.fullmatch(r"trend-[a-z0-9-]{0,80}-[0-9a-f]{8}\.html", name)
    assert trend_file(settings, line).parent == settings.reports
    assert name not in {trend_name(other) for other in ("imdb", "a-b", "etc-passwd", f"{line}x", line.swapcase() + ".")}


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (run(0, state="failed"), "failed"),
        (run(0), "rejected"),
        (run(0, decisions={"a": "rejected", "b": "promoted"}), "promoted"),
        (run(0, decisions={"a": "would reject", "b": "would promote"}), "would promote"),
        (run(0, decisions={}), "completed"),
        (run(0, flow="rollback", decisions={"a": "promoted"}), "put back"),
        (line_trend().runs[-1], "healthy"),
    ],
)
def test_a_run_is_marked_with_how_it_ended_or_what_it_decided_or_saw(one: TrendRun, word: str) -> None:
    assert verdict_of(one) == word


def test_a_long_sentence_is_cut_and_a_tenure_that_began_before_the_picture_is_drawn() -> None:
    whole = line_trend()
    cut = replace(whole, runs=(run(0, message="x" * 500), *whole.runs[1:]), served=(tenure(1, -9),))
    page = trend_page(cut, NOTHING)
    assert f"{'x' * 160} …" in page
    assert "x" * 161 not in page
    assert "number 1, a, from 2025-11-03" in pictures_of(page)[0]
    assert week(-9) < whole.runs[0].started_at
