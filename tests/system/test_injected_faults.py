"""Every fault of `faults.py` is injected into a whole run, and must be stopped, by its name, as early as it can be.

`docs/faults.md` shows what these tests found: `RETRAIN_WRITE_DOCS=1 pytest tests/system/test_injected_faults.py`
writes it anew, and every test compares its row.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from storage.metrics.reader import MetricsReader
from tests.system.conftest import ROOT, PrefectServer
from tests.system.faults import FAULTS, Fault, Stage

PAGE = ROOT / "docs" / "faults.md"
HEAD = """# Faults that were injected, and what stopped them

Each row is a test in `tests/system/test_injected_faults.py`: a whole run on the synthetic corpus, broken in one place.
`before training` means that a check of the data refused it and no model was trained; `before promotion` that the model
was trained, and then rejected. The evidence is what the user is told.

| fault | stopped | by | evidence |
|---|---|---|---|
"""
# Small, but enough for the averaging model to pass every gate where nothing is broken.
QUICK: dict[str, Any] = {
    "source": "synthetic",
    "models": ["baseline_avgpool"],
    "epochs": 12,
    "synthetic": {"num_train": 3000, "num_test": 1500},
    "training": {"batch_size": 64, "learning_rate": 0.002},
    # What was trained before a fault was injected must not stand in for what is trained after.
    "force": True,
}


@pytest.fixture(scope="module")
def rows() -> Iterator[dict[str, str]]:
    """The rows of the page, filled by the tests; written where that is asked for and all tests ran."""
    found: dict[str, str] = {}
    yield found
    if os.environ.get("RETRAIN_WRITE_DOCS") and len(found) == len(FAULTS):
        PAGE.write_text(HEAD + "".join(found[fault.name] for fault in FAULTS), encoding="utf-8")


def run(server: PrefectServer, **changes: Any) -> dict[str, Any]:
    """A whole run in this process, on a real server, read back from the store."""
    from flows.retrain import retrain
    from storage.settings import Settings

    options = {**QUICK, **changes}
    for group in ("synthetic", "training"):
        options[group] = {**QUICK[group], **options[group]}
    with temporary_settings({PREFECT_API_URL: server.api, PREFECT_LOGGING_TO_API_ENABLED: False}):
        retrain(**options, return_state=True)
    return MetricsReader(Settings.from_environment().database_url).run("latest")


def stopped(found: dict[str, Any]) -> tuple[Stage, dict[str, str]]:
    """When a run was stopped, and by which checks and gates, with their evidence."""
    of_data = {check["name"]: check["evidence"] for check in found["checks"] if check["verdict"] == "fail"}
    if found["state"] == "rejected data":
        assert not found["candidates"]
        return "before training", of_data
    assert found["state"] == "completed", found["message"]
    (decision,) = found["decisions"]
    assert decision["verdict"] == "rejected"
    gates = {gate["name"]: gate["words"] for gate in decision["gates"] if gate["verdict"] == "fail"}
    return "before promotion", {**gates, **of_data}


def as_row(fault: Fault, stage: Stage, evidence: str, home: Path) -> str:
    shown = evidence.replace("|", "/").replace(str(home), "~/.retrain")
    return f"| {fault.name} | {stage} | {fault.stopped_by} | {shown} |\n"


def without_numbers(text: str) -> str:
    """What does not depend on the machine's last bits, nor on the hashes of files that hold the time of day."""
    return re.sub(r"[0-9a-f]{12,}|/\S+|-?\d[\d.,]*(e-?\d+)?%?", "#", text)


def test_nothing_is_stopped_where_nothing_is_broken(
    prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path))
    found = run(prefect_server)
    assert found["state"] == "completed"
    (decision,) = found["decisions"]
    assert decision["verdict"] == "promoted", decision["reason"]
    assert {check["verdict"] for check in found["checks"]} <= {"pass", "warn"}
    assert not decision["diagnosis"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_fault_is_stopped_by_its_name(
    fault: Fault,
    rows: dict[str, str],
    prefect_server: PrefectServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path))
    if fault.damage is not None:
        assert run(prefect_server)["decisions"][0]["verdict"] == "promoted"
        fault.damage(tmp_path / "bundles")
    fault.inject(monkeypatch)

    found = run(prefect_server, **fault.options)

    stage, names = stopped(found)
    assert stage == fault.stage, names
    assert fault.stopped_by in names
    rows[fault.name] = as_row(fault, stage, names[fault.stopped_by], tmp_path)
    if not os.environ.get("RETRAIN_WRITE_DOCS"):
        assert without_numbers(rows[fault.name]) in without_numbers(PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", ["is not 5c8f5ff61b1186bc", "is not e1186bc5c8f5ff61", "is not 1e5c8f5ff61b1186"])
def test_a_hash_is_a_hash_whatever_it_begins_with(text: str) -> None:
    assert without_numbers(text) == "is not #"


def test_the_page_has_a_row_for_each_fault() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[lines.index("|---|---|---|---|") + 1 :]] == [
        fault.name for fault in FAULTS
    ]
    assert len(FAULTS) >= 30
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
