from __future__ import annotations

from typing import Any

import pytest

from tasks import report as task
from tests.verdicts import BALANCE, REJECTED, candidate, contents


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What was published, by key."""
    found: dict[str, Any] = {}

    def create(content: Any, *, key: str, description: str) -> None:
        assert "imdb" in description
        found[key] = content

    monkeypatch.setattr(task, "create_markdown_artifact", create)
    monkeypatch.setattr(task, "create_table_artifact", create)
    monkeypatch.setenv("RETRAIN_HOME", "/home/x")
    return found


def test_a_decided_run_leaves_a_page_and_three_tables_of_its_line(
    published: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        task, "gather", lambda _, run_id: {"r1": contents([BALANCE], [candidate()], [REJECTED])}[run_id]
    )
    task.report.fn("r1", "nothing promoted on imdb: a: no")

    assert set(published) == {"verdict-imdb", "metrics-imdb", "gates-imdb", "checks-imdb"}
    assert published["verdict-imdb"].startswith("# nothing promoted on imdb\na: no.\n")
    assert "`/home/x/reports/r1.html`" in published["verdict-imdb"]
    assert [row["check"] for row in published["checks-imdb"]] == ["label balance"]


def test_rejected_data_leaves_a_page_and_its_checks(published: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "gather", lambda *_: contents([BALANCE]))
    task.report.fn("r1", "the data was rejected before training: label balance: lopsided")

    assert set(published) == {"verdict-imdb", "checks-imdb"}


def test_a_verdict_that_cannot_be_shown_is_a_warning_that_says_where_it_is(
    published: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(task, "gather", lambda *_: contents([BALANCE], [candidate()], [REJECTED]))

    def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("the server is gone")

    monkeypatch.setattr(task, "create_markdown_artifact", unreachable)
    task.report.fn("r1", "nothing promoted on imdb: a: no")

    (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert "ConnectionError: the server is gone" in warning
    assert warning.endswith("retrain show r1")
