from __future__ import annotations

import shlex
from typing import Any

import pytest

from flows.cli import cli
from flows.cli.retraining import check, run
from storage.options import RunOptions
from tasks.reporting.repeat import command, settings

CHANGED: list[dict[str, Any]] = [
    {},
    {"source": "my reviews.csv", "append": ("b.csv", "c;rm -rf.csv")},
    {"models": ("baseline_avgpool",), "epochs": 3, "seed": 0, "sample_size": 40, "dry_run": True},
    {"training": {"batch_size": 64, "learning_rate": 0.004}, "gates": {"beat_probe": True}},
    {"columns": {"negative_labels": ("bad", "awful"), "positive_labels": ("good",)}, "checks": {"leakage": "warn"}},
]


def read_back(line: str) -> RunOptions:
    """The options that the command line would have made of it."""
    words = shlex.split(line)
    assert words[0] == "retrain"
    of = {"run": run, "check": check}[words[1]]
    assert of is cli.commands[words[1]]
    values = of.make_context(words[1], words[2:]).params
    sources = values.pop("sources")
    values.pop("as_json")
    groups = values.pop("groups")
    given = {name: value for name, value in values.items() if value is not None}
    return RunOptions.parse(source=sources[0], append=sources[1:], **given, **groups)


@pytest.mark.parametrize("changes", CHANGED, ids=str)
def test_the_command_asks_for_the_same_again(changes: dict[str, Any]) -> None:
    options = RunOptions.model_validate(changes)

    line = command("retrain", options.model_dump(mode="json"))

    assert read_back(line) == options.model_copy(update={"force": True})


def test_the_command_of_a_check_names_its_sources_first() -> None:
    options = RunOptions.model_validate({"source": "a.csv", "append": ("b.csv",), "columns": {"text": "body"}})
    kept = options.model_dump(mode="json", include={"source", "append", "sample_size", "columns"})

    assert command("check", kept) == "retrain check a.csv b.csv --set columns.text=body"
    assert read_back(command("check", kept)) == options


@pytest.mark.parametrize(("flow", "options"), [("monitor", {"source": "a.csv"}), ("rollback", {}), ("retrain", {})])
def test_other_runs_have_no_such_command(flow: str, options: dict[str, Any]) -> None:
    assert command(flow, options) == ""


def test_settings_are_those_that_differ_from_the_defaults() -> None:
    options = {"monitor": {"alpha": 0.05, "min_rows": 100}, "training": {"at_once": True}, "unknown": {"a": None}}

    assert settings(options) == ["monitor.alpha=0.05", "training.at_once=true"]
