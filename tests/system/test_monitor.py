"""The monitor on a real server, with a real worker: degraded data in, retraining started, no hands."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.reviews import NEW_WORDS, reviews, write_reviews
from tests.system.conftest import PrefectServer, Shell, ended, finished, wait_for

# Small, but enough to learn such reviews within seconds.
TRAINING = {
    "models": ["baseline_avgpool"],
    "epochs": 20,
    "training": {"batch_size": 32, "learning_rate": 0.005},
}
QUICK = (
    *("--models", "baseline_avgpool", "--epochs", "20"),
    *("--set", "training.batch_size=32", "--set", "training.learning_rate=0.005"),
)


@pytest.fixture(scope="module")
def served(shell: Shell) -> str:
    """Reviews that get the name `reviews` after the deployments were made, and a champion of them; its candidate id."""
    shell.home.mkdir(parents=True)
    (shell.home / "sources.toml").write_text('[reviews]\npath = "reviews-*.csv"\n', encoding="utf-8")
    write_reviews(shell.home / "reviews-1.csv", reviews(700, seed=1))
    done = shell.retrain("run", "--source", "reviews", *QUICK)
    assert "promoted baseline_avgpool on reviews" in done.stdout, done.stdout + done.stderr
    (champion,) = shell.json("champion")
    return str(champion["candidate_id"])


def test_a_degraded_champion_is_found_and_replaced_without_hands(
    shell: Shell, prefect_server: PrefectServer, deployments: dict[str, dict[str, Any]], worker: None, served: str
) -> None:
    triggered = deployments["on-degradation"]
    prefect_server.patch(f"/deployments/{triggered['id']}", {"parameters": TRAINING})

    def retrainings() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = prefect_server.post(
            "/flow_runs/filter", {"deployments": {"id": {"any_": [triggered["id"]]}}}
        )
        return found

    # Nothing has come since: nothing is said, and nothing is started.
    before = finished(prefect_server, deployments["nightly-monitor"], {})
    assert before["state_name"] == "TooFewRows", (shell.folder / "worker.log").read_text()

    # People begin to write in words that the champion has never read.
    write_reviews(shell.home / "reviews-2.csv", reviews(400, seed=2, words=NEW_WORDS))
    monitored = finished(prefect_server, deployments["nightly-monitor"], {})
    assert (monitored["state_type"], monitored["state_name"]) == ("COMPLETED", "Degraded")
    assert "the champion of reviews has degraded: accuracy 0." in monitored["state"]["message"]
    run = shell.json("show", _run_id(monitored))
    assert run["observation"]["verdict"] == "degraded"
    assert run["observation"]["candidate_id"] == served
    assert (run["observation"]["num_rows"], run["observation"]["num_new"]) == (1100, 400)
    assert monitored["name"].endswith(": champion degraded")
    assert {"line:reviews", "degraded"} <= set(monitored["tags"])
    of_run = {"artifacts": {"flow_run_id": {"any_": [monitored["id"]]}, "key": {"any_": ["champion-reviews"]}}}
    (page,) = prefect_server.post("/artifacts/filter", of_run)
    assert page["data"].startswith("# the champion of reviews has degraded\n")

    # From here on, nobody does anything but look.
    (started,) = wait_for(retrainings, 60)
    assert started["parameters"]["source"] == "reviews"
    assert started["parameters"]["append"] == []
    assert started["parameters"]["epochs"] == TRAINING["epochs"]
    assert started["created_by"]["type"] == "AUTOMATION"
    retrained = ended(prefect_server, started["id"])
    assert (retrained["state_type"], retrained["state_name"]) == ("COMPLETED", "Completed")
    assert "promoted baseline_avgpool on reviews" in retrained["state"]["message"]
    (champion,) = shell.json("champion")
    assert champion["position"] == 2
    assert champion["candidate_id"] == f"{_run_id(retrained)}/baseline_avgpool"

    # The new champion knows these reviews, and the one event has started one retraining.
    after = finished(prefect_server, deployments["nightly-monitor"], {})
    assert after["state_name"] == "TooFewRows"
    assert [run["id"] for run in retrainings()] == [started["id"]]

    # Were the alarm to come again, as it would where retraining did not help: nothing has changed, nothing is trained.
    event = {
        "id": str(uuid.uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "retrain.champion.degraded",
        "resource": {"prefect.resource.id": "retrain.line.reviews", "prefect.resource.name": "reviews"},
        "payload": {"line": "reviews", "source": "reviews", "append": [], "run_id": "-", "reason": "again"},
    }
    prefect_server.post("/events", [event])
    again = wait_for(lambda: [run for run in retrainings() if run["id"] != started["id"]], 60)[0]
    skipped = ended(prefect_server, again["id"])
    assert (skipped["state_type"], skipped["state_name"]) == ("COMPLETED", "Skipped")
    assert "nothing has changed since run" in skipped["state"]["message"]


def _run_id(flow_run: dict[str, Any]) -> str:
    return str(flow_run["state"]["message"].split(":")[0])
