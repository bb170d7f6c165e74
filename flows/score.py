"""Label new reviews with the champion."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State

from flows.forms import NamedSourceName
from flows.logs import show_our_logs
from flows.runs import as_state, check_may_read, record_run, run_start
from storage.options import ColumnOptions, DataOptions, RunOptions
from tasks.score import score as score_task


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
    check_may_read(options)
    start = run_start("score", {"source": source, "line": line, "ending": ending}, line=line or "-")

    def stages(run_id: str) -> str:
        scored = score_task(run_id, options, line, ending)
        return (
            f"{scored.num_rows:,} rows labelled, {scored.num_positive:,} of them positive, {scored.num_refused:,} "
            f"refused: {scored.path}"
        )

    return as_state(record_run(start, stages))
