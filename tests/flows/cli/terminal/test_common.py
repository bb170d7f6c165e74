from __future__ import annotations

import json

import pytest

from flows.cli.terminal.common import print_json
from tests.storage.conftest import Bench


def test_json_holds_records_and_times_in_utc(served_twice: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    print_json(served_twice.reader.champions())

    told = json.loads(capsys.readouterr().out)
    assert [(entry["position"], entry["mark"], entry["succession"]) for entry in told] == [
        (1, 1, "promotion"),
        (2, 2, "promotion"),
    ]
    assert told[0]["promoted_at"].endswith("Z")
