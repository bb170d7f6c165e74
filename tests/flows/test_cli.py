"""The commands that read the store, and the mistakes of a rollback, in this process."""

from __future__ import annotations

import json

import pytest

from flows import cli
from flows.runs import Outcome
from storage.errors import DataRejectedError, NotFoundError, OptionError, RetrainError, SourceError, TrainingError
from storage.settings import Settings
from tests.flows.conftest import Command, record_rejection
from tests.storage.conftest import Bench


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TrainingError("nan"), 1),
        (OptionError("what"), 2),
        (SourceError("where"), 2),
        (DataRejectedError("no"), 3),
        (NotFoundError("who"), 4),
    ],
)
def test_every_error_has_its_exit_code(error: RetrainError, code: int) -> None:
    from flows.cli import exit_code

    assert exit_code(error) == code


# What serves, and what served.


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


# Mistakes of a rollback.

MISTAKES = [
    (
        ("sythetic", "--reason", "bad"),
        4,
        "retrain: the line 'sythetic' has no champion, so there is none to go back to.",
    ),
    (
        ("imdb", "--reason", "bad", "--to", "9"),
        4,
        "retrain: the line 'imdb' has no champion number 9: `retrain champion --line imdb --history` lists them.",
    ),
    (("imdb", "--reason", "bad", "--to", "2"), 2, "retrain: {present} serves on 'imdb' already."),
    (("imdb", "--reason", "  "), 2, "a reason is kept in the history: it cannot be empty."),
    (("imdb", "--reason", ""), 2, "a reason is kept in the history: it cannot be empty."),
    (("imdb",), 2, "Missing option '--reason'"),
    (("imdb", "--reason", "bad", "--to", "0"), 2, "0 is not in the range x>=1"),
    (("imdb", "--reason", "bad", "--to", "first"), 2, "'first' is not a valid integer range"),
    (("--reason", "bad"), 2, "Missing argument 'LINE'"),
]


@pytest.mark.parametrize(("arguments", "code", "sentence"), MISTAKES, ids=[" ".join(each[0]) for each in MISTAKES])
def test_a_mistake_gets_one_sentence_and_leaves_nothing(
    served_twice: Bench, retrain: Command, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    before = [served_twice.count(table) for table in ("runs", "decisions", "champions")]
    present = served_twice.reader.champions("imdb")[-1].candidate_id

    found, out, err = retrain("rollback", *arguments)

    assert (found, out) == (code, "")
    assert sentence.format(present=present) in err
    assert len([line for line in err.splitlines() if "retrain: " in line or "Error: " in line]) == 1
    assert "Traceback" not in err
    assert [served_twice.count(table) for table in ("runs", "decisions", "champions")] == before


def test_a_line_that_has_had_one_champion_has_none_to_go_back_to(bench: Bench, retrain: Command) -> None:
    bench.promote()
    runs = bench.count("runs")
    code, _, err = retrain("rollback", "imdb", "--reason", "bad")
    assert code == 4
    assert "the line 'imdb' has no champion before the present one" in err
    assert bench.count("runs") == runs


def test_without_a_store_there_is_nothing_to_go_back_to_and_none_is_made(settings: Settings, retrain: Command) -> None:
    code, _, err = retrain("rollback", "imdb", "--reason", "bad")
    assert code == 4
    assert "there is no metrics store" in err
    assert not (settings.home / "metrics.db").exists()


def test_a_temporary_server_that_does_not_start_is_explained() -> None:
    def flow() -> Outcome:
        raise RuntimeError("Timed out while attempting to connect to ephemeral Prefect API server.")

    with pytest.raises(OptionError, match=r"did not start \(Timed out .*PREFECT_HOME.*PREFECT_API_URL"):
        cli._finish(Settings.from_environment(), flow, as_json=False)


def test_any_other_fault_of_a_flow_is_not_explained_away() -> None:
    def flow() -> Outcome:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        cli._finish(Settings.from_environment(), flow, as_json=False)
