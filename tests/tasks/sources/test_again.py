from __future__ import annotations

from types import SimpleNamespace

import pytest
from prefect import Task

from storage.errors import DataRejectedError, SourceError, UnavailableSourceError
from tasks.ingest import ingest
from tasks.monitor import monitor
from tasks.score import score
from tasks.sources.again import again_if_unavailable


@pytest.mark.parametrize(
    ("error", "deployment", "again"),
    [
        (UnavailableSourceError("no answer"), "d1", True),
        (UnavailableSourceError("no answer"), None, False),
        (SourceError("no such table"), "d1", False),
        (DataRejectedError("one class"), "d1", False),
        (OSError("no space left"), "d1", False),
        (None, "d1", False),
    ],
)
def test_only_a_source_that_did_not_answer_is_read_again_and_only_for_a_deployment(
    error: Exception | None, deployment: str | None, again: bool
) -> None:
    condition = again_if_unavailable(lambda: deployment)

    assert condition(None, None, SimpleNamespace(data=error)) is again


@pytest.mark.parametrize("task", [ingest, score, monitor], ids=["ingest", "score", "monitor"])
def test_the_tasks_that_read_a_source_wait_and_try_again(
    task: Task[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (task.retries, task.retry_delay_seconds) == (2, [10, 60])
    condition = task.retry_condition_fn
    assert condition is not None
    failed = SimpleNamespace(data=UnavailableSourceError("no answer"))

    def again() -> object:
        return condition(task, None, failed)  # type: ignore[arg-type]

    # Outside of any deployment, as at the command line.
    assert again() is False
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "d1")
    assert again() is True
