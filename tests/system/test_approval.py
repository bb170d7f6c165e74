"""A person has the last word: the real form on a real server, a worker that waits, and each way in which that ends."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

import pytest

from tests.system.conftest import PrefectServer, Shell, ended, flow_run, wait_for

# Small, but enough for the averaging model to learn.
LEARNS: dict[str, Any] = {
    "source": "synthetic",
    "models": ["baseline_avgpool"],
    "epochs": 12,
    "synthetic": {"num_train": 3000, "num_test": 1500},
    "training": {"batch_size": 64, "learning_rate": 0.002},
}
# A challenger of the same kind is no better; here it need not be.
CHALLENGES: dict[str, Any] = {
    **LEARNS,
    "seed": 9,
    "gates": {"comparison": "non-inferiority", "accuracy_loss_margin": 0.3, "auc_loss_margin": 0.3},
}
Deployments = dict[str, dict[str, Any]]


def start(server: PrefectServer, deployments: Deployments, options: dict[str, Any], minutes: int = 60) -> str:
    """Start a run that asks a person, and return its id."""
    parameters = {**options, "approval": {"required": True, "timeout_minutes": minutes}}
    body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
    created = server.post(f"/deployments/{deployments['manual']['id']}/create_flow_run", body)
    return str(created["id"])


def question(server: PrefectServer, run_id: str) -> dict[str, Any] | None:
    """The flow run below a run that asks a person; None if there is none."""
    below = {"flow_runs": {"parent_flow_run_id": {"any_": [run_id]}}}
    found: list[dict[str, Any]] = server.post("/flow_runs/filter", below)
    return found[0] if found else None


def paused(server: PrefectServer, run_id: str) -> dict[str, Any]:
    """The same, once its form waits to be filled in; it is saved after the run has paused."""

    def look() -> dict[str, Any] | None:
        asked = question(server, run_id)
        if asked is None or asked["state_type"] != "PAUSED":
            assert flow_run(server, run_id)["state_type"] not in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
            return None
        # The description is saved last.
        key = asked["state"]["state_details"]["run_input_keyset"]["description"]
        return asked if server.post(f"/flow_runs/{asked['id']}/input/filter", {"prefix": key}) else None

    run: dict[str, Any] = wait_for(look, 180)
    return run


def read_input(server: PrefectServer, asked: dict[str, Any], what: str) -> Any:
    key = asked["state"]["state_details"]["run_input_keyset"][what]
    with urllib.request.urlopen(f"{server.api}/flow_runs/{asked['id']}/input/{key}", timeout=30) as response:
        return json.loads(response.read())


def answer(server: PrefectServer, asked: dict[str, Any], decision: str, reason: str, name: str = "Ana") -> Any:
    """Fill in the form; returns what became of it, `ACCEPT` or `REJECT`."""
    given = {"decision": decision, "reason": reason, "name": name}
    return server.post(f"/flow_runs/{asked['id']}/resume", {"run_input": given})["status"]


@dataclass(frozen=True)
class Approved:
    """A run that was approved: what was seen while it waited, and how it ended."""

    asked: dict[str, Any]
    description: str
    form: dict[str, Any]
    state_while_it_waits: str
    record_while_it_waits: dict[str, Any]
    refused: list[str]
    state_after_refusals: str
    run: dict[str, Any]


@pytest.fixture(scope="module")
def approved(shell: Shell, prefect_server: PrefectServer, deployments: Deployments, worker: None) -> Approved:
    """The first champion, after three answers that the form refuses, and one that it takes."""
    run_id = start(prefect_server, deployments, LEARNS)
    asked = paused(prefect_server, run_id)
    state, record = flow_run(prefect_server, run_id)["state_type"], shell.json("show", "latest")
    bad = (("approve", " ", "Ana"), ("approve", "fine", ""), ("perhaps", "fine", "Ana"))
    refused = [answer(prefect_server, asked, *words) for words in bad]
    after = flow_run(prefect_server, asked["id"])["state_type"]
    assert answer(prefect_server, asked, "approve", "reads well") == "ACCEPT"
    run = ended(prefect_server, run_id)
    assert run["state_name"] == "Completed", (shell.folder / "worker.log").read_text()
    description, form = (read_input(prefect_server, asked, what) for what in ("description", "schema"))
    return Approved(asked, description, form, state, record, refused, after, run)


def test_a_person_is_shown_the_verdict_and_a_form_of_three_fields(approved: Approved) -> None:
    assert approved.description.startswith("# Promote baseline_avgpool on synthetic?\n")
    assert approved.form["properties"]["decision"]["enum"] == ["approve", "reject"]
    assert set(approved.form["properties"]) == set(approved.form["required"]) == {"decision", "reason", "name"}
    assert all(field["description"] for field in approved.form["properties"].values())


def test_the_run_goes_on_running_while_its_question_is_paused(approved: Approved) -> None:
    """It would give its place among the runs of its deployment away, and be ended within minutes, if it paused."""
    record = approved.record_while_it_waits
    assert (record["state"], record["decisions"]) == ("running", [])
    assert approved.state_while_it_waits == "RUNNING"
    assert approved.asked["name"] == f"approve {record['id']}/baseline_avgpool on synthetic"


def test_the_form_refuses_blank_words_and_what_is_no_decision(approved: Approved) -> None:
    assert approved.refused == ["REJECT", "REJECT", "REJECT"]
    assert approved.state_after_refusals == "PAUSED"


def test_the_promotion_is_made_with_the_persons_name_and_reason(
    shell: Shell, prefect_server: PrefectServer, approved: Approved
) -> None:
    assert "promoted baseline_avgpool on synthetic" in approved.run["state"]["message"]
    assert flow_run(prefect_server, approved.asked["id"])["state_name"] == "Approved"
    first = shell.json("champion", "--history")[0]
    assert first["candidate_id"] == f"{approved.record_while_it_waits['id']}/baseline_avgpool"
    assert first["reason"].endswith("; approved by Ana: reads well")


def test_without_an_answer_nothing_is_promoted_the_same_is_asked_again_and_a_refusal_is_final(
    shell: Shell, prefect_server: PrefectServer, deployments: Deployments, approved: Approved
) -> None:
    before = shell.json("champion")
    first = start(prefect_server, deployments, CHALLENGES, minutes=1)
    run = ended(prefect_server, first)
    assert run["state_name"] == "Completed", (shell.folder / "worker.log").read_text()
    assert "nothing promoted on synthetic" in run["state"]["message"]
    assert "nobody approved it within 1 minute" in run["state"]["message"]
    unanswered = question(prefect_server, first)
    assert unanswered is not None
    assert (unanswered["state_type"], unanswered["state_name"]) == ("COMPLETED", "Unanswered")

    second = start(prefect_server, deployments, CHALLENGES)
    asked = paused(prefect_server, second)
    assert "against the champion" in read_input(prefect_server, asked, "description")
    assert answer(prefect_server, asked, "reject", "too many false positives") == "ACCEPT"
    run = ended(prefect_server, second)
    assert run["state_name"] == "Completed", (shell.folder / "worker.log").read_text()
    assert run["state"]["message"].endswith(
        "nothing promoted on synthetic: baseline_avgpool: rejected by Ana: too many false positives"
    )
    recorded = shell.json("show", "latest")
    # What was trained for the run before is taken up.
    assert recorded["candidates"][0]["reused_from"]
    (decision,) = recorded["decisions"]
    assert [gate["name"] for gate in decision["gates"] if gate["verdict"] == "fail"] == ["approved by a person"]
    assert [suspect["cause"] for suspect in decision["diagnosis"]] == ["not approved"]
    assert shell.json("champion") == before

    third = ended(prefect_server, start(prefect_server, deployments, CHALLENGES))
    assert third["state_name"] == "Skipped"
    assert "the one to promote was rejected by Ana: too many false positives" in third["state"]["message"]


def test_a_run_that_is_cancelled_while_it_waits_ends_as_cancelled(
    shell: Shell, prefect_server: PrefectServer, deployments: Deployments, approved: Approved
) -> None:
    before = shell.json("champion")
    gates = {**CHALLENGES["gates"], "auc_loss_margin": 0.29}
    run_id = start(prefect_server, deployments, {**CHALLENGES, "gates": gates})
    asked = paused(prefect_server, run_id)
    prefect_server.post(f"/flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLING"}})

    assert ended(prefect_server, run_id)["state_type"] == "CANCELLED", (shell.folder / "worker.log").read_text()
    assert flow_run(prefect_server, asked["id"])["state_type"] == "CANCELLED"
    recorded = shell.json("show", "latest")
    assert (recorded["state"], recorded["decisions"]) == ("cancelled", [])
    assert shell.json("champion") == before
