from __future__ import annotations

import os

import pytest

from flows.cli import shared
from flows.cli.shared import prepare_flow
from flows.scheduling import state
from flows.temporary import server
from storage.settings import Settings


@pytest.mark.parametrize(
    ("named", "standing", "expected"),
    [
        (None, None, "a temporary one"),
        (None, "http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("http://elsewhere/api", "http://127.0.0.1:4200/api", "http://elsewhere/api"),
    ],
)
def test_a_run_works_with_the_server_that_is_named_or_the_one_that_is_up_or_else_a_temporary_one(
    monkeypatch: pytest.MonkeyPatch, named: str | None, standing: str | None, expected: str | None
) -> None:
    monkeypatch.setattr(shared, "prepare_prefect", lambda: None)
    monkeypatch.setattr(state, "standing_server", lambda folder: standing)
    monkeypatch.setattr(server, "start_temporary", lambda: monkeypatch.setenv("PREFECT_API_URL", "a temporary one"))
    # So that it is as it was after the test, whatever is set there.
    monkeypatch.setenv("PREFECT_API_URL", "")
    monkeypatch.delenv("PREFECT_API_URL")
    if named:
        monkeypatch.setenv("PREFECT_API_URL", named)

    prepare_flow(Settings.from_environment())

    assert os.environ.get("PREFECT_API_URL") == expected
