"""Mistakes of a user at the command line: one clear sentence, an exit code, no traceback, nothing half-written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.system.conftest import BIN, Shell


@pytest.fixture
def lone_shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "--source", "/no/such/file.npz"), "there is no file /no/such/file.npz"),
        (("run", "--source", "reviews.docx"), "unknown source 'reviews.docx'"),
        (("run", "--models", "gpt"), "option 'models.0' cannot be 'gpt'"),
        (("run", "--epochs", "0"), "option 'epochs' cannot be 0"),
        (("run", "--epochs", "many"), "'many' is not a valid integer"),
        (("run", "--set", "training.batchsize=3"), "option 'training.batchsize' cannot be"),
        (("run", "--set", "nonsense"), "expected GROUP.NAME=VALUE"),
        (("run", "--epochs", "3", "--set", "epochs.most=3"), "option 'epochs' cannot be {'most': '3'}"),
        (("check", "synthetic", "--set", "source.name=imdb"), "option 'source' cannot be {'name': 'imdb'}"),
        (("run", "--no-such-option"), "No such option"),
        (("history",), "there is no metrics store"),
        (("show", "latest"), "there is no metrics store"),
        (("history", "--state", "promoted"), "'promoted' is not one of 'running'"),
        (("compare", "latest", "latest"), "there is no metrics store"),
        (("sql", "SELECT 1"), "there is no metrics store"),
        (("sql", "--recipe", "nonsense"), "the cook book has no recipe 'nonsense'"),
        (("explore",), "there is no metrics store"),
    ],
)
def test_a_mistake_gets_one_sentence_and_a_code(lone_shell: Shell, arguments: tuple[str, ...], sentence: str) -> None:
    done = lone_shell.retrain(*arguments)
    assert done.returncode == (4 if "there is no metrics store" in sentence or "has no recipe" in sentence else 2)
    assert done.stdout == ""
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (lone_shell.home / "metrics.db").exists()


def test_a_folder_that_cannot_be_written_is_named(lone_shell: Shell) -> None:
    (lone_shell.folder / "file").write_text("not a folder")
    done = lone_shell.retrain("run", RETRAIN_HOME=str(lone_shell.folder / "file" / "home"))
    assert done.returncode == 2
    assert "cannot be written to" in done.stderr
    assert "RETRAIN_HOME" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_prefect_server_that_is_down_is_named(lone_shell: Shell) -> None:
    done = lone_shell.retrain("run", "--source", "synthetic", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == 2
    assert "no Prefect server answers at http://127.0.0.1:9/api" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (lone_shell.home / "metrics.db").exists()


def test_without_a_server_nobody_can_be_asked_for_approval(lone_shell: Shell) -> None:
    done = lone_shell.retrain("run", "--source", "synthetic", "--set", "approval.required=true")
    assert done.returncode == 2
    assert "approval.required asks a person in Prefect's UI, and no Prefect server is set up" in done.stderr
    assert "PREFECT_API_URL" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (lone_shell.home / "metrics.db").exists()


def test_a_database_url_that_makes_no_sense_is_explained(lone_shell: Shell) -> None:
    done = lone_shell.retrain("history", RETRAIN_DATABASE_URL="nonsense")
    assert done.returncode == 2
    assert "Expected a SQLAlchemy URL" in done.stderr


def test_help_shows_every_command_with_an_example(lone_shell: Shell) -> None:
    commands = ("run", "history", "show", "compare", "champion", "sql", "explore")
    assert set(commands) <= set(lone_shell.retrain("--help").stdout.split())
    for command in commands:
        done = lone_shell.retrain(command, "--help")
        assert done.returncode == 0
        assert f"retrain {command}" in done.stdout.split("Example:")[1]


def test_a_closed_pipe_is_no_error(lone_shell: Shell) -> None:
    line = f"'{BIN / 'retrain'}' --help | head -n 1"
    done = subprocess.run(line, shell=True, env=lone_shell.variables(), capture_output=True, text=True, check=False)
    assert done.stderr == ""
