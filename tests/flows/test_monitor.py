"""Watching a small real champion on small real reviews; only Prefect's engine is stood in for."""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prefect.client.schemas.objects import State

from flows import events as event_module
from flows import monitor as flow
from flows import retrain as retrain_flow
from flows import runs
from flows.runs import Outcome
from storage.bundles import load_bundle
from storage.errors import ContentError, DataRejectedError, NotFoundError, SourceError
from storage.metrics.reader import MetricsReader
from storage.metrics.store import MetricsStore
from storage.options import CheckOptions, MonitorOptions, RunOptions, TrainingOptions
from storage.settings import Settings
from tasks import monitor as task
from tasks import report_champion as report_task
from tests.flows.conftest import Command
from tests.reviews import NEW_WORDS, OTHER_FILLING, Review, reviews, write_reviews

OLD = reviews(700, seed=1)
TASKS = ("ingest", "train", "evaluate", "promote")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the named source `reviews`, and a champion that was trained on it."""
    from flows import check as check_flow
    from tasks.training.runtime import prepare_keras

    home = tmp_path_factory.mktemp("served") / "home"
    home.mkdir()
    (home / "sources.toml").write_text(
        '[reviews]\npath = "reviews-*.csv"\n\n[today]\npath = "today.csv"\n', encoding="utf-8"
    )
    write_reviews(home / "reviews-1.csv", OLD)
    prepare_keras()
    training = TrainingOptions(batch_size=32, learning_rate=0.005)
    options = RunOptions(source="reviews", models=("baseline_avgpool",), epochs=20, training=training)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETRAIN_HOME", str(home))
        for name in ("RETRAIN_DATABASE_URL", "RETRAIN_SOURCES"):
            patch.delenv(name, raising=False)
        for module, names in ((retrain_flow, TASKS), (check_flow, ("featurize", "validate"))):
            for name in names:
                patch.setattr(module, name, getattr(module, name).fn)
        for name in ("report", "announce_decisions"):
            patch.setattr(retrain_flow, name, lambda *_, **__: None)
        outcome = retrain_flow.run(options)
    assert outcome.message.startswith("promoted baseline_avgpool on reviews"), outcome.message
    return home


@pytest.fixture
def home(served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that home, which the environment names."""
    copy = tmp_path / "home"
    shutil.copytree(served, copy)
    monkeypatch.setenv("RETRAIN_HOME", str(copy))
    for name in ("RETRAIN_DATABASE_URL", "RETRAIN_SOURCES"):
        monkeypatch.delenv(name, raising=False)
    return copy


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was emitted."""
    emitted: list[dict[str, Any]] = []

    def emit(event: str, **rest: Any) -> object:
        emitted.append({"event": event, **rest})
        return object()

    monkeypatch.setattr(event_module, "emit_event", emit)
    return emitted


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What was published, by key."""
    made: dict[str, str] = {}

    def create(text: str, *, key: str, description: str) -> None:
        assert "reviews" in description
        made[key] = text

    monkeypatch.setattr(report_task, "create_markdown_artifact", create)
    return made


Watch = Callable[..., State[Any]]


@pytest.fixture
def watch(home: Path, events: list[dict[str, Any]], pages: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Watch:
    """The flow, run without Prefect's engine."""
    monkeypatch.setattr(flow, "monitor_task", task.monitor.fn)
    monkeypatch.setattr(flow, "report_champion", report_task.report_champion.fn)

    def call(source: str = "reviews", **arguments: Any) -> State[Any]:
        state: State[Any] = flow.monitor.fn(source, **arguments)
        return state

    return call


def last_run(home: Path) -> dict[str, Any]:
    return MetricsReader(f"sqlite:///{home / 'metrics.db'}").run("latest")


def checks(run: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["verdict"] for check in run["checks"] if check["subject"] == "champion"}


def test_on_reviews_like_those_before_the_champion_is_healthy(
    home: Path, watch: Watch, events: list[dict[str, Any]]
) -> None:
    write_reviews(home / "reviews-2.csv", reviews(400, seed=2))

    state = watch()

    assert (state.type.value, state.name) == ("COMPLETED", "Healthy")
    run = last_run(home)
    assert (run["flow"], run["line"], run["state"]) == ("monitor", "reviews", "completed")
    assert run["message"].startswith("the champion of reviews is healthy: accuracy 0.9")
    seen = run["observation"]
    assert (seen["line"], seen["position"], seen["verdict"]) == ("reviews", 1, "healthy")
    assert (seen["num_rows"], seen["num_new"]) == (1100, 400)
    assert 0.9 < seen["lower"] < seen["accuracy"] < seen["upper"] < 1
    assert seen["auc"] > 0.9
    assert set(checks(run).values()) == {"pass"}
    assert list(checks(run)) == ["accuracy since promotion", "drift", "prediction drift"]
    assert [stage["name"] for stage in run["stages"]] == ["monitor"]
    assert events == []


def test_a_degraded_champion_is_a_run_that_completed_and_an_event(
    home: Path, watch: Watch, events: list[dict[str, Any]], pages: dict[str, str]
) -> None:
    write_reviews(home / "reviews-2.csv", reviews(400, seed=2, words=NEW_WORDS))

    state = watch()

    assert (state.type.value, state.name) == ("COMPLETED", "Degraded")
    run = last_run(home)
    assert f"{run['id']}: the champion of reviews has degraded: accuracy " in str(state.message)
    assert run["observation"]["verdict"] == "degraded"
    assert run["observation"]["accuracy"] < 0.6
    assert checks(run)["accuracy since promotion"] == "fail"
    (event,) = events
    assert event == {
        "event": "retrain.champion.degraded",
        "resource": {"prefect.resource.id": "retrain.line.reviews", "prefect.resource.name": "reviews"},
        "payload": {
            **{"line": "reviews", "source": "reviews", "append": [], "run_id": run["id"], "verdict": "degraded"},
            **{"reason": run["observation"]["reason"], "headline": run["message"]},
        },
    }
    assert pages["champion-reviews"].startswith("# the champion of reviews has degraded\naccuracy ")
    assert "- ✗ fail **accuracy since promotion**: " in pages["champion-reviews"]


def test_labels_that_say_the_contrary_are_a_degradation_too(home: Path, watch: Watch) -> None:
    half = [replace(one, label=1 - int(one.label)) if index % 2 else one for index, one in enumerate(reviews(400, 2))]
    write_reviews(home / "reviews-2.csv", half)

    assert watch().name == "Degraded"
    # What goes in and what comes out is as it was: only the labels tell.
    assert checks(last_run(home)) == {
        "accuracy since promotion": "fail",
        "drift": "pass",
        "prediction drift": "pass",
    }


def test_reviews_that_another_source_holds_are_retrained_on_together_with_the_lines_own(
    home: Path, watch: Watch, events: list[dict[str, Any]]
) -> None:
    write_reviews(home / "today.csv", reviews(400, seed=2, words=NEW_WORDS))

    assert watch("today", line="reviews").name == "Degraded"

    assert (events[0]["payload"]["source"], events[0]["payload"]["append"]) == ("reviews", ["today"])


@pytest.mark.parametrize("copies", [1, 3])
def test_what_the_champion_knows_and_what_is_said_twice_counts_for_nothing(
    home: Path, watch: Watch, events: list[dict[str, Any]], copies: int
) -> None:
    write_reviews(home / "today.csv", [*OLD, *reviews(99, seed=2, words=NEW_WORDS) * copies])

    assert watch("today", line="reviews").name == "TooFewRows"

    observation = last_run(home)["observation"]
    assert (observation["num_rows"], observation["num_new"]) == (700 + 99 * copies, 99)
    assert observation["verdict"] == "too few rows"
    assert "too few new rows to tell, at least 100 are needed" in observation["reason"]
    assert events == []


def test_with_one_row_more_there_are_enough(home: Path, watch: Watch) -> None:
    write_reviews(home / "today.csv", reviews(100, seed=2, words=NEW_WORDS))

    assert watch("today").name == "Degraded"


def test_without_a_new_row_there_is_nothing_to_measure(
    home: Path, watch: Watch, events: list[dict[str, Any]], retrain: Command
) -> None:
    # In other letters, the words are the same.
    write_reviews(home / "today.csv", [replace(one, text=one.text.upper()) for one in OLD])

    assert watch("today", line="reviews").name == "TooFewRows"

    observation = last_run(home)["observation"]
    assert (observation["num_new"], observation["accuracy"], observation["auc"]) == (0, None, None)
    assert events == []


@pytest.mark.parametrize("alarm", [False, True])
def test_drift_alone_is_told_and_is_an_alarm_only_where_that_is_asked_for(
    home: Path, watch: Watch, events: list[dict[str, Any]], alarm: bool
) -> None:
    # Only positive reviews, and of other things; the champion understands them all the same.
    others = reviews(800, seed=2, filling=OTHER_FILLING, noise=0)
    write_reviews(home / "today.csv", [one for one in others if one.label == 1])

    state = watch("today", monitor=MonitorOptions(alarm_on_drift=alarm))

    run = last_run(home)
    assert (state.name, run["observation"]["verdict"]) == ("Drifted", "drifted")
    assert run["observation"]["auc"] is None
    assert checks(run)["accuracy since promotion"] == "pass"
    assert checks(run)["drift"] == ("fail" if alarm else "warn")
    assert "drift: other than before: " in run["message"]
    assert [event["payload"]["verdict"] for event in events] == (["drifted"] if alarm else [])


def test_drift_that_is_turned_off_is_not_measured(home: Path, watch: Watch) -> None:
    write_reviews(home / "today.csv", reviews(400, seed=2, filling=OTHER_FILLING))

    assert watch("today", checks=CheckOptions(drift="off")).name == "Healthy"
    assert checks(last_run(home)) == {"accuracy since promotion": "pass", "drift": "off", "prediction drift": "off"}


def test_a_model_that_gives_no_number_is_degraded_however_few_rows_there_are(
    home: Path, watch: Watch, events: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.evaluation import scoring

    monkeypatch.setattr(scoring, "score", lambda _bundle, texts: np.full(len(texts), math.nan, np.float32))
    write_reviews(home / "today.csv", reviews(5, seed=2))

    assert watch("today").name == "Degraded"

    observation = last_run(home)["observation"]
    assert (observation["accuracy"], observation["auc"]) == (0.0, None)
    assert "no number from 0 to 1 comes out for 5 of 5 rows" in observation["reason"]
    assert len(events) == 1


def test_a_source_that_mostly_cannot_be_read_is_no_measure_of_a_champion(
    home: Path, watch: Watch, events: list[dict[str, Any]]
) -> None:
    broken = [Review(one.text, "unknown") for one in reviews(30, seed=3)]
    write_reviews(home / "today.csv", [*reviews(300, seed=2, words=NEW_WORDS), *broken])

    state = watch("today")

    assert (state.type.value, state.name) == ("FAILED", "DataRejected")
    run = last_run(home)
    assert (run["state"], run["observation"]) == ("rejected data", None)
    assert run["message"].startswith("the champion cannot be judged by this data: contents: 330 rows were read")
    (kept,) = (home / "quarantine").iterdir()
    assert len(kept.read_text(encoding="utf-8").splitlines()) == 30
    assert events == []
    with pytest.raises(DataRejectedError):
        state.result()


def test_a_champion_of_word_ranks_cannot_be_watched_on_texts(
    home: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "load_bundle", lambda *arguments: replace(load_bundle(*arguments), vocabulary=None))
    write_reviews(home / "today.csv", reviews(5, seed=2))

    with pytest.raises(ContentError, match="was trained on word ranks, which come without their words"):
        watch("today").result()
    assert last_run(home)["state"] == "failed"


def test_an_alarm_that_cannot_be_sent_is_told(
    home: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(event_module, "emit_event", lambda *_, **__: None)
    write_reviews(home / "today.csv", reviews(400, seed=2, words=NEW_WORDS))

    with caplog.at_level(logging.WARNING, logger="flows.events"):
        assert watch("today").name == "Degraded"
    assert any("could not be sent" in record.getMessage() for record in caplog.records)


def test_a_deployment_reads_named_sources_only(home: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "trigger", lambda: "deployment")

    with pytest.raises(SourceError, match="a deployment reads named sources only"):
        watch(str(home / "reviews-1.csv"))


@pytest.mark.parametrize(
    ("source", "line", "error"),
    [("nothing", "", SourceError), ("today", "", SourceError), ("reviews", "x", NotFoundError)],
)
def test_a_mistake_is_a_failed_run_that_says_so(
    home: Path, watch: Watch, source: str, line: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        watch(source, line=line).result()
    assert last_run(home)["state"] == "failed"


# The command.


def test_the_command_prints_the_verdict_in_full(
    home: Path, watch: Watch, retrain: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRAIN_HOME", str(home))

    def as_flow(options: Any) -> Outcome:
        names = ("data", "columns", "checks", "monitor")
        outcome = watch(options.source, line=options.line, **{name: getattr(options, name) for name in names}).result()
        assert isinstance(outcome, Outcome)
        return outcome

    monkeypatch.setattr(flow, "monitor_as_flow", as_flow)
    path = home / "mine.csv"
    write_reviews(path, reviews(400, seed=2, words=NEW_WORDS))

    code, out, err = retrain("monitor", str(path), "--line", "reviews", "--set", "monitor.max_accuracy_loss=0.03")

    assert (code, err) == (0, "")
    assert "the champion of reviews has degraded: accuracy" in out
    assert "400 rows, 400 new" in out
    assert "at most 0.03 lost since promotion" in out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("verdict ")] == ["degraded"]

    code, out, _ = retrain("monitor", str(path), "--json")
    assert (code, json.loads(out)["observation"]["verdict"]) == (0, "degraded")
    assert "has degraded" in retrain("history")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("reviews", "--line", "imdb"), 4, "no champion serves on the line 'imdb'; lines that have one: reviews"),
        (("nothing",), 2, "unknown source 'nothing'"),
        (("reviews", "--set", "monitor.alpha=2"), 2, "option 'monitor.alpha' cannot be '2'"),
        (("reviews", "--set", "monitor.beta=2"), 2, "option 'monitor.beta' cannot be '2'"),
    ],
)
def test_a_mistake_at_the_command_line_is_told_before_a_run_is_written_down(
    served: Path, retrain: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, words: str
) -> None:
    monkeypatch.setenv("RETRAIN_HOME", str(served))
    runs = len(MetricsReader(f"sqlite:///{served / 'metrics.db'}").history())

    found, _, err = retrain("monitor", *arguments)

    assert (found, words in err) == (code, True), err
    assert len(MetricsReader(f"sqlite:///{served / 'metrics.db'}").history()) == runs


def test_without_a_store_the_command_says_so(settings: Settings, retrain: Command) -> None:
    MetricsStore(settings.database_url)

    code, _, err = retrain("monitor", "reviews")

    assert code == 4
    assert "no champion serves yet" in err
