from __future__ import annotations

import io
from functools import partial

import pytest
from rich.console import Console

from flows.cli.terminal.run import print_run
from storage.options import GateOptions, RunOptions
from storage.records import CheckResult
from tests.flows.cli.terminal.conftest import after, line_with, printed
from tests.flows.conftest import record_rejection
from tests.storage.conftest import Bench


@pytest.fixture
def shown(served_twice: Bench) -> str:
    return printed(print_run, served_twice.reader.run(record_rejection(served_twice)))


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
    text = printed(print_run, bench.reader.run(run_id))
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


def test_the_options_that_were_chosen_are_told_as_the_command_line_takes_them(bench: Bench) -> None:
    options = RunOptions(epochs=3, models=("baseline_avgpool",), gates=GateOptions(beat_probe=True))
    text = printed(print_run, bench.reader.run(bench.start_run(options=options.model_dump(mode="json"))))
    assert line_with(text, "epochs").split() == [
        "options",
        "epochs=3",
        "gates.beat_probe=true",
        "models=baseline_avgpool",
    ]
    plainly = printed(print_run, bench.reader.run(bench.start_run(options=RunOptions().model_dump(mode="json"))))
    assert line_with(plainly, "options").split() == ["options", "as", "by", "default"]


def test_a_dry_run_says_that_it_is_one(bench: Bench) -> None:
    assert "dry run" in printed(print_run, bench.reader.run(bench.start_run(dry_run=True)))
    assert "dry run" not in printed(print_run, bench.reader.run(bench.start_run()))


def test_the_comparison_with_the_champion_is_told_with_its_interval(shown: str, served_twice: Bench) -> None:
    gates = after(shown, "baseline_avgpool: rejected")
    champion = served_twice.reader.champions("imdb")[-1].candidate_id
    assert f"against {champion} on 100 rows: 9 only the challenger gets right, 1 only the champion" in gates
    assert (
        "accuracy +0.0800 [+0.0200, +0.1400], one-sided p 0.0100; it may spend 0.025, as comparison number 1" in gates
    )
    assert "AUC +0.0300 [+0.0100, +0.0500]" in gates


def test_a_model_names_its_bundle_and_where_it_was_trained(bench: Bench) -> None:
    run_id = bench.start_run()
    bench.candidate(run_id, bundle="0123456789abcdef", reused_from="20260101-000000-aaaa/baseline_avgpool")
    text = printed(print_run, bench.reader.run(run_id))
    assert line_with(text, "bundle").split() == ["bundle", "0123456789ab"]
    assert line_with(text, "trained").split() == ["trained", "20260101-000000-aaaa"]


def test_in_full_it_can_be_repeated(served_twice: Bench) -> None:
    run = served_twice.reader.run(record_rejection(served_twice))
    text = printed(partial(print_run, in_full=True), run)
    assert after(text, "Epochs of baseline_avgpool").splitlines()[3].split() == [
        *("2", "0.5000", "0.7000", "0.4000", "0.8000", "0.001", "0.5"),
    ]
    assert line_with(after(text, "Versions"), "python").split() == ["python", "3.11"]
    assert line_with(after(text, "Options"), "comparison_alpha").split() == ["gates.comparison_alpha", "0.05"]
    assert line_with(after(text, "Hashes"), "test rows").split()[-1] == "t" * 64
    assert "Epochs of" not in printed(print_run, run)


def test_in_full_a_hash_is_whole_in_a_narrow_terminal(served_twice: Bench) -> None:
    console = Console(file=io.StringIO(), width=60, no_color=True)
    print_run(console, served_twice.reader.run(record_rejection(served_twice)), in_full=True)
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert "t" * 64 in "".join(told.split())


def test_without_a_probe_there_is_no_column_for_it(served_twice: Bench) -> None:
    first = served_twice.reader.history()[-1].id
    text = printed(print_run, served_twice.reader.run(first))
    assert "Models" in text
    assert "linear probe" not in text


def test_a_promotion_has_no_diagnosis(served_twice: Bench) -> None:
    text = printed(print_run, served_twice.reader.run(served_twice.reader.history()[0].id))
    assert "baseline_avgpool: promoted" in text
    assert "why it may have been rejected" not in text


def test_a_model_that_was_never_decided_on_shows_its_checks_all_the_same(bench: Bench) -> None:
    run_id = bench.start_run()
    bench.candidate(run_id, checks=(CheckResult("padding", "fail", {}, "", "a logit moves"),))
    bench.store.finish_run(run_id, "failed", "the disk is full", 1.0)

    text = printed(print_run, bench.reader.run(run_id))
    assert line_with(after(text, "Checks of baseline_avgpool"), "padding").split()[1] == "fail"


def test_a_rollback_says_what_was_put_back_and_has_neither_seed_nor_ledger(served_twice: Bench) -> None:
    first = served_twice.reader.champions("imdb")[0]
    run_id = served_twice.roll_back(first.candidate_id, position=2)

    text = printed(print_run, served_twice.reader.run(run_id))
    assert "baseline_avgpool: put back" in text
    for word in ("seed", "Ledger", "Models", "device"):
        assert word not in text


def test_a_run_that_has_just_begun_can_be_shown(bench: Bench) -> None:
    text = printed(print_run, bench.reader.run(bench.start_run()))
    assert text.splitlines()[0].split()[1:] == ["running", "-"]


def test_a_run_of_a_slot_shows_it_and_another_one_has_no_such_line(bench: Bench) -> None:
    slot = "retrain/weekly 2026-11-30T03:00:00Z"
    scheduled = printed(print_run, bench.reader.run(bench.start_run(slot=slot)))
    assert line_with(scheduled, "retrain/weekly").split("slot")[1].strip() == slot
    assert "slot" not in printed(print_run, bench.reader.run(bench.start_run()))
