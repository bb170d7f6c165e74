"""Is the champion still good on today's reviews? Where it is not, an event says so, and a deployment retrains."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.events import announce_degradation
from flows.forms import NamedSourceName
from flows.logs import show_our_logs
from flows.runs import Outcome, as_state, check_may_read, record_run, run_here, run_start
from storage.options import CheckOptions, ColumnOptions, DataOptions, MonitorOptions, MonitorRunOptions
from storage.records import Observation, ObservationVerdict
from tasks.monitor import monitor as monitor_task
from tasks.monitoring.observe import is_alarming
from tasks.report_champion import report_champion

_OPTIONS = ("source", "line", "data", "columns", "checks", "monitor")
_STATES: dict[ObservationVerdict, str] = {
    "healthy": "Healthy",
    "degraded": "Degraded",
    "drifted": "Drifted",
    "too few rows": "TooFewRows",
}
_HEADLINES: dict[ObservationVerdict, str] = {
    "healthy": "the champion of {line} is healthy",
    "degraded": "the champion of {line} has degraded",
    "drifted": "the reviews of {line} have drifted, and its champion holds",
    "too few rows": "too few new rows to judge the champion of {line}",
}


@flow(name="monitor", flow_run_name="monitor {source}", validate_parameters=True)
def monitor(
    source: NamedSourceName = "reviews",
    line: str = "",
    data: DataOptions = DataOptions(),
    columns: ColumnOptions = ColumnOptions(),
    checks: CheckOptions = CheckOptions(),
    monitor: MonitorOptions = MonitorOptions(),
) -> State[Any]:
    """Hold the champion against the labelled reviews that came since it was trained.

    A run that finds the champion degraded has done its work: it completes, in a state of that name, and emits the event
    `retrain.champion.degraded`.

    Args:
        source: A name from the file of sources. Rows that the champion was trained on are left out.
        line: Whose champion; empty for the only line that has one.
        data: Bounds of what is read.
        columns: How to read labelled texts.
        checks: How many rows may be refused, and how far the reviews may drift.
        monitor: When the champion has degraded.
    """
    show_our_logs()
    values = {"source": source, "line": line, "data": data, "columns": columns, "checks": checks, "monitor": monitor}
    options = MonitorRunOptions.parse(**values)
    check_may_read(options)
    start = run_start("monitor", options.model_dump(mode="json", include=set(_OPTIONS)), line=line or "-")
    observed: list[Observation] = []

    def stages(run_id: str) -> str:
        watched = monitor_task(run_id, options)
        observed.append(watched.observation)
        said = headline(watched.observation)
        if is_alarming(watched.observation.verdict, options.monitor):
            announce_degradation(run_id, watched, options, said)
        report_champion(run_id, watched, said)
        return said

    outcome = record_run(start, stages)
    if outcome.state != "completed":
        return as_state(outcome)
    message = f"{outcome.run_id}: {outcome.message}"
    return Completed(name=_STATES[observed[0].verdict], message=message, data=outcome)


def monitor_as_flow(options: MonitorRunOptions) -> Outcome:
    """Run the flow in this process, on a Prefect server or on one that it starts for itself.

    Raises:
        OptionError: A Prefect server is set up, but does not answer.
        DataRejectedError: Too many rows of the source cannot be used.
        RetrainError: The source could not be read, or the champion could not be watched.
    """
    return run_here(monitor, **{name: getattr(options, name) for name in _OPTIONS})


def headline(observed: Observation) -> str:
    """An observation in one sentence."""
    return f"{_HEADLINES[observed.verdict].format(line=observed.line)}: {observed.reason}"
