from __future__ import annotations

import pytest

from flows.cli.shared import finish
from flows.runs import Outcome
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
