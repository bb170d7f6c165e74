"""The commands that read the store, in this process."""

from __future__ import annotations

import json

import pytest

from storage.settings import Settings
from tests.flows.conftest import Command, record_rejection
from tests.storage.conftest import Bench


def test_the_champion_is_the_one_that_serves_now(served_twice: Bench, retrain: Command) -> None:
    code, out, err = retrain("champion")
    assert (code, err) == (0, "")
    assert "champion number 2" in out
    assert "champion number 1" not in out


def test_the_history_of_champions_has_all_of_them(served_twice: Bench, retrain: Command) -> None:
    code, out, _ = retrain("champion", "--line", "imdb", "--history")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["1", "2"]
    assert "the first one [of many]" in out


@pytest.mark.parametrize(("arguments", "positions"), [((), [2]), (("--history",), [1, 2])])
def test_the_champions_can_be_read_by_a_program(
    served_twice: Bench, retrain: Command, arguments: tuple[str, ...], positions: list[int]
) -> None:
    code, out, _ = retrain("champion", "--json", *arguments)
    assert code == 0
    assert [entry["position"] for entry in json.loads(out)] == positions


def test_a_line_without_a_champion_is_named(served_twice: Bench, retrain: Command) -> None:
    code, out, err = retrain("champion", "--line", "synthetic", "--history")
    assert (code, out) == (4, "")
    assert err == "retrain: there is no champion of the line 'synthetic' yet: no candidate has passed all gates.\n"


def test_a_run_is_shown_with_its_diagnosis_and_the_ledger_to_a_program_too(
    served_twice: Bench, retrain: Command
) -> None:
    record_rejection(served_twice)
    code, out, _ = retrain("show", "latest", "--json")
    run = json.loads(out)
    assert code == 0
    assert [suspect["cause"] for suspect in run["decisions"][0]["diagnosis"]] == ["padding mask", "alignment"]
    assert run["ledger"]["comparisons"] == 1


def test_the_history_can_be_of_some_runs_only(served_twice: Bench, retrain: Command) -> None:
    failed = served_twice.start_run("synthetic")
    served_twice.store.finish_run(failed, "failed", "no file", 1.0)

    def listed(*arguments: str) -> list[str]:
        code, out, _ = retrain("history", "--json", *arguments)
        assert code == 0
        return [run["id"] for run in json.loads(out)]

    everything = listed()
    assert everything[0] == failed
    assert listed("--line", "synthetic") == listed("--state", "failed") == [failed]
    assert listed("--model", "baseline_avgpool", "--flow", "retrain") == everything[1:]
    assert listed("--since", "1h") == listed("--since", "12w") == listed("--since", "2020-01-31") == everything
    assert listed("--since", "2999-12-31") == listed("--since", "2999-12-31T10:00:00Z") == []


def test_a_filter_that_lets_nothing_through_says_so(served_twice: Bench, retrain: Command) -> None:
    assert retrain("history", "--line", "nobody's") == (0, "", "no run is like that\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--state", "promoted"), "'rejected data', 'failed'"),
        (("--flow", "train"), "'retrain', 'check'"),
        (("--model", "gpt"), "'gpt' is none of baseline_avgpool, advanced_bilstm_features"),
        (("--since", "yesterday"), "expected a date such as 2026-03-31, in UTC, or 36h, 7d or 12w"),
        (("--since", "99999w"), "received '99999w'"),
    ],
)
def test_a_filter_that_makes_no_sense_is_explained(
    served_twice: Bench, retrain: Command, arguments: tuple[str, ...], sentence: str
) -> None:
    code, out, err = retrain("history", *arguments)
    assert (code, out) == (2, "")
    assert sentence in err


def test_a_run_is_shown_in_full_when_asked_for(served_twice: Bench, retrain: Command) -> None:
    assert "Versions" in retrain("show", "latest", "--all")[1]
    assert "Versions" not in retrain("show", "latest")[1]


def test_the_page_of_a_run_is_written_again_and_its_place_is_printed(
    served_twice: Bench, settings: Settings, retrain: Command
) -> None:
    run_id = record_rejection(served_twice)

    code, out, err = retrain("report", "latest")

    path = settings.reports / f"{run_id}.html"
    assert (code, out, err) == (0, f"{path}\n", "")
    page = path.read_text(encoding="utf-8")
    for words in (
        "nothing promoted on imdb",
        "a logit moves by 0.31",
        "give the embedding mask_zero=True",
        "The bundle of baseline_avgpool",
    ):
        assert words in page
    assert retrain("report", run_id, "--output", str(settings.home / "here.html"))[0] == 0
    assert (settings.home / "here.html").read_text(encoding="utf-8") == page


def test_the_page_of_a_line_is_written_and_its_place_is_printed(
    served_twice: Bench, settings: Settings, retrain: Command
) -> None:
    code, out, err = retrain("trend", "imdb")

    path = settings.reports / "trend-imdb.html"
    assert (code, out, err) == (0, f"{path}\n", "")
    page = path.read_text(encoding="utf-8")
    assert "baseline_avgpool serves imdb since" in page
    assert "the first one [of many]" in page
    assert retrain("trend", "imdb", "--output", str(settings.home / "here.html"))[0] == 0
    assert (settings.home / "here.html").read_text(encoding="utf-8") == page
    code, out, err = retrain("trend", "films")
    assert (code, out) == (4, "")
    assert err == "retrain: no run of the line 'films' has ended yet; there are runs of 'imdb'.\n"


def test_a_run_that_is_not_done_and_one_that_is_not_there_have_no_page(bench: Bench, retrain: Command) -> None:
    run_id = bench.start_run()

    code, out, err = retrain("report", run_id)
    assert (code, out) == (2, "")
    assert err == f"retrain: the run {run_id} is still running: its report is written when it has ended.\n"
    assert retrain("report", "nobody")[0] == 4
