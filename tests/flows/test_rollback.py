"""Putting an earlier champion back, from the flow to the store; Prefect's engine and the child are stood in for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest
from prefect.client.schemas.objects import State

from flows import rollback as flow
from flows.runs import Outcome
from storage.bundles import Predictions
from storage.errors import ContentError, NotFoundError, OptionError
from storage.sequences import Sequences
from storage.snapshots import Rows, row_ids
from tasks import roll_back as task
from tests.flows.conftest import Command
from tests.storage.conftest import Bench

NUM_ROWS = 20
TOLERANCE = 1e-4

RollBack = Callable[..., Outcome]


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Callable[[float | Exception], None]:
    """What a fresh process makes of the former champion's bundle: its probabilities moved by so much, or an error."""
    tokens = Sequences.from_lists([[index + 1] for index in range(NUM_ROWS)])
    rows = Rows(row_ids("test", tokens), np.arange(NUM_ROWS, dtype=np.uint8) % 2, tokens)
    probabilities = np.linspace(0.1, 0.9, NUM_ROWS).astype(np.float32)
    # The bundle keeps its rows in an order of its own.
    order = np.arange(NUM_ROWS)[::-1]
    stored = Predictions(rows.ids.take(order), rows.labels[order], probabilities[order])
    snapshot = SimpleNamespace(rows=lambda _: rows, raw=lambda _: tokens)
    monkeypatch.setattr(task, "open_snapshot", lambda *_: snapshot)
    monkeypatch.setattr(task, "read_test_predictions", lambda *_: stored)

    def answer(moved: float | Exception) -> None:
        def score(_root: object, _bundle: str, tokens: Sequences) -> npt.NDArray[np.float32]:
            if isinstance(moved, Exception):
                raise moved
            again = probabilities[tokens.values - 1].copy()
            again[3] += moved
            return again

        monkeypatch.setattr(task, "score_in_fresh_process", score)

    answer(0.0)
    return answer


@pytest.fixture
def roll_back(
    served_twice: Bench, child: Callable[[float | Exception], None], monkeypatch: pytest.MonkeyPatch
) -> RollBack:
    """The flow, run without Prefect's engine."""
    monkeypatch.setattr(flow, "roll_back", task.roll_back.fn)

    def call(line: str = "imdb", reason: str = "complaints", to: int = 0, dry_run: bool = False) -> Outcome:
        state: State[Outcome] = flow.rollback.fn(line, reason, to, dry_run)
        outcome = state.result()
        assert isinstance(outcome, Outcome)
        return outcome

    return call


def test_the_champion_before_the_present_one_serves_again(served_twice: Bench, roll_back: RollBack) -> None:
    first, second = served_twice.reader.champions("imdb")

    outcome = roll_back()

    champions = served_twice.reader.champions("imdb")
    assert [entry.candidate_id for entry in champions] == [
        first.candidate_id,
        second.candidate_id,
        first.candidate_id,
    ]
    assert (champions[-1].succession, champions[-1].mark, champions[-1].reason) == ("rollback", 3, "complaints")
    assert (outcome.state, outcome.message) == ("completed", f"put back {first.candidate_id} on imdb: complaints")


def test_the_run_of_a_rollback_knows_its_snapshot_and_what_was_asked_for(
    served_twice: Bench, roll_back: RollBack
) -> None:
    run = served_twice.reader.run(roll_back(to=1).run_id)

    assert (run["flow"], run["line"], run["seed"], run["snapshot"]["id"]) == ("rollback", "imdb", None, "s1")
    assert run["options"] == {"line": "imdb", "to": 1, "reason": "complaints", "dry_run": False}
    assert [stage["name"] for stage in run["stages"]] == ["roll back"]
    (gate,) = run["decisions"][0]["gates"]
    assert (gate["name"], gate["verdict"], gate["value"], gate["bound"]) == ("reload", "pass", 0.0, TOLERANCE)


def test_a_dry_run_says_what_it_would_do_and_does_not(served_twice: Bench, roll_back: RollBack) -> None:
    outcome = roll_back(dry_run=True)

    assert outcome.message.startswith("a dry run: would put back ")
    assert [entry.position for entry in served_twice.reader.champions("imdb")] == [1, 2]
    (decision,) = served_twice.reader.run(outcome.run_id)["decisions"]
    assert decision["verdict"] == "would promote"


@pytest.mark.parametrize(
    ("moved", "verdict"),
    [(0.9 * TOLERANCE, "pass"), (-0.9 * TOLERANCE, "pass"), (1.1 * TOLERANCE, "fail"), (-1.1 * TOLERANCE, "fail")],
)
def test_the_bundle_must_give_what_it_gave_when_it_was_published(
    served_twice: Bench,
    roll_back: RollBack,
    child: Callable[[float | Exception], None],
    moved: float,
    verdict: str,
) -> None:
    child(moved)
    outcome = roll_back()

    (decision,) = served_twice.reader.run(outcome.run_id)["decisions"]
    (gate,) = decision["gates"]
    assert gate["verdict"] == verdict
    assert gate["value"] == pytest.approx(abs(moved), abs=1e-6)
    assert len(served_twice.reader.champions("imdb")) == (3 if verdict == "pass" else 2)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ContentError("model.keras was changed."), "the champion cannot be put back: model.keras was changed"),
        (0.5, "the bundle gives other probabilities than it did: largest difference 0.5 on 20 of its test rows"),
        (float("nan"), "the bundle gives other probabilities than it did: largest difference nan"),
    ],
    ids=["damaged", "another model", "not a number"],
)
def test_a_bundle_that_is_not_what_it_was_is_not_put_back_and_the_reason_is_kept(
    served_twice: Bench,
    roll_back: RollBack,
    child: Callable[[float | Exception], None],
    answer: float | Exception,
    words: str,
) -> None:
    child(answer)
    outcome = roll_back()

    assert outcome.state == "completed"
    assert outcome.message.startswith(f"nothing put back on imdb: {words}")
    assert outcome.message.endswith("; asked for because: complaints")
    (decision,) = served_twice.reader.run(outcome.run_id)["decisions"]
    assert (decision["kind"], decision["verdict"]) == ("rollback", "rejected")
    assert [entry.position for entry in served_twice.reader.champions("imdb")] == [1, 2]


@pytest.mark.parametrize(
    ("line", "to", "error", "words"),
    [
        ("synthetic", 0, NotFoundError, "the line 'synthetic' has no champion"),
        ("imdb", 3, NotFoundError, "has no champion number 3"),
        ("imdb", 2, OptionError, "serves on 'imdb' already"),
    ],
)
def test_a_mistake_from_a_deployment_is_a_failed_run_that_says_so(
    served_twice: Bench, roll_back: RollBack, line: str, to: int, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        roll_back(line=line, to=to)

    run = served_twice.reader.run("latest")
    assert (run["flow"], run["state"], run["decisions"]) == ("rollback", "failed", [])
    assert words in run["message"]


def test_after_a_rollback_the_one_before_is_the_one_that_was_found_wanting(
    served_twice: Bench, roll_back: RollBack
) -> None:
    _, second = served_twice.reader.champions("imdb")
    # Where the second one was trained, no snapshot was noted by the fixture.
    served_twice.snapshot(second.candidate_id.split("/")[0])

    roll_back()
    roll_back()

    champions = served_twice.reader.champions("imdb")
    assert champions[-1].candidate_id == second.candidate_id
    assert [entry.mark for entry in champions] == [1, 2, 3, 4]


def test_the_command_prints_the_verdict_and_where_to_read_on(
    served_twice: Bench, roll_back: RollBack, retrain: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = served_twice.reader.champions("imdb")[0]
    monkeypatch.setattr(
        flow,
        "rollback_as_flow",
        lambda line, reason, to, *, dry_run: roll_back(line, reason, to, dry_run),
    )

    code, out, err = retrain("rollback", "imdb", "--reason", "  complaints [of many] ")

    assert (code, err) == (0, "")
    run_id = served_twice.reader.history()[0].id
    assert out.split("\n\n") == [
        f"\nput back {first.candidate_id} on imdb: complaints [of many]",
        f"retrain show {run_id}\n",
    ]
