from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.exceptions import EventTooLarge

from flows import events
from flows.events import announce_decisions, announce_degradation, announce_rejection
from storage.options import MonitorRunOptions
from storage.records import Candidate, Decision, Observation, Watched
from tests.verdicts import BALANCE, PADDING, REJECTED, candidate

RESOURCE = {"prefect.resource.id": "retrain.line.imdb", "prefect.resource.name": "imdb"}
SEEN = Observation("imdb", 2, "r0/a", 300, 200, 0.7, 0.6, 0.8, 0.75, 0.9, 0.5, 0.5, "degraded", "accuracy fell")


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was emitted."""
    found: list[dict[str, Any]] = []

    def emit(event: str, **rest: Any) -> object:
        found.append({"event": event, **rest})
        return object()

    monkeypatch.setattr(events, "emit_event", emit)
    return found


def decide(*decisions: Decision, dry_run: bool = False, models: tuple[Candidate, ...] | None = None) -> None:
    announce_decisions("r1", "imdb", models or (candidate("a"), candidate("c")), decisions, "so it is", dry_run=dry_run)


def test_a_decision_is_told_with_each_models_numbers(emitted: list[dict[str, Any]]) -> None:
    promoted = replace(REJECTED, candidate_id="r1/c", promote=True, reason="better")

    decide(REJECTED, promoted)

    (event,) = emitted
    assert (event["event"], event["resource"]) == ("retrain.run.decided", RESOURCE)
    numbers = {"accuracy": 0.8, "lower": pytest.approx(0.7082, abs=1e-4), "auc": 0.9}
    assert event["payload"] == {
        **{"line": "imdb", "run_id": "r1", "headline": "so it is", "promoted": "c", "dry_run": False},
        "models": [
            {"model": "a", **numbers, "verdict": "rejected", "reason": "near chance"},
            {"model": "c", **numbers, "verdict": "promoted", "reason": "better"},
        ],
    }


def test_where_nothing_is_promoted_nobody_is_named(emitted: list[dict[str, Any]]) -> None:
    decide(REJECTED)
    assert emitted[0]["payload"]["promoted"] == ""


def test_a_dry_run_says_that_it_would_and_promotes_nobody(emitted: list[dict[str, Any]]) -> None:
    decide(replace(REJECTED, promote=True), replace(REJECTED, candidate_id="r1/c"), dry_run=True)

    payload = emitted[0]["payload"]
    assert (payload["promoted"], payload["dry_run"]) == ("", True)
    assert [model["verdict"] for model in payload["models"]] == ["would promote", "would reject"]


def test_a_number_that_is_undefined_is_none(emitted: list[dict[str, Any]]) -> None:
    blind = candidate(test=replace(candidate().test, auc=math.nan))

    decide(REJECTED, models=(blind,))

    assert emitted[0]["payload"]["models"][0]["auc"] is None
    json.dumps(emitted[0]["payload"], allow_nan=False)


def test_rejected_data_is_told_with_the_checks_that_refused_it(emitted: list[dict[str, Any]]) -> None:
    announce_rejection("r1", "imdb", [BALANCE, PADDING], "the data was rejected")

    assert emitted == [
        {
            "event": "retrain.data.rejected",
            "resource": RESOURCE,
            "payload": {
                **{"line": "imdb", "run_id": "r1", "headline": "the data was rejected"},
                "checks": [{"check": "padding", "evidence": "a logit moves"}],
            },
        }
    ]


@pytest.mark.parametrize(("source_line", "append"), [("imdb", []), ("today", ["today", "more"])])
def test_a_degradation_says_what_to_retrain_on(
    emitted: list[dict[str, Any]], source_line: str, append: list[str]
) -> None:
    options = MonitorRunOptions(source="today", append=("more",))

    announce_degradation("r1", Watched(SEEN, (), source_line), options, "it has degraded")

    assert emitted == [
        {
            "event": "retrain.champion.degraded",
            "resource": RESOURCE,
            "payload": {
                **{"line": "imdb", "run_id": "r1", "headline": "it has degraded", "source": "imdb", "append": append},
                **{"verdict": "degraded", "reason": "accuracy fell"},
            },
        }
    ]


def test_the_deployment_that_listens_reads_what_is_sent(emitted: list[dict[str, Any]]) -> None:
    announce_degradation("r1", Watched(SEEN, (), "imdb"), MonitorRunOptions(source="today"), "it has degraded")

    written = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text(encoding="utf-8"))
    (trigger,) = next(one for one in written["deployments"] if one["name"] == "on-degradation")["triggers"]
    assert trigger["expect"] == [emitted[0]["event"]]
    for name, template in trigger["parameters"].items():
        assert template == f"{{{{ event.payload.{name} }}}}"
        assert name in emitted[0]["payload"]


@pytest.mark.parametrize("error", [None, EventTooLarge(2_000_000, 1_500_000)])
def test_an_event_that_cannot_be_sent_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception | None
) -> None:
    def emit(*_: Any, **__: Any) -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(events, "emit_event", emit)
    with caplog.at_level(logging.INFO, logger="flows.events"):
        announce_rejection("r1", "imdb", [PADDING], "the data was rejected")
        announce_degradation("r1", Watched(SEEN, (), "imdb"), MonitorRunOptions(source="today"), "it has degraded")

    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert [record.getMessage().split(" for ")[0] for record in caplog.records] == [
        "the event retrain.data.rejected",
        "the event retrain.champion.degraded",
    ]
