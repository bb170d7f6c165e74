"""`prefect.yaml` on a real local server, with a real worker: what is scheduled, what a manual run does, how it ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.system.conftest import PrefectServer, Shell, finished, wait_for

QUICK = {
    "source": "synthetic",
    "models": ["baseline_avgpool"],
    "epochs": 1,
    "synthetic": {"num_train": 300, "num_test": 200},
}


def test_the_weekly_deployment_is_really_scheduled(
    prefect_server: PrefectServer, deployments: dict[str, dict[str, Any]]
) -> None:
    """The plain newest Prefect and SQLAlchemy deploy without complaint, and then never schedule a run."""
    weekly = deployments["weekly"]

    def scheduled() -> list[dict[str, Any]]:
        query = {"deployments": {"id": {"any_": [weekly["id"]]}}, "sort": "EXPECTED_START_TIME_ASC"}
        found: list[dict[str, Any]] = prefect_server.post("/flow_runs/filter", query)
        return found

    runs = wait_for(scheduled, 120)
    due = datetime.fromisoformat(runs[0]["expected_start_time"]).astimezone(UTC)
    assert (due.strftime("%A"), due.hour, due.minute) == ("Monday", 3, 0)
    assert due > datetime.now(UTC)
    assert "auto-scheduled" in runs[0]["tags"]


def test_deployments_allow_one_run_at_a_time_and_check_their_parameters(
    deployments: dict[str, dict[str, Any]],
) -> None:
    assert set(deployments) == {"weekly", "manual", "nightly-monitor", "on-degradation", "score", "rollback"}
    for deployment in deployments.values():
        assert deployment["enforce_parameter_schema"] is True
        assert deployment["global_concurrency_limit"]["limit"] == 1
        assert deployment["description"]
    active = {name for name, one in deployments.items() if any(schedule["active"] for schedule in one["schedules"])}
    assert active == {"weekly"}


def test_the_form_shows_bounds_choices_and_descriptions(deployments: dict[str, dict[str, Any]]) -> None:
    schema = deployments["manual"]["parameter_openapi_schema"]
    epochs = schema["properties"]["epochs"]
    assert (epochs["minimum"], epochs["maximum"], epochs["default"]) == (1, 1000, 12)
    assert "early stopping" in epochs["description"]
    assert schema["properties"]["models"]["items"]["enum"] == ["baseline_avgpool", "advanced_bilstm_features"]
    for group in ("CheckOptions", "GateOptions", "TrainingOptions", "DataOptions"):
        definition = schema["definitions"][group]
        assert definition["additionalProperties"] is False
        assert all(option["description"] for option in definition["properties"].values())


def test_a_manual_run_ends_well_when_nothing_is_promoted(
    shell: Shell, prefect_server: PrefectServer, deployments: dict[str, dict[str, Any]], worker: None
) -> None:
    run = finished(prefect_server, deployments["manual"], QUICK)
    log = (shell.folder / "worker.log").read_text()
    assert run["state_name"] == "Completed", log
    assert "nothing promoted on synthetic" in run["state"]["message"]
    recorded = shell.json("show", "latest")
    assert recorded["trigger"] == "deployment"
    assert run["state"]["message"].startswith(recorded["id"])

    tasks = prefect_server.post("/task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
    assert {"ingest synthetic", "train baseline_avgpool", "promote"} <= {task["name"] for task in tasks}
    lines = prefect_server.post("/logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}})
    said = [line["message"] for line in lines]
    assert any(line.startswith("SOURCE: embedded synthetic corpus") for line in said)
    assert any("epoch 1 of at most 1" in line for line in said)
    (artifact,) = prefect_server.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    assert artifact["key"] == "verdict-synthetic"
    assert "# nothing promoted on synthetic\n" in artifact["data"]
    assert "- **above chance**: ✗ fail, the model scores near chance" in artifact["data"]


def test_data_that_a_check_refuses_is_a_state_and_a_page_of_its_own(
    shell: Shell, prefect_server: PrefectServer, deployments: dict[str, dict[str, Any]], worker: None
) -> None:
    refused = {**QUICK, "checks": {"max_association": 0.501}}
    run = finished(prefect_server, deployments["manual"], refused)
    assert run["state_name"] == "DataRejected", (shell.folder / "worker.log").read_text()
    assert "label association" in run["state"]["message"]
    (artifact,) = prefect_server.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    assert artifact["key"] == "verdict-synthetic"
    assert artifact["data"].startswith("# the data was rejected before training\n")
    assert "- **label association**: ✗ fail" in artifact["data"]
    assert "- **split**: ✓ pass" in artifact["data"]
    recorded = shell.json("show", "latest")
    assert (recorded["state"], recorded["candidates"]) == ("rejected data", [])


def test_a_run_that_cannot_read_its_source_fails_and_says_why(
    shell: Shell, prefect_server: PrefectServer, deployments: dict[str, dict[str, Any]], worker: None
) -> None:
    (shell.home / "sources.toml").write_text('[shop]\npath = "gone.csv"\n', encoding="utf-8")
    run = finished(prefect_server, deployments["manual"], {**QUICK, "source": "shop"})
    assert run["state_name"] == "Failed"
    assert f"the source 'shop' is to be read from {shell.home / 'gone.csv'}" in run["state"]["message"]
    assert shell.json("show", "latest")["state"] == "failed"


def test_whoever_fills_in_a_form_cannot_open_a_file(
    shell: Shell, prefect_server: PrefectServer, deployments: dict[str, dict[str, Any]], worker: None
) -> None:
    run = finished(prefect_server, deployments["manual"], {**QUICK, "source": "/etc/passwd"})
    assert run["state_name"] == "Failed"
    assert "a deployment reads named sources only" in run["state"]["message"]
