"""What a person reads: the printed text, without its colours."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from flows import terminal
from storage.records import CheckResult, Decision
from tests.flows.conftest import record_rejection
from tests.storage.conftest import Bench


def printed(print_it: Any, value: Any) -> str:
    console = Console(file=io.StringIO(), width=200, no_color=True)
    print_it(console, value)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def line_with(text: str, *words: str) -> str:
    """The only line that has all these words."""
    (found,) = (line for line in text.splitlines() if all(word in line for word in words))
    return found


def after(text: str, title: str) -> str:
    """What stands below a title, up to the next empty line."""
    return text.split(f"\n{title}")[1].split("\n\n")[0]


# One run.


@pytest.fixture
def shown(served_twice: Bench) -> str:
    return printed(terminal.print_run, served_twice.reader.run(record_rejection(served_twice)))


def test_a_run_begins_with_its_state_and_its_verdict(shown: str) -> None:
    first, second, *_ = shown.splitlines()
    assert first.split()[1:] == ["completed", "1", "min", "15", "s"]
    assert second == "nothing promoted on imdb"


def test_the_source_is_told_as_it_was_named(shown: str) -> None:
    assert line_with(shown, "source").split("source")[1].strip() == "reviews [old].npz"
    assert "80 / 10 / 20 rows for training / validation / test" in shown


def test_every_gate_of_a_decision_is_shown_with_its_verdict(shown: str) -> None:
    gates = after(shown, "baseline_avgpool: rejected")
    assert line_with(gates, "all checks passed").split()[3:] == ["fail", "padding:", "a", "logit", "moves"]
    assert "waived" in line_with(gates, "better than the probe")
    assert "not applicable" in line_with(gates, "not below the high-water mark")


def test_the_diagnosis_tells_what_to_do_about_what_was_not_ruled_out(shown: str) -> None:
    diagnosis = after(shown, "baseline_avgpool: why it may have been rejected")
    assert line_with(diagnosis, "padding mask").endswith("a logit moves. What to do: give the embedding mask_zero=True")
    assert line_with(diagnosis, "alignment").rstrip().endswith("all ids agree")
    assert "join by ids" not in shown


def test_checks_of_the_data_and_of_the_model_stand_under_titles_of_their_own(shown: str) -> None:
    data, model = after(shown, "Checks of the data"), after(shown, "Checks of baseline_avgpool")
    assert line_with(data, "leakage").split()[1] == "off"
    assert line_with(data, "drift").rstrip().endswith("reviews are longer [+12 %]. The configuration lets it pass")
    assert "padding" not in data
    assert line_with(model, "padding").split()[1] == "fail"
    assert "leakage" not in model


@pytest.mark.parametrize(
    ("count", "words"), [(3, "a/2"), (4, "a/2 and 1 more"), (19, "a/2 and 16 more"), (20, "a/2 and at least 17 more")]
)
def test_of_the_offending_rows_the_first_are_named_and_the_others_counted(bench: Bench, count: int, words: str) -> None:
    """No more than 20 are kept, so of 20 nobody knows how many there were."""
    run_id = bench.start_run()
    rows = tuple(f"a/{number}" for number in range(count))
    bench.store.record_checks(run_id, [CheckResult("leakage", "fail", {}, "none", "rows leaked", rows)])
    text = printed(terminal.print_run, bench.reader.run(run_id))
    assert line_with(text, "leakage").rstrip().endswith(f"Rows: a/0, a/1, {words}")


def test_the_probe_stands_in_a_column_beside_the_models(shown: str) -> None:
    models = after(shown, "Models")
    assert line_with(models, "linear probe").split() == ["baseline_avgpool", "linear", "probe"]
    assert line_with(models, "test accuracy").split() == ["test", "accuracy", "0.9000", "[0.8000,", "1.0000]", "0.8912"]
    assert line_with(models, "test AUC").rstrip().endswith("0.9555")
    assert line_with(models, "validation accuracy").rstrip().endswith("0.8877")
    assert line_with(models, "confusion").rstrip().endswith("45 5 / 5 45")


def test_the_ledger_is_told_in_one_sentence(shown: str) -> None:
    assert after(shown, "Ledger").strip() == (
        f"test set {'t' * 12}: 1 comparison with a champion so far, α spent 0.0250 of 0.05, left 0.0250; the next one "
        "may spend 0.00833"
    )


def test_without_a_probe_there_is_no_column_for_it(served_twice: Bench) -> None:
    first = served_twice.reader.history()[-1].id
    text = printed(terminal.print_run, served_twice.reader.run(first))
    assert "Models" in text
    assert "linear probe" not in text


def test_a_promotion_has_no_diagnosis(served_twice: Bench) -> None:
    text = printed(terminal.print_run, served_twice.reader.run(served_twice.reader.history()[0].id))
    assert "baseline_avgpool: promoted" in text
    assert "why it may have been rejected" not in text


def test_a_model_that_was_never_decided_on_shows_its_checks_all_the_same(bench: Bench) -> None:
    run_id = bench.start_run()
    bench.candidate(run_id, checks=(CheckResult("padding", "fail", {}, "", "a logit moves"),))
    bench.store.finish_run(run_id, "failed", "the disk is full", 1.0)

    text = printed(terminal.print_run, bench.reader.run(run_id))
    assert line_with(after(text, "Checks of baseline_avgpool"), "padding").split()[1] == "fail"


def test_a_rollback_says_what_was_put_back_and_has_neither_seed_nor_ledger(served_twice: Bench) -> None:
    first = served_twice.reader.champions("imdb")[0]
    run_id = served_twice.roll_back(first.candidate_id, position=2)

    text = printed(terminal.print_run, served_twice.reader.run(run_id))
    assert "baseline_avgpool: put back" in text
    for word in ("seed", "Ledger", "Models", "device"):
        assert word not in text


def test_a_run_that_has_just_begun_can_be_shown(bench: Bench) -> None:
    text = printed(terminal.print_run, bench.reader.run(bench.start_run()))
    assert text.splitlines()[0].split()[1:] == ["running", "-"]


# The history.


def test_the_history_tells_what_came_of_runs_of_both_flows(served_twice: Bench) -> None:
    first = served_twice.reader.champions("imdb")[0]
    rejected = record_rejection(served_twice)
    back = served_twice.roll_back(first.candidate_id, position=2)
    dry = served_twice.roll_back(first.candidate_id, position=3, dry_run=True)
    refused = served_twice.roll_back(first.candidate_id, position=3, promote=False)
    for run_id in (back, dry, refused):
        served_twice.store.finish_run(run_id, "completed", "", 1.0)

    text = printed(terminal.print_history, served_twice.reader.history())
    endings = {
        rejected: "nothing promoted",
        back: "put back baseline_avgpool",
        dry: "dry run: would put back baseline_avgpool",
        refused: "nothing put back",
    }
    for run_id, ending in endings.items():
        assert line_with(text, run_id).rstrip().endswith(ending)


def test_the_history_is_short_about_a_run_that_had_nothing_to_do(bench: Bench) -> None:
    run_id = bench.start_run()
    bench.store.finish_run(run_id, "skipped", "nothing has changed since run r1: the same snapshot", 1.0)

    line = line_with(printed(terminal.print_history, bench.reader.history()), run_id)
    assert "  skipped  " in line
    assert line.rstrip().endswith("nothing has changed since run r1")


@pytest.mark.parametrize("message", ["no file [/]", "no file [old].npz", "C:\\[old]", "it ends in \\"])
def test_what_a_run_died_of_is_printed_as_it_was_said(bench: Bench, message: str) -> None:
    run_id = bench.start_run(line="my [odd] line")
    bench.store.finish_run(run_id, "failed", message, 1.0)

    line = line_with(printed(terminal.print_history, bench.reader.history()), run_id)
    assert line.rstrip().endswith(f" {message}")
    assert "my [odd] line" in line
    assert message in printed(terminal.print_run, bench.reader.run(run_id)).splitlines()[1]


# What serves, and what served.


def test_the_succession_is_told_oldest_first_with_its_reasons(served_twice: Bench) -> None:
    first, second = served_twice.reader.champions("imdb")
    served_twice.roll_back(first.candidate_id, position=2)

    head, *lines = printed(terminal.print_succession, served_twice.reader.champions()).splitlines()
    assert head.split() == ["line", "number", "since", "(UTC)", "run", "model", "by", "why"]
    told = [line.split() for line in lines]
    assert [words[:2] for words in told] == [["imdb", "1"], ["imdb", "2"], ["imdb", "3"]]
    runs = [candidate.candidate_id.split("/")[0] for candidate in (first, second, first)]
    assert [words[4] for words in told] == runs
    assert [words[6] for words in told] == ["promotion", "promotion", "rollback"]
    assert lines[0].rstrip().endswith("the first one [of many]")
    assert lines[2].rstrip().endswith("complaints")


@pytest.mark.parametrize("reason", ["better [/]", "[bold]better", "better \\"])
def test_a_reason_is_printed_as_it_was_given(bench: Bench, reason: str) -> None:
    bench.decide(Decision(bench.candidate().id, True, reason, ()))

    for print_it in (terminal.print_succession, terminal.print_champions):
        assert reason in printed(print_it, bench.reader.champions())


def test_what_serves_now_is_told_with_its_run_and_its_bundle(served_twice: Bench) -> None:
    champion = served_twice.reader.champion("imdb")
    assert champion is not None
    text = printed(terminal.print_champions, [champion])
    assert text.splitlines()[0] == "imdb  baseline_avgpool"
    assert "champion number 2" in text
    assert champion.bundle in text


def test_json_holds_records_and_times_in_utc(served_twice: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_json(served_twice.reader.champions())

    told = json.loads(capsys.readouterr().out)
    assert [(entry["position"], entry["mark"], entry["succession"]) for entry in told] == [
        (1, 1, "promotion"),
        (2, 2, "promotion"),
    ]
    assert told[0]["promoted_at"].endswith("Z")
