from __future__ import annotations

import os

import pytest

from flows.cli import shared
from flows.cli.shared import finish, prepare_flow
from flows.runs import Outcome
from flows.scheduling import state
from storage.errors import OptionError
from storage.settings import Settings


def test_a_temporary_server_that_does_not_start_is_explained() -> None:
    def flow() -> Outcome:
        raise RuntimeError("Timed out while attempting to connect to ephemeral Prefect API server.")

    with pytest.raises(OptionError, match=r"did not start \(Timed out .*PREFECT_HOME.*PREFECT_API_URL"):
        finish(Settings.from_environment(), flow, as_json=False)


def test_any_other_fault_of_a_flow_is_not_explained_away() -> None:
    def flow() -> Outcome:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        finish(Settings.from_environment(), flow, as_json=False)


@pytest.mark.parametrize(
    ("named", "standing", "expected"),
    [
        (None, None, None),
        (None, "http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("http://elsewhere/api", "http://127.0.0.1:4200/api", "http://elsewhere/api"),
    ],
)
def test_a_run_works_with_the_server_that_is_named_or_else_the_one_that_is_up(
    monkeypatch: pytest.MonkeyPatch, named: str | None, standing: str | None, expected: str | None
) -> None:
    monkeypatch.setattr(shared, "prepare_prefect", lambda: None)
    monkeypatch.setattr(state, "standing_server", lambda folder: standing)
    # So that it is as it was after the test, whatever is set there.
    monkeypatch.setenv("PREFECT_API_URL", "")
    monkeypatch.delenv("PREFECT_API_URL")
    if named:
        monkeypatch.setenv("PREFECT_API_URL", named)

    prepare_flow(Settings.from_environment())

    assert os.environ.get("PREFECT_API_URL") == expected
