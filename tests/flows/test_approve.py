"""What a person is asked, and what becomes of each answer. The real form is tried in tests/system/test_approval.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.exceptions import FlowPauseTimeout
from pydantic import ValidationError

from flows import approve as module
from flows.approve import Answer, ask, check_can_ask, question_markdown, span_words
from storage.errors import OptionError
from storage.options import ApprovalOptions, RunOptions
from storage.records import (
    Approval,
    Asked,
    Basis,
    Candidate,
    CheckResult,
    Decision,
    Gate,
    Proposal,
    SnapshotRecord,
)
from tests.storage.conftest import comparison, evaluation

BASIS = Basis(champion_position=2, num_comparisons=4)
MODEL = Candidate("r1/a", "r1", "a", "b" * 64, "cpu", 1, 2, 3.0, (), evaluation("validation"), evaluation("test"))
SISTER = replace(MODEL, id="r1/b", model="b")
WAIVED = Gate("better than the probe", "waived", 0.8, 0.9, "a linear model does as well")
PASSED = Gate("above chance", "pass", 0.8, 0.55, "far above it")
WINS = Decision("r1/a", True, "all gates passed", (PASSED, WAIVED), comparison("r0/a", 4))
LOSES = Decision("r1/b", False, "the model scores near chance", ())
SNAPSHOT = SnapshotRecord("s" * 64, "t" * 64, "imdb", "a file", "it was there", "", {"train": 1}, 1, 1)
CHECKS = [CheckResult("split", "pass", {}, "", "alike"), CheckResult("drift", "warn", {}, "", "longer reviews")]
ASKING = RunOptions(approval=ApprovalOptions(required=True, timeout_minutes=90))


def page(winner: Decision = WINS) -> list[str]:
    proposal = Proposal((winner, LOSES), BASIS)
    return question_markdown(proposal, [MODEL, SISTER], CHECKS, "imdb", 1440).splitlines()


# The question.


def test_the_question_shows_the_candidate_its_scores_and_the_champion() -> None:
    lines = page()
    assert lines[:3] == ["# Promote a on imdb?", "", "all gates passed."]
    assert "- test accuracy 0.9000 [0.8000, 1.0000] at 95%" in lines
    assert "- test AUC 0.9500" in lines
    assert (
        "- against the champion `r0/a` on the same 100 rows: accuracy differs by +0.0800 [+0.0200, +0.1400] at 95%, "
        "p = 0.01 that it is no better; AUC by +0.0300 [+0.0100, +0.0500]"
    ) in lines
    assert "- compared with no champion" in page(replace(WINS, comparison=None))


def test_the_question_tells_what_was_waived_or_warned_of_and_what_became_of_the_others() -> None:
    lines = page()
    assert "- **better than the probe**: waived, a linear model does as well" in lines
    assert "- check **drift**: warn, longer reviews" in lines
    assert "- b, which is rejected: the model scores near chance" in lines
    assert not any("above chance" in line or "alike" in line for line in lines)


def test_the_question_says_what_happens_without_an_answer() -> None:
    assert page()[-1] == ("Run `r1`: `retrain show r1`. Unless somebody approves within 24 hours, nothing is promoted.")


@pytest.mark.parametrize(
    ("minutes", "words"), [(1, "1 minute"), (59, "59 minutes"), (60, "1 hour"), (90, "90 minutes"), (1440, "24 hours")]
)
def test_a_span_is_told_in_hours_where_it_can(minutes: int, words: str) -> None:
    assert span_words(minutes) == words


# Whether to ask.


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """With what the question was put; the rule would promote the first candidate."""
    calls: list[tuple[Any, ...]] = []

    def approve(*arguments: Any) -> Approval:
        calls.append(arguments)
        return Approval(arguments[0], arguments[2], True, "Ana", "reads well")

    monkeypatch.setattr(module, "propose", lambda *_: Proposal((WINS, LOSES), BASIS))
    monkeypatch.setattr(module, "approve", approve)
    return calls


def test_a_person_is_asked_about_the_candidate_that_would_be_promoted(asked: list[tuple[Any, ...]]) -> None:
    answer = ask("r1", [MODEL, SISTER], CHECKS, SNAPSHOT, ASKING)
    assert answer == Asked(Approval("r1/a", BASIS, True, "Ana", "reads well"), {})
    ((candidate_id, line, basis, question, minutes),) = asked
    assert (candidate_id, line, basis, minutes) == ("r1/a", "imdb", BASIS, 90)
    assert question.startswith("# Promote a on imdb?")


@pytest.mark.parametrize(
    "options", [RunOptions(), ASKING.model_copy(update={"dry_run": True})], ids=["by default", "in a dry run"]
)
def test_nobody_is_asked_and_nothing_is_computed(options: RunOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("called")

    monkeypatch.setattr(module, "propose", refuse)
    monkeypatch.setattr(module, "approve", refuse)
    assert ask("r1", [MODEL, SISTER], CHECKS, SNAPSHOT, options) == Asked()


def test_nobody_is_asked_where_the_rule_promotes_nothing(
    asked: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "propose", lambda *_: Proposal((LOSES,), BASIS))
    assert ask("r1", [SISTER], CHECKS, SNAPSHOT, ASKING) == Asked()
    assert asked == []


@pytest.mark.parametrize("api", [None, "http://127.0.0.1:9/api"])
def test_without_a_server_whose_ui_could_ask_the_run_is_refused_at_once(
    api: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SimpleNamespace(api=SimpleNamespace(url=api))
    monkeypatch.setattr(module, "get_current_settings", lambda: settings)
    check_can_ask(RunOptions())
    check_can_ask(ASKING.model_copy(update={"dry_run": True}))
    if api is not None:
        check_can_ask(ASKING)
        return
    with pytest.raises(OptionError, match="no Prefect server is set up: name one in PREFECT_API_URL"):
        check_can_ask(ASKING)


# What becomes of an answer.


class Pause:
    """Prefect's pause: what it was called with, and what it answers or raises."""

    def __init__(self, outcome: Callable[[], Any]) -> None:
        self.outcome = outcome
        self.given: dict[str, Any] = {}
        self.was_left = False

    def __call__(self, **given: Any) -> Any:
        self.given = given
        return self.outcome()

    def leave(self) -> None:
        self.was_left = True


def ended(monkeypatch: pytest.MonkeyPatch, outcome: Callable[[], Any]) -> tuple[Any, Pause]:
    """The state in which the question ends."""
    pause = Pause(outcome)
    monkeypatch.setattr(module, "pause_flow_run", pause)
    monkeypatch.setattr(module, "_leave_the_pause", pause.leave)
    return module.approve.fn("r1/a", "imdb", BASIS, "# Promote?", 90), pause


def raises(error: Exception) -> Callable[[], Any]:
    def outcome() -> Any:
        raise error

    return outcome


@pytest.mark.parametrize(
    ("decision", "approved", "state"), [("approve", True, "Approved"), ("reject", False, "Rejected")]
)
def test_an_answer_is_kept_with_its_name_and_reason(
    monkeypatch: pytest.MonkeyPatch, decision: Any, approved: bool, state: str
) -> None:
    answer = Answer(decision=decision, reason=" two\n lines ", name="Ana\tB. ")
    found, pause = ended(monkeypatch, lambda: answer)
    assert found.data == Approval("r1/a", BASIS, approved, "Ana B.", "two lines")
    assert (found.name, found.is_completed(), found.message) == (state, True, "by Ana B.: two lines")
    assert not pause.was_left


def test_the_pause_has_a_key_of_its_own_so_that_no_earlier_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    _, pause = ended(monkeypatch, lambda: Answer(decision="reject", reason="no", name="Ana"))
    assert pause.given["key"] == "r1"
    assert pause.given["timeout"] == 90 * 60
    form = pause.given["wait_for_input"]
    assert issubclass(form, Answer)
    assert form._description == "# Promote?"


def test_no_answer_in_time_approves_nothing_and_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    found, pause = ended(monkeypatch, raises(FlowPauseTimeout("too late")))
    assert found.data == Approval("r1/a", BASIS, False, "", "nobody approved it within 90 minutes")
    assert (found.name, found.is_completed()) == ("Unanswered", True)
    assert pause.was_left


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "decision: field required"),
        ({"decision": "maybe", "reason": "x", "name": "Ana"}, "decision: input should be 'approve' or 'reject'"),
        ({"decision": "approve", "reason": " ", "name": "Ana"}, "reason: string should match pattern"),
        ({"decision": "approve", "reason": "x", "name": ""}, "name: string should match pattern"),
        ({"decision": "approve", "reason": "x" * 501, "name": "Ana"}, "reason: string should have at most 500"),
        ({"decision": "approve", "reason": "x", "name": "Ana", "force": True}, "force: extra inputs"),
    ],
    ids=["empty", "another word", "blank reason", "no name", "long reason", "more than asked"],
)
def test_an_answer_that_cannot_be_used_approves_nothing(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Answer(**given)
    found, _ = ended(monkeypatch, raises(caught.value))
    assert (found.data.approved, found.data.name, found.name) == (False, "", "Unanswered")
    assert found.data.reason.startswith(
        f"nobody approved it: the run was resumed without an answer that can be used ({field}"
    )


def test_a_fault_while_asking_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="cannot be paused"):
        ended(monkeypatch, raises(RuntimeError("the flow run cannot be paused")))
