"""A person approves a promotion at Prefect's pages: the question, the form that refuses blank words, and what is kept.

Run by `make test-ui`. The challenger is the small model alone, so that no long training is waited for.
"""

from __future__ import annotations

import pytest

from tests.system.conftest import ended, flow_run
from tests.system.test_approval import CHALLENGES, paused, start
from tests.ui.conftest import Desk

pytestmark = pytest.mark.ui


def test_a_person_approves_a_promotion_in_the_form_and_is_named_with_the_reason(desk: Desk) -> None:
    deployments = {one["name"]: one for one in desk.server.post("/deployments/filter", {})}
    run_id = start(desk.server, deployments, CHALLENGES)
    asked = paused(desk.server, run_id)
    desk.open(f"/runs/flow-run/{asked['id']}")
    desk.wait_for_text("Paused")
    desk.page.get_by_role("button", name="Resume").click()
    desk.wait_for_text("Promote baseline_avgpool on synthetic?")
    for words in ("test accuracy", "Whether the candidate is promoted.", "Unless somebody approves within 1 hour"):
        desk.wait_for_text(words)

    submit = desk.page.get_by_role("button", name="Submit")
    assert desk.choose("Decision", "approve") == ["approve", "reject"]
    desk.fill("Name", "Ana")
    desk.fill("Reason", " ")
    submit.click()
    desk.wait_for_text("does not match")
    desk.keep("refused-answer")
    assert flow_run(desk.server, asked["id"])["state_type"] == "PAUSED"

    desk.fill("Reason", "reads well")
    desk.keep("approval")
    submit.click()
    submit.wait_for(state="hidden")
    run = ended(desk.server, run_id)
    assert "promoted baseline_avgpool on synthetic" in run["state"]["message"]
    assert flow_run(desk.server, asked["id"])["state_name"] == "Approved"

    champion = desk.shell.json("champion", "--history")[0]
    assert champion["reason"].endswith("; approved by Ana: reads well")
    recorded = desk.shell.json("show", champion["candidate_id"].partition("/")[0])
    (decision,) = recorded["decisions"]
    (gate,) = (one for one in decision["gates"] if one["name"] == "approved by a person")
    assert (gate["verdict"], gate["words"]) == ("pass", "approved by Ana: reads well")
