"""Questions of one's own to the store, in this process."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import Any

import pytest

from flows.cli import querying
from storage.metrics.ad_hoc import MAX_SECONDS
from storage.metrics.recipes import Recipe, recipes
from tests.flows.conftest import Command, record_rejection
from tests.storage.conftest import Bench

ODD = "SELECT 1 AS n, 0.1 + 0.2 AS sum, NULL AS missing, 'a \"b\", [red]c[/]' || char(13, 10) AS text, 9e999 AS inf"


def test_an_answer_is_a_table(served_twice: Bench, retrain: Command) -> None:
    code, out, err = retrain("sql", "SELECT state, count(*) AS runs, avg(seconds) / 3 AS third FROM runs GROUP BY 1")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [["state", "runs", "third"], ["completed", "2", "20.3333"]]


def test_an_answer_without_rows_says_so(served_twice: Bench, retrain: Command) -> None:
    assert retrain("sql", "SELECT * FROM runs WHERE 0") == (0, "no rows\n", "")


def test_an_answer_is_csv_with_exact_numbers(served_twice: Bench, retrain: Command) -> None:
    code, out, _ = retrain("sql", "--csv", ODD)
    assert code == 0
    assert out == 'n,sum,missing,text,inf\n1,0.30000000000000004,,"a ""b"", [red]c[/]\r\n",inf\n'
    assert list(csv.reader(io.StringIO(out, newline="")))[1][3] == 'a "b", [red]c[/]\r\n'


def test_an_answer_is_json_with_exact_numbers(served_twice: Bench, retrain: Command) -> None:
    code, out, _ = retrain("sql", "--json", ODD)
    assert code == 0
    (row,) = json.loads(out)
    assert row == {"n": 1, "sum": 0.1 + 0.2, "missing": None, "text": 'a "b", [red]c[/]\r\n', "inf": "inf"}


def test_a_long_answer_is_cut_and_says_so_beside_the_answer(served_twice: Bench, retrain: Command) -> None:
    code, out, err = retrain("sql", "--limit", "1", "--json", "SELECT id FROM runs")
    assert code == 0
    assert len(json.loads(out)) == 1
    assert err == "cut after 1 row: there are more; --limit says how many are printed.\n"


def test_a_question_can_come_from_standard_input(
    served_twice: Bench, retrain: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("SELECT 'é' AS x\n".encode())))
    assert retrain("sql", "--csv", "-")[:2] == (0, "x\né\n")


def test_bytes_that_are_no_text_are_no_question(
    served_twice: Bench, retrain: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"SELECT '\xff'")))
    code, out, err = retrain("sql", "-")
    assert (code, out) == (2, "")
    assert err.startswith("retrain: the question holds bytes that are no text")


def test_parameters_are_bound(served_twice: Bench, retrain: Command) -> None:
    question = "SELECT count(*) AS n FROM runs WHERE line = :line AND seconds > :least"
    assert retrain("sql", "--csv", question, "--param", "line=imdb", "--param", "least=60")[1] == "n\n2\n"
    assert retrain("sql", "--csv", "SELECT :a AS a", "--param", "a=b=c'; --")[1] == "a\nb=c'; --\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("DELETE FROM runs",), "does more than read"),
        (("SELECT missing FROM runs",), "no such column: missing. `retrain sql` lists"),
        (("SELECT 1", "--recipes"), "give a question, or --recipe, or --recipes"),
        (("--recipe", "runs_failed", "--param", "colour=red"), "has no parameter 'colour'; it has: "),
        (("SELECT 1", "--timeout", "3600"), "not in the range"),
        (("SELECT 1", "--timeout", "0"), "not in the range"),
        (("SELECT 1", "--timeout", "nan"), "not a valid integer"),
        (("SELECT 1", "--limit", "0"), "not in the range"),
        (("SELECT 1", "--param", "nonsense"), "expected NAME=VALUE"),
        (("SELECT :a", "--param", "b=1"), "--param name=value"),
    ],
)
def test_a_mistake_gets_one_sentence(
    served_twice: Bench, retrain: Command, arguments: tuple[str, ...], sentence: str
) -> None:
    code, out, err = retrain("sql", *arguments)
    assert (code, out) == (2, "")
    assert sentence in err


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_nothing_that_a_terminal_obeys_is_printed(served_twice: Bench, retrain: Command, form: tuple[str, ...]) -> None:
    hostile = "'x' || char(27, 155, 7, 8, 127, 8238) || '[31m]0;title' AS x"
    _, out, _ = retrain("sql", *form, f'SELECT {hostile}, {hostile.replace("AS x", "")} AS "a\033[31mb"')
    assert "[31m]0;title" in out
    assert not set(out) & set("\033\x9b\x07\x08\x7f\u202e")


def test_csv_is_exact_for_a_program_and_harmless_for_a_terminal(
    served_twice: Bench, retrain: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\033" in retrain("sql", "--csv", "SELECT char(27)")[1]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "\033" not in retrain("sql", "--csv", "SELECT char(27)")[1]


def test_a_row_that_is_too_wide_for_the_terminal_is_printed_column_by_column(
    served_twice: Bench, retrain: Command
) -> None:
    out = retrain("sql", "SELECT * FROM runs ORDER BY started_at LIMIT 1")[1]
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["row", "1"]
    assert ["line", "imdb"] in lines
    assert ["slot", "NULL"] in lines


def test_without_a_question_the_tables_are_listed_with_their_columns(served_twice: Bench, retrain: Command) -> None:
    code, out, _ = retrain("sql")
    assert code == 0
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0].startswith("run_overview  ")
    assert "snapshots  An immutable dataset." in lines
    assert "  id, run_id, candidate_id, kind, verdict, reason, test_id, decided_at" in lines
    told: list[dict[str, Any]] = json.loads(retrain("sql", "--json")[1])
    assert {"runs", "champions"} < {relation["name"] for relation in told}


def test_a_question_of_the_cook_book_is_answered(served_twice: Bench, retrain: Command) -> None:
    code, out, _ = retrain("sql", "--recipe", "champions_of_a_line")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].endswith("?")
    assert lines[1].endswith("line=imdb")
    assert sum("baseline_avgpool" in line for line in lines) == 2


def test_a_parameter_of_a_recipe_can_be_changed(served_twice: Bench, retrain: Command) -> None:
    _, out, _ = retrain("sql", "--recipe", "champions_of_a_line", "--json")
    assert len(json.loads(out)) == 2
    _, out, _ = retrain("sql", "--recipe", "champions_of_a_line", "--json", "--param", "line=nobody's")
    assert json.loads(out) == []


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_every_recipe_can_be_asked_from_the_command_line(served_twice: Bench, retrain: Command, recipe: Recipe) -> None:
    record_rejection(served_twice)
    code, _, err = retrain("sql", "--recipe", recipe.name)
    assert (code, err) == (0, "")


def test_the_cook_book_is_listed_by_its_questions(served_twice: Bench, retrain: Command) -> None:
    out = retrain("sql", "--recipes")[1]
    told = json.loads(retrain("sql", "--recipes", "--json")[1])
    assert [recipe["name"] for recipe in told] == [recipe.name for recipe in recipes()]
    for recipe in told:
        assert f"{recipe['name']}  {recipe['question']}" in out


def test_a_recipe_that_is_not_there_is_told_with_one_that_is(served_twice: Bench, retrain: Command) -> None:
    code, out, err = retrain("sql", "--recipe", "run_failed")
    assert (code, out) == (4, "")
    assert "no recipe 'run_failed'. Is it runs_failed" in err


def test_the_longest_time_is_the_stores() -> None:
    assert querying.MOST_SECONDS == MAX_SECONDS
