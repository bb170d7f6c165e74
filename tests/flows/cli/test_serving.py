"""The mistakes of a rollback, in this process."""

from __future__ import annotations

import pytest

from storage.settings import Settings
from tests.flows.conftest import Command
from tests.storage.conftest import Bench

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
