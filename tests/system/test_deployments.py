"""`prefect.yaml` on a real local server, with a real worker: what is scheduled, what a manual run does, how it ends."""

from __future__ import annotations

import json
import logging
import re
import urllib.error
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.system.conftest import PrefectServer, Shell, finished, wait_for

QUICK = {
    "source": "synthetic",
    "models": ["baseline_avgpool"],
    "epochs": 1,
    "synthetic": {"num_train": 300, "num_test": 200},
}


@pytest.fixture(scope="module")
def shell(shell: Shell) -> Shell:
    """A home with a named source, whose file is gone, before anything is deployed."""
    shell.home.mkdir(parents=True)
    (shell.home / "sources.toml").write_text('[shop]\npath = "gone.csv"\n', encoding="utf-8")
    return shell


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
    strategies = {name: one["concurrency_options"]["collision_strategy"] for name, one in deployments.items()}
    assert strategies == {
        **dict.fromkeys(("weekly", "nightly-monitor", "housekeeping"), "CANCEL_NEW"),
        **dict.fromkeys(("manual", "on-degradation", "score", "rollback"), "ENQUEUE"),
    }
    for name, deployment in deployments.items():
        assert deployment["enforce_parameter_schema"] is (name != "on-degradation")
        assert deployment["global_concurrency_limit"]["limit"] == 1
        assert deployment["description"]
    active = {name for name, one in deployments.items() if any(schedule["active"] for schedule in one["schedules"])}
    assert active == {"weekly", "housekeeping"}


def test_the_form_shows_bounds_choices_and_descriptions(deployments: dict[str, dict[str, Any]]) -> None:
    schema = deployments["manual"]["parameter_openapi_schema"]
    assert schema["properties"]["source"]["enum"] == ["auto", "imdb", "synthetic", "shop"]
    assert schema["properties"]["append"]["items"]["enum"] == ["shop"]
    epochs = schema["properties"]["epochs"]
    assert (epochs["minimum"], epochs["maximum"], epochs["default"]) == (1, 1000, 12)
    assert "early stopping" in epochs["description"]
    assert schema["properties"]["models"]["items"]["enum"] == ["baseline_avgpool", "advanced_bilstm_features"]
    for group in ("CheckOptions", "GateOptions", "TrainingOptions", "DataOptions"):
        definition = schema["definitions"][group]
        assert definition["additionalProperties"] is False
        assert all(option["description"] for option in definition["properties"].values())


def artifacts(server: PrefectServer, run: dict[str, Any]) -> dict[str, str]:
    """What a flow run has published, by key; Prefect keeps a table as JSON."""
    found = server.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    return {artifact["key"]: artifact["data"] for artifact in found if artifact["key"]}


def logged(server: PrefectServer, run: dict[str, Any]) -> list[tuple[int, str]]:
    """A flow run's log from top to bottom, each line with its level; the last ones may come late."""
    query = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "TIMESTAMP_ASC", "limit": 200}

    def look() -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = server.post("/logs/filter", query)
        return lines if any("Finished in state" in line["message"] for line in lines) else []

    return [(line["level"], line["message"]) for line in wait_for(look, 180)]


def announced(server: PrefectServer, event: str, run_id: str) -> dict[str, Any]:
    """What an event about a run says; it is on its way when the run has ended."""

    def look() -> list[dict[str, Any]]:
        found = server.post("/events/filter", {"filter": {"event": {"name": [event]}}})["events"]
        return [one for one in found if one["payload"]["run_id"] == run_id]

    (posted,) = wait_for(look, 180)
    assert posted["resource"]["prefect.resource.id"] == f"retrain.line.{posted['payload']['line']}"
    payload: dict[str, Any] = posted["payload"]
    return payload


def has_name(run: dict[str, Any], verdict: str) -> bool:
    return re.fullmatch(rf"synthetic \d{{4}}-\d\d-\d\d \d\d:\d\d: {verdict}", run["name"]) is not None


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
    assert has_name(run, "nothing promoted"), run["name"]
    assert {"retrain", "manual", "line:synthetic", "nothing-promoted"} == set(run["tags"])
    lines = logged(prefect_server, run)
    said = [message for _, message in lines]
    assert any(line.startswith("SOURCE: embedded synthetic corpus") for line in said)
    assert any("epoch 1 of at most 1" in line for line in said)
    assert [line for line in said if line.startswith("Finished in state")] == [said[-1]]
    passed = {level for level, message in lines if "check split: pass" in message}
    failed_check = {level for level, message in lines if "check convergence: fail" in message}
    assert (passed, failed_check) == ({logging.INFO}, {logging.ERROR})
    made = artifacts(prefect_server, run)
    of_line = {f"{kind}-synthetic" for kind in ("verdict", "metrics", "checks", "gates")}
    assert set(made) == {*of_line, "training-baseline-avgpool"}
    assert float(made["training-baseline-avgpool"]) == 100
    page = made["verdict-synthetic"]
    assert page.startswith("# nothing promoted on synthetic\n")
    assert "- ✗ fail **above chance**: the model scores near chance" in page
    assert page.count("](data:image/png;base64,") == 4
    assert len(page) < 300_000
    assert {row["metric"] for row in json.loads(made["metrics-synthetic"])} >= {"test accuracy", "test AUC"}
    assert {row["of"] for row in json.loads(made["checks-synthetic"])} == {"data", "baseline_avgpool"}
    failed = [row["gate"] for row in json.loads(made["gates-synthetic"]) if row["verdict"] == "fail"]
    assert "above chance" in failed

    told = announced(prefect_server, "retrain.run.decided", recorded["id"])
    assert (told["line"], told["promoted"], told["dry_run"]) == ("synthetic", "", False)
    assert told["headline"] == recorded["message"]
    (model,) = told["models"]
    assert (model["model"], model["verdict"]) == ("baseline_avgpool", "rejected")
    assert model["lower"] < model["accuracy"] < 1
    assert model["reason"] == recorded["decisions"][0]["reason"]


def test_data_that_a_check_refuses_is_a_state_and_a_page_of_its_own(
    shell: Shell, prefect_server: PrefectServer, deployments: dict[str, dict[str, Any]], worker: None
) -> None:
    refused = {**QUICK, "checks": {"max_association": 0.501}}
    run = finished(prefect_server, deployments["manual"], refused)
    assert run["state_name"] == "DataRejected", (shell.folder / "worker.log").read_text()
    assert "label association" in run["state"]["message"]
    made = artifacts(prefect_server, run)
    assert set(made) == {"verdict-synthetic", "checks-synthetic"}
    page = made["verdict-synthetic"]
    assert page.startswith("# the data was rejected before training\n")
    assert "- ✗ fail **label association**: " in page
    assert page.index("<details>") < page.index("- ✓ pass **split**: ")
    recorded = shell.json("show", "latest")
    assert (recorded["state"], recorded["candidates"]) == ("rejected data", [])
    assert has_name(run, "data rejected"), run["name"]
    assert {"line:synthetic", "data-rejected"} <= set(run["tags"])
    lines = logged(prefect_server, run)
    assert not [message for _, message in lines if "Traceback" in message]
    assert [level for level, message in lines if "check label association: fail" in message] == [logging.ERROR]
    told = announced(prefect_server, "retrain.data.rejected", recorded["id"])
    assert told["headline"] == recorded["message"]
    assert [check["check"] for check in told["checks"]] == ["label association"]


def test_a_run_that_cannot_read_its_source_fails_and_says_why(
    shell: Shell, prefect_server: PrefectServer, deployments: dict[str, dict[str, Any]], worker: None
) -> None:
    run = finished(prefect_server, deployments["manual"], {**QUICK, "source": "shop"})
    assert run["state_name"] == "Failed"
    assert f"the source 'shop' is to be read from {shell.home / 'gone.csv'}" in run["state"]["message"]
    assert shell.json("show", "latest")["state"] == "failed"
    assert "failed" in run["tags"]
    assert not [message for _, message in logged(prefect_server, run) if "Traceback" in message]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"source": "/etc/passwd"}, "'/etc/passwd' is not one of ['auto', 'imdb', 'synthetic', 'shop']"),
        ({"source": "sqlite:///reviews.db"}, "is not one of ['auto', 'imdb', 'synthetic', 'shop']"),
        ({"append": ["../more.csv"]}, "'../more.csv' is not one of ['shop']"),
        ({"epochs": 0}, "0 is less than the minimum of 1"),
        ({"gates": {"recall_flor": 0.5}}, "'recall_flor' was unexpected"),
    ],
)
def test_a_wrong_value_is_refused_in_words_before_there_is_a_run(
    prefect_server: PrefectServer, deployments: dict[str, dict[str, Any]], wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        prefect_server.post(f"/deployments/{deployments['manual']['id']}/create_flow_run", {"parameters": wrong})
    assert refused.value.code == 409
    assert words in json.loads(refused.value.read())["detail"]


def test_whoever_gets_round_the_form_cannot_open_a_file(
    shell: Shell, prefect_server: PrefectServer, deployments: dict[str, dict[str, Any]], worker: None
) -> None:
    unasked = {**QUICK, "source": "/etc/passwd"}
    run = finished(prefect_server, deployments["manual"], unasked, enforce_parameter_schema=False)
    assert run["state_name"] == "Failed"
    assert "a deployment reads named sources only" in run["state"]["message"]


def test_housekeeping_ends_well_and_says_what_it_did(
    shell: Shell, prefect_server: PrefectServer, deployments: dict[str, dict[str, Any]], worker: None
) -> None:
    run = finished(prefect_server, deployments["housekeeping"], {})
    assert run["state_name"] == "Completed", (shell.folder / "worker.log").read_text()
    assert "all is well: removed 0 checkpoints" in run["state"]["message"]
    assert "the store is" in run["state"]["message"]
    assert shell.json("show", "latest")["flow"] == "housekeeping"
