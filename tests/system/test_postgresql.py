"""The installed command with its store on a PostgreSQL server."""

from __future__ import annotations

import pytest

from tests.postgresql import PostgreSQL
from tests.system.conftest import Shell
from tests.system.test_retrain import QUICK


@pytest.fixture(scope="module")
def on_server(shell: Shell, postgresql: PostgreSQL) -> Shell:
    """A shell whose store is an empty database."""
    return Shell(shell.folder, {**shell.environment, "RETRAIN_DATABASE_URL": postgresql.new_url()})


def test_a_store_that_nothing_was_written_to_is_told_in_a_sentence(on_server: Shell) -> None:
    done = on_server.retrain("history")

    assert done.returncode == 4
    assert "there is no metrics store at postgresql+psycopg://postgres@/" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_is_recorded_promoted_and_read_again(on_server: Shell) -> None:
    done = on_server.retrain(*QUICK)
    assert done.returncode == 0, done.stderr
    assert "promoted baseline_avgpool on synthetic" in done.stdout

    run = on_server.json("show", "latest")
    (champion,) = on_server.json("champion")
    assert run["state"] == "completed"
    assert champion["candidate_id"] == f"{run['id']}/baseline_avgpool"
    history = on_server.retrain("history")
    assert run["id"] in history.stdout, history.stderr
    assert not (on_server.home / "metrics.db").exists()


def test_a_server_that_is_down_is_told_in_a_sentence_without_the_password(shell: Shell) -> None:
    url = "postgresql+psycopg://me:pa55word@127.0.0.1:9/metrics"
    for command in (("history",), ("champion",), ("run", "--source", "synthetic")):
        done = shell.retrain(*command, RETRAIN_DATABASE_URL=url)
        assert done.returncode == 1
        assert "the metrics store at postgresql+psycopg://me:***@127.0.0.1:9/metrics cannot be" in done.stderr
        assert "Traceback" not in done.stderr
        assert "pa55word" not in done.stdout + done.stderr
