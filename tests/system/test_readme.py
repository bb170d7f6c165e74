"""The README is run: its commands, its queries, its tables."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from flows.cli import cli
from storage.metrics.tables import Base
from storage.options import GateOptions, RunOptions
from tasks.promotion.rule import decide
from tasks.sources.named import read_named
from tests.reviews import reviews
from tests.system.conftest import ROOT, Shell
from tests.system.faults import FAULTS
from tests.system.test_retrain import QUICK
from tests.tasks.promotion.conftest import ADVANCED

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[str]:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith(f"$ {program} ")]


@pytest.fixture(scope="module")
def filled(shell: Shell) -> Shell:
    done = shell.retrain(*QUICK)
    assert done.returncode == 0, done.stderr
    ratings = [{"body": review.text, "stars": 1 + 4 * int(review.label)} for review in reviews(1000, seed=1)]
    (shell.folder / "ratings.jsonl").write_text("\n".join(map(json.dumps, ratings)), encoding="utf-8")
    return shell


def test_the_readme_shows_commands_queries_and_output() -> None:
    assert commands("make")
    assert commands("retrain")
    assert blocks("sql")


@pytest.mark.parametrize("command", commands("make"))
def test_make_knows_the_targets(command: str) -> None:
    done = subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# The day with reviews of one's own is run in test_day.py, and runs in test_retrain.py.
DAY = README.split("## A day with reviews of your own")[1].split("\n## ")[0]
ELSEWHERE = [line for line in commands("retrain") if line in DAY or line.startswith("retrain run")]


@pytest.mark.parametrize("command", [line for line in commands("retrain") if line not in ELSEWHERE])
def test_the_reading_commands_work(filled: Shell, command: str) -> None:
    done = filled.retrain(*shlex.split(command)[1:])
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("command", [line for line in commands("retrain") if line.startswith("retrain run")])
def test_the_options_of_a_run_are_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real runs are in test_retrain.py; here, that what the README says is parsed into valid options."""
    seen: list[RunOptions] = []

    def callback(sources: tuple[str, ...], groups: dict[str, Any], as_json: bool, **flat: Any) -> None:
        seen.append(RunOptions.parse(**{name: value for name, value in flat.items() if value is not None}, **groups))

    assert isinstance(cli, click.Group)
    monkeypatch.setattr(cli.commands["run"], "callback", callback)
    result = CliRunner().invoke(cli, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output
    assert len(seen) == 1


def test_the_named_sources_are_read(tmp_path: Path) -> None:
    (block,) = blocks("toml")
    (tmp_path / "sources.toml").write_text(block, encoding="utf-8")
    assert list(read_named(tmp_path / "sources.toml")) == ["shop", "warehouse"]


def test_every_deployment_is_described() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    for one in deployments:
        assert f"`{one['entrypoint'].partition(':')[2]}/{one['name']}`" in README, one["name"]


def test_the_diagnosis_of_the_notebooks_model_is_the_one_shown() -> None:
    (decision,) = decide([replace(ADVANCED, checks=())], GateOptions())
    (shown,) = (block for block in blocks("text") if "ruled out" in block)
    told = [re.split(r"  +", line)[:2] for line in shown.splitlines() if not line.startswith(" ")]
    assert told == [[suspect.cause, suspect.standing] for suspect in decision.diagnosis]
    assert decision.diagnosis[0].evidence in " ".join(shown.split())


def test_the_number_of_faults_is_the_one_told() -> None:
    assert f"[{len(FAULTS)} faults](docs/faults.md)" in README


@pytest.mark.parametrize("query", blocks("sql"))
def test_the_queries_run(filled: Shell, query: str) -> None:
    with sqlite3.connect(f"file:{filled.home / 'metrics.db'}?mode=ro", uri=True) as connection:
        columns = [column[0] for column in connection.execute(query).description]
    connection.close()
    assert columns


def test_every_table_is_described() -> None:
    for table in Base.metadata.tables:
        assert f"`{table}`" in README, table


def test_every_gate_and_check_is_described(filled: Shell) -> None:
    run = json.loads(filled.retrain("show", "latest", "--json").stdout)
    names = [check["name"] for check in run["checks"]]
    names += [gate["name"] for decision in run["decisions"] for gate in decision["gates"]]
    for name in names:
        assert name.removesuffix(" of class 0").removesuffix(" of class 1") in README, name


def test_the_exit_codes_are_those_of_the_code() -> None:
    from flows import cli as module

    for code in (
        module.EXIT_FAULT,
        module.EXIT_USER,
        module.EXIT_DATA_REJECTED,
        module.EXIT_NOT_FOUND,
        module.EXIT_STOPPED,
    ):
        assert re.search(rf"\b{code} [a-z]", README.split("Exit codes:")[1])
