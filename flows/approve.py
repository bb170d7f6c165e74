"""Asking a person, in Prefect's UI, whether a candidate may be promoted.

The question is a flow run of its own below the run that asks. A run that pauses gives its place among the runs of its
deployment away, and Prefect ends it when it is next to renew that place, within minutes; a run below has no such place,
and the run that asks keeps its own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal, cast

from prefect import flow, get_client, runtime
from prefect.client.schemas.objects import State
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.settings import get_current_settings
from prefect.states import Completed, Running
from pydantic import ConfigDict, Field, ValidationError

from flows.temporary.server import is_temporary
from storage.errors import OptionError
from storage.options import RunOptions
from storage.records import Approval, Asked, Basis, Candidate, CheckResult, Comparison, Proposal, SnapshotRecord
from tasks.promote import propose

logger = logging.getLogger(__name__)


class Answer(RunInput):
    """The form that a person fills in; nothing in it has a default, so that nobody approves by mistake."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    decision: Literal["approve", "reject"]
    """Whether the candidate is promoted."""
    reason: str = Field(pattern=r"\S", max_length=500)
    """Why; it is kept in the history of the champions."""
    name: str = Field(pattern=r"\S", max_length=100)
    """Who decides; it is kept as well."""


def check_can_ask(options: RunOptions) -> None:
    """Say at once that there is nowhere to ask; a temporary server has no UI that anybody could open.

    Raises:
        OptionError: A person is to approve the promotion, and no Prefect server is set up.
    """
    url = get_current_settings().api.url
    if options.approval.required and not options.dry_run and (url is None or is_temporary(url)):
        raise OptionError(
            "approval.required asks a person in Prefect's UI, and no Prefect server is set up: name one in "
            "PREFECT_API_URL, run a deployment, or leave approval.required out."
        )


def ask(
    run_id: str,
    candidates: Sequence[Candidate],
    checks: Sequence[CheckResult],
    snapshot: SnapshotRecord,
    options: RunOptions,
) -> Asked:
    """Wait for a person's answer, where one is asked for and the rule would promote; else nobody is asked."""
    if not options.approval.required or options.dry_run:
        return Asked()
    proposal = propose(run_id, candidates, checks, snapshot, options)
    winner = next((decision for decision in proposal.decisions if decision.promote), None)
    if winner is None:
        return Asked(answers=proposal.answers)
    minutes = options.approval.timeout_minutes
    question = question_markdown(proposal, candidates, checks, snapshot.line, minutes)
    approval = cast(Approval, approve(winner.candidate_id, snapshot.line, proposal.basis, question, minutes))
    return Asked(approval, proposal.answers)


@flow(name="approve", flow_run_name="approve {candidate_id} on {line}", validate_parameters=True)
def approve(candidate_id: str, line: str, basis: Basis, question: str, timeout_minutes: int) -> State[Any]:
    """Ask a person whether a candidate may be promoted, and wait for the answer.

    Args:
        candidate_id: The candidate.
        line: What it would be champion of.
        basis: What the proposal rests on.
        question: The proposal in markdown, for the form.
        timeout_minutes: How long to wait.
    """
    approval = _wait(candidate_id, basis, question, timeout_minutes)
    if not approval.name:
        return Completed(name="Unanswered", message=approval.reason, data=approval)
    name = "Approved" if approval.approved else "Rejected"
    return Completed(name=name, message=f"by {approval.name}: {approval.reason}", data=approval)


def _wait(candidate_id: str, basis: Basis, question: str, timeout_minutes: int) -> Approval:
    """The answer; whatever else happens is none, and approves nothing."""
    span = span_words(timeout_minutes)
    logger.info("waiting up to %s for a person to approve %s: %s", span, candidate_id, runtime.flow_run.ui_url)
    try:
        answer = pause_flow_run(
            wait_for_input=Answer.with_initial_data(description=question),
            timeout=60 * timeout_minutes,
            # Prefect finds an answer by this key: a run that is tried again must not find the one before.
            key=candidate_id.partition("/")[0],
        )
    except FlowPauseTimeout:
        _leave_the_pause()
        return Approval(candidate_id, basis, approved=False, name="", reason=f"nobody approved it within {span}")
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg'][0].lower()}{first['msg'][1:]}"
        reason = f"nobody approved it: the run was resumed without an answer that can be used ({what})"
        return Approval(candidate_id, basis, approved=False, name="", reason=reason)
    return Approval(candidate_id, basis, answer.decision == "approve", _one_line(answer.name), _one_line(answer.reason))


def _leave_the_pause() -> None:
    """Let this flow run end as it says: Prefect calls one whose pause has run out failed, whatever it returns."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(runtime.flow_run.id, Running(), force=True)


def question_markdown(
    proposal: Proposal, candidates: Sequence[Candidate], checks: Sequence[CheckResult], line: str, timeout_minutes: int
) -> str:
    """What a person is shown above the form: the candidate, its scores, and what speaks against it.

    Args:
        proposal: Of which one decision promotes.
        candidates: All of the run.
        checks: What the checks of the data said.
        line: What the candidate would be champion of.
        timeout_minutes: How long the run waits.
    """
    by_id = {candidate.id: candidate for candidate in candidates}
    (winner,) = (decision for decision in proposal.decisions if decision.promote)
    others = [decision for decision in proposal.decisions if not decision.promote]
    candidate = by_id[winner.candidate_id]
    lines = [
        f"# Promote {candidate.model} on {line}?",
        "",
        f"{winner.reason}.",
        "",
        *_score_lines(candidate, winner.comparison),
        *(f"- **{gate.name}**: {gate.verdict}, {gate.words}" for gate in winner.gates if gate.verdict == "waived"),
        *(
            f"- check **{check.name}**: {check.verdict}, {check.evidence}"
            for check in (*checks, *candidate.checks)
            if check.verdict != "pass"
        ),
        *(f"- {by_id[other.candidate_id].model}, which is rejected: {other.reason}" for other in others),
        "",
        f"Run `{candidate.run_id}`: `retrain show {candidate.run_id}`. Unless somebody approves within "
        f"{span_words(timeout_minutes)}, nothing is promoted.",
    ]
    return "\n".join(lines) + "\n"


def _score_lines(candidate: Candidate, comparison: Comparison | None) -> list[str]:
    bounds = next(
        (
            f" [{metric.lower:.4f}, {metric.upper:.4f}] at {metric.confidence:.0%}"
            for metric in candidate.test.metrics
            if (metric.name, metric.scope) == ("accuracy", "overall") and metric.lower is not None
        ),
        "",
    )
    lines = [
        f"- test accuracy {candidate.test.confusion.accuracy:.4f}{bounds}",
        f"- test AUC {candidate.test.auc:.4f}",
    ]
    if comparison is None:
        return [*lines, "- compared with no champion"]
    return [
        *lines,
        f"- against the champion `{comparison.champion_id}` on the same {comparison.num_rows:,} rows: accuracy differs "
        f"by {comparison.difference:+.4f} [{comparison.lower:+.4f}, {comparison.upper:+.4f}] at 95%, "
        f"p = {comparison.p_value:.3g} that it is no better; AUC by {comparison.auc_difference:+.4f} "
        f"[{comparison.auc_lower:+.4f}, {comparison.auc_upper:+.4f}]",
    ]


def span_words(minutes: int) -> str:
    """A number of minutes for a person: `24 hours`, `90 minutes`."""
    number, unit = (minutes // 60, "hour") if minutes % 60 == 0 else (minutes, "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _one_line(text: str) -> str:
    """A person's words as a log line and a table can hold them."""
    return " ".join(text.split())
