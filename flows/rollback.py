"""Put an earlier champion back: a decision like any other, with a reason, a gate, and an entry in the history."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.logs import show_our_logs
from flows.runs import Outcome, as_state, record_run, run_here, run_start
from tasks.roll_back import roll_back


@flow(name="rollback", flow_run_name="rollback {line}", validate_parameters=True)
def rollback(
    line: str,
    reason: Annotated[str, Field(pattern=r"\S")],
    to: Annotated[int, Field(ge=0)] = 0,
    dry_run: bool = False,
) -> State[Any]:
    """Let an earlier champion of a line serve again.

    Args:
        line: The line, such as `imdb`.
        reason: Why; it is kept in the history.
        to: Position of the earlier champion in the line's history; 0 for the one before the present one.
        dry_run: Decide and record the decision, but put nothing back.
    """
    show_our_logs()
    asked_for = {"line": line, "to": to, "reason": reason, "dry_run": dry_run}
    start = run_start("rollback", asked_for, line=line, dry_run=dry_run)

    def stages(run_id: str) -> str:
        decision = roll_back(run_id, line, to, reason, dry_run)
        if not decision.promote:
            return f"nothing put back on {line}: {decision.reason}"
        would = "a dry run: would put back" if dry_run else "put back"
        return f"{would} {decision.candidate_id} on {line}: {decision.reason}"

    return as_state(record_run(start, stages))


def rollback_as_flow(line: str, reason: str, to: int, *, dry_run: bool) -> Outcome:
    """Run the flow in this process, on a Prefect server or on one that it starts for itself.

    Raises:
        OptionError: A Prefect server is set up, but does not answer; or that champion serves already.
        NotFoundError: The line has no such champion.
    """
    return run_here(rollback, line, reason, to, dry_run)
