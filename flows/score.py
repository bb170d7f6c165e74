"""Label new reviews with the champion."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State

from flows.forms import NamedSourceName
from flows.logs import show_our_logs
from flows.runs import as_state, record_run, slot, trigger
from storage.options import ColumnOptions, DataOptions, RunOptions
from storage.records import RunStart
from storage.settings import Settings
from storage.versions import git_commit, library_versions
from tasks.score import score as score_task
from tasks.sources.resolve import check_is_named


@flow(name="score", flow_run_name="score {source}", validate_parameters=True)
def score(
    source: NamedSourceName,
    line: str = "",
    ending: Literal[".parquet", ".csv", ".jsonl"] = ".parquet",
    data: DataOptions = DataOptions(),
    columns: ColumnOptions = ColumnOptions(),
) -> State[Any]:
    """Label the reviews of a source with the champion; the file stands in the folder of scores, named after the run.

    Args:
        source: A name from the file of sources.
        line: Whose champion; empty for the only line that has one.
        ending: Kind of the file.
        data: Bounds of what is read.
        columns: How to read the texts.
    """
    show_our_logs()
    options = RunOptions.parse(source=source, data=data, columns=columns)
    started_by = trigger()
    if started_by != "command line":
        check_is_named(options, Settings.from_environment())
    start = RunStart(
        flow="score",
        line=line or "-",
        trigger=started_by,
        options={"source": source, "line": line, "ending": ending},
        seed=None,
        dry_run=False,
        versions=library_versions(),
        git_commit=git_commit(),
        slot=slot(),
    )

    def stages(run_id: str) -> str:
        scored = score_task(run_id, options, line, ending)
        return (
            f"{scored.num_rows:,} rows labelled, {scored.num_positive:,} of them positive, {scored.num_refused:,} "
            f"refused: {scored.path}"
        )

    return as_state(record_run(start, stages))
