from __future__ import annotations

from typing import Any

import pytest

from tasks import report as task
from tests.verdicts import BALANCE, REJECTED, SNAPSHOT, candidate


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What was published, by key."""
    found: dict[str, Any] = {}

    def create(content: Any, *, key: str, description: str) -> None:
        assert "imdb" in description
        found[key] = content

    monkeypatch.setattr(task, "create_markdown_artifact", create)
    monkeypatch.setattr(task, "create_table_artifact", create)
    return found


def test_a_decided_run_leaves_a_page_and_three_tables_of_its_line(
    published: dict[str, Any],
) -> None:
    task.report.fn("r1", SNAPSHOT, [BALANCE], [candidate()], [REJECTED], "nothing promoted on imdb: a: no")

    assert set(published) == {"verdict-imdb", "metrics-imdb", "gates-imdb", "checks-imdb"}
    assert published["verdict-imdb"].startswith("# nothing promoted on imdb\na: no.\n")
    assert [row["check"] for row in published["checks-imdb"]] == ["label balance"]


def test_rejected_data_leaves_a_page_and_its_checks(published: dict[str, Any]) -> None:
    task.report.fn("r1", SNAPSHOT, [BALANCE], [], [], "the data was rejected before training: label balance: lopsided")

    assert set(published) == {"verdict-imdb", "checks-imdb"}
