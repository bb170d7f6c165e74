"""What is the same by content is not done twice: whole runs on a real server, small ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from storage.metrics.reader import MetricsReader
from storage.settings import Settings
from tests.system.conftest import PrefectServer

Run = Callable[..., dict[str, Any]]
SMALL: dict[str, Any] = {
    "source": "synthetic",
    "models": ["baseline_avgpool"],
    "epochs": 2,
    "synthetic": {"num_train": 600, "num_test": 300},
    "features": {"num_words": 2000},
    "checks": {"convergence": "warn"},
}


@pytest.fixture
def run(prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run with some options, read back from the store; `prefect` is its state in Prefect."""
    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path))
    monkeypatch.delenv("RETRAIN_DATABASE_URL", raising=False)

    def call(**changes: Any) -> dict[str, Any]:
        from flows.retrain import retrain

        with temporary_settings({PREFECT_API_URL: prefect_server.api, PREFECT_LOGGING_TO_API_ENABLED: False}):
            state: State[Any] = retrain(**{**SMALL, **changes}, return_state=True)
        return MetricsReader(Settings.from_environment().database_url).run("latest") | {"prefect": state}

    return call


def trained(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Each candidate's model and, where its training was reused, the run that trained it."""
    return [(one["model"], one["reused_from"].split("/")[0]) for one in found["candidates"]]


def weights(found: dict[str, Any]) -> Any:
    from storage.bundles import load_bundle

    return load_bundle(Settings.from_environment().bundles, found["candidates"][0]["bundle"]).model.get_weights()


def test_a_run_that_could_give_nothing_new_is_skipped_and_says_so(run: Run) -> None:
    first = run()
    second = run()

    assert (first["state"], second["state"]) == ("completed", "skipped")
    assert second["message"].startswith(f"nothing has changed since run {first['id']}")
    assert "--force" in second["message"]
    assert [stage["name"] for stage in second["stages"]] == ["ingest"]
    assert (second["candidates"], second["decisions"]) == ([], [])
    assert (second["prefect"].name, second["prefect"].is_completed()) == ("Skipped", True)
    # A skipped run is no finished one: the next is skipped for the first one's sake again.
    assert run()["message"].startswith(f"nothing has changed since run {first['id']}")


def test_a_forced_run_trains_anew_and_on_one_machine_gives_the_same_weights(run: Run) -> None:
    first = run()
    forced = run(force=True)

    assert forced["state"] == "completed"
    assert trained(forced) == [("baseline_avgpool", "")]
    assert all((one == other).all() for one, other in zip(weights(first), weights(forced), strict=True))


@pytest.mark.parametrize(
    "changes",
    [
        {"gates": {"recall_floor": 0.4}},
        {"models": ["baseline_avgpool", "advanced_bilstm_features"]},
    ],
    ids=["other gates", "one model more"],
)
def test_a_training_that_would_give_the_same_is_reused_and_measured_anew(run: Run, changes: dict[str, Any]) -> None:
    first = run()
    second = run(**changes)

    assert second["state"] == "completed"
    assert ("baseline_avgpool", first["id"]) in trained(second)
    assert ("baseline_avgpool", "") not in trained(second)
    assert len(second["candidates"]) == len(changes.get("models", ["one"]))
    assert len(second["decisions"]) == len(second["candidates"])
    metrics = [
        {(one["split"], one["name"], one["scope"]): one["value"] for one in found["candidates"][0]["metrics"]}
        for found in (first, second)
    ]
    assert metrics[0] == metrics[1]
    assert all((one == other).all() for one, other in zip(weights(first), weights(second), strict=True))


@pytest.mark.parametrize(
    "changes",
    [{"seed": 8}, {"training": {"learning_rate": 0.01}}, {"synthetic": {"num_train": 601}}],
    ids=["seed", "training", "data"],
)
def test_whatever_changes_the_weights_is_trained(run: Run, changes: dict[str, Any]) -> None:
    run()
    assert trained(run(**changes)) == [("baseline_avgpool", "")]


def test_other_code_is_trained_anew(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    for module in ("flows.retrain", "tasks.train", "tasks.featurize"):
        monkeypatch.setattr(f"{module}.code_digest", lambda: "other")
    found = run()
    assert found["state"] == "completed"
    assert trained(found) == [("baseline_avgpool", "")]


def test_a_damaged_bundle_is_not_reused(run: Run) -> None:
    first = run()
    bundle = Settings.from_environment().bundles / first["candidates"][0]["bundle"]
    (bundle / "model.keras").write_bytes(b"torn")

    assert trained(run(gates={"recall_floor": 0.4})) == [("baseline_avgpool", "")]


def test_a_run_that_failed_does_not_stand_in_for_the_next(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("flows.retrain.promote", broken)
        failed = run()
    assert failed["state"] == "failed"

    found = run()
    assert found["state"] == "completed"
    assert trained(found) == [("baseline_avgpool", failed["id"])]
