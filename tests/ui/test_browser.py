"""A person at Prefect's pages: from `retrain up` to a verdict that can be read, and a run that is cancelled.

Run by `make test-ui`. The pictures that the README shows are kept where RETRAIN_TEST_PICTURES says.
"""

from __future__ import annotations

import re
from typing import Any

import psutil
import pytest

from tests.system.conftest import ended, flow_run, wait_for
from tests.ui.conftest import Desk

pytestmark = pytest.mark.ui


def deployment(desk: Desk, name: str) -> str:
    found = {one["name"]: one["id"] for one in desk.server.post("/deployments/filter", {})}
    return str(found[name])


def open_form(desk: Desk, name: str) -> None:
    desk.open(f"/deployments/deployment/{deployment(desk, name)}/run")
    desk.wait_for_text("Validate parameters")


def runs_of(desk: Desk, name: str) -> set[str]:
    found = desk.server.post("/flow_runs/filter", {"deployments": {"name": {"any_": [name]}}})
    return {run["id"] for run in found}


def submit(desk: Desk, name: str) -> str:
    """Press the button, and return the id of the run that it made."""
    before = runs_of(desk, name)
    desk.page.get_by_role("button", name="Submit").click()
    (made,) = wait_for(lambda: runs_of(desk, name) - before, 60)
    return str(made)


def open_run(desk: Desk, run_id: str) -> None:
    desk.open(f"/runs/flow-run/{run_id}")


@pytest.fixture(scope="module")
def finished_run(desk: Desk) -> dict[str, Any]:
    """Both models on a small corpus, started from the form."""
    open_form(desk, "manual")
    desk.choose("source", "synthetic")
    desk.fill("epochs", 12)
    for name, value in (("Num Train", 3000), ("Num Test", 1500), ("Batch Size", 64), ("Learning Rate", 0.002)):
        desk.fill(name, value)
    run_id = submit(desk, "manual")
    return ended(desk.server, run_id, 900)


def test_every_deployment_is_there(desk: Desk) -> None:
    desk.open("/deployments")
    desk.wait_for_text("weekly")
    for name in ("weekly", "manual", "nightly-monitor", "on-degradation", "score", "rollback", "housekeeping"):
        assert name in desk.text()
    desk.keep("deployments")


def test_the_form_offers_names_and_refuses_a_wrong_value_in_words(desk: Desk) -> None:
    open_form(desk, "manual")
    assert desk.choose("source", "synthetic") == ["auto", "imdb", "synthetic", "shop"]
    desk.fill("epochs", 0)
    desk.page.get_by_role("button", name="Submit").click()
    desk.wait_for_text("0 is less than the minimum of 1")
    desk.field("source").scroll_into_view_if_needed()
    desk.keep("form")
    # Nothing was started by it.
    assert "/run" in desk.page.url


def test_a_finished_run_tells_line_and_verdict_by_its_name(desk: Desk, finished_run: dict[str, Any]) -> None:
    assert finished_run["state_type"] == "COMPLETED"
    assert re.fullmatch(r"synthetic \d{4}-\d\d-\d\d \d\d:\d\d: promoted \w+", finished_run["name"])
    open_run(desk, finished_run["id"])
    desk.wait_for_text(finished_run["name"])
    for words in ("line:synthetic", "promoted", "SOURCE: embedded synthetic corpus"):
        desk.wait_for_text(words)
    desk.keep("run")


def test_the_verdict_is_read_with_its_pictures(desk: Desk, finished_run: dict[str, Any]) -> None:
    found = desk.server.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [finished_run["id"]]}}})
    by_key = {one["key"]: one for one in found}
    open_run(desk, finished_run["id"])
    desk.page.get_by_text("Artifacts", exact=True).last.click()
    desk.wait_for_text("What the promotion rule said about the line synthetic")
    for key in ("verdict", "metrics", "checks", "gates"):
        assert f"{key}-synthetic" in desk.text()
    desk.open(f"/artifacts/artifact/{by_key['verdict-synthetic']['id']}")
    desk.wait_for_text("Models")
    images = desk.page.locator("article img")
    # Accuracies, learning curves, ROC, precision and recall.
    assert images.count() == 4
    for place in range(4):
        drawn = images.nth(place)
        assert drawn.evaluate("image => image.complete && image.naturalWidth > 0")
        assert len(drawn.get_attribute("alt") or "") > 40
    desk.page.set_viewport_size({"width": 1280, "height": 1200})
    desk.keep("verdict")
    desk.page.set_viewport_size({"width": 1280, "height": 900})


def test_a_run_that_is_cancelled_ends_its_training_within_seconds(desk: Desk) -> None:
    open_form(desk, "manual")
    desk.choose("source", "synthetic")
    desk.fill("seed", 11)
    desk.fill("epochs", 1000)
    desk.fill("Early Stopping Patience", 100)
    run_id = submit(desk, "manual")
    open_run(desk, run_id)
    desk.wait_for_text("epoch 1 of at most 1000", 300)
    desk.keep("training")
    desk.page.get_by_role("button", name="Cancel").click()
    desk.page.get_by_role("button", name="Confirm").click()
    assert ended(desk.server, run_id, 60)["state_name"] == "Cancelled"
    assert wait_for(lambda: desk.shell.json("show", "latest")["state"] == "cancelled", 60)
    # Every process of this desk has its home in its environment; none of them trains any more.
    training = [one for one in psutil.process_iter(["cmdline"]) if _trains(one, str(desk.shell.home))]
    assert training == []
    assert flow_run(desk.server, run_id)["state_type"] == "CANCELLED"
    assert list((desk.shell.home / "bundles").glob(".staging-*")) == []


def _trains(process: psutil.Process, home: str) -> bool:
    try:
        return "tasks.training" in " ".join(process.cmdline()) and home in str(process.environ())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
