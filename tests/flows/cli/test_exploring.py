"""The store in Datasette: a real server, where Datasette is installed; and what is said where it cannot be."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.flows.conftest import Command
from tests.storage.conftest import Bench

ROOT = Path(__file__).parents[3]
PROGRAM = "from flows.cli import main; main()"

needs_datasette = pytest.mark.skipif(
    importlib.util.find_spec("datasette") is None, reason="Datasette is not installed: `make explore` does that"
)


@dataclass(frozen=True)
class Site:
    """Datasette at work: its process, and the address of the store in it."""

    process: subprocess.Popen[str]
    address: str

    def get(self, path: str = "", **parameters: str) -> tuple[int, str]:
        address = f"{self.address}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture
def site(served_twice: Bench) -> Iterator[Site]:
    command = [sys.executable, "-c", PROGRAM, "explore", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), line + process.stdout.read()
        yield Site(process, line.split()[0])
    finally:
        process.kill()
        process.communicate()


@needs_datasette
def test_the_store_can_be_clicked_through(site: Site, served_twice: Bench) -> None:
    status, page = site.get()
    assert status == 200
    assert "What was serving on 3 March?" in page
    assert "run_overview" in page

    status, page = site.get("/champions_of_a_line", line="imdb")
    assert status == 200
    assert page.count(served_twice.reader.champions("imdb")[0].candidate_id) >= 1

    status, page = site.get("/runs")
    assert status == 200
    assert "One pass of a flow." in page
    assert "Whether it is running, or how it ended." in page

    # What is written meanwhile is seen.
    new = served_twice.start_run()
    assert new in site.get("/runs.json", _shape="arrays")[1]


@needs_datasette
def test_nothing_can_be_changed_there(site: Site, served_twice: Bench) -> None:
    folder = Path(served_twice.url.removeprefix("sqlite:///")).parent
    other = folder / "other"
    before = {path.name: path.read_bytes() for path in folder.glob("metrics.db*")}
    for statement in (
        "delete from runs",
        "with x as (select 1) delete from runs",
        f"attach '{other}' as other",
        f"vacuum into '{other}'",
        f"select load_extension('{other}')",
        "pragma journal_mode = wal",
    ):
        status, told = site.get(".json", sql=statement)
        assert status == 400 or json.loads(told)["ok"] is False
    assert {path.name: path.read_bytes() for path in folder.glob("metrics.db*")} == before
    assert not other.exists()


@needs_datasette
@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_well_when_it_is_told_to(site: Site, word: signal.Signals) -> None:
    assert site.get(".json", sql="selec")[0] == 400
    site.process.send_signal(word)
    said, _ = site.process.communicate(timeout=180)
    assert site.process.returncode == 0
    assert "Traceback" not in said


@needs_datasette
def test_a_port_that_is_taken_is_told(served_twice: Bench, retrain: Command) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        code, out, err = retrain("explore", "--port", str(other.getsockname()[1]))
    assert (code, out) == (2, "")
    assert "cannot be had (Address already in use): name another one with --port, or 0" in err


def test_without_datasette_it_says_how_to_get_it(
    served_twice: Bench, retrain: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    code, out, err = retrain("explore")
    assert (code, out) == (2, "")
    assert "Datasette is not installed: `make explore` installs and opens it" in err


def test_without_a_store_it_says_so(retrain: Command) -> None:
    code, out, err = retrain("explore")
    assert (code, out) == (4, "")
    assert "there is no metrics store" in err
