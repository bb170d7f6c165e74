from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks import start_up
from benchmarks.start_up import ALL_FIRST, BARE, NOTHING_TO_DO, TARGETS, Home, figures, markdown, measure, summary
from storage.metrics.store import MetricsStore
from tests.storage.conftest import Bench

SECONDS = {
    BARE: [0.02, 0.04, 0.02],
    ALL_FIRST: [10.0, 20.0, 8.0],
    "retrain --help": [0.1, 0.2, 0.4],
    "retrain show": [1.0, 2.0, 0.6],
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "home").mkdir()
    return Bench(MetricsStore(f"sqlite:///{tmp_path}/home/metrics.db"))


def program(folder: Path, text: str) -> str:
    """A command that stands in for `retrain`."""
    path = folder / "retrain"
    path.write_text(f"#!{sys.executable}\n{text}\n", encoding="utf-8")
    path.chmod(0o700)
    return str(path)


def test_a_ratio_is_that_of_one_round() -> None:
    assert summary(SECONDS)["retrain --help"] == {"seconds": 0.2, "to_bare": 5.0, "to_all_first": 0.01}


def test_a_row_has_a_bound_in_seconds_or_a_reference() -> None:
    rows = {row.name: row for row in figures(summary(SECONDS), 9.876)}
    assert set(rows) == {"retrain --help", "retrain show", NOTHING_TO_DO}
    assert (rows["retrain --help"].target, rows["retrain --help"].reference) == (TARGETS["retrain --help"], None)
    assert (rows["retrain show"].target, rows["retrain show"].reference) == (None, 10.0)
    assert rows["retrain show"].ratio == 0.1
    assert (rows[NOTHING_TO_DO].ours, rows[NOTHING_TO_DO].target) == (9.876, 10.0)


def test_the_table_has_all_that_was_measured() -> None:
    rows = markdown(summary(SECONDS), 9.876).splitlines()
    assert rows[2] == f"| `{BARE}` | 0.02 | 1.0 | 0.00 |"
    assert rows[-1] == f"| `{NOTHING_TO_DO}` | 9.88 | | |"


def test_a_store_is_asked_all_that_it_can_answer(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_up, "ALL", "pass")
    monkeypatch.setattr(start_up, "RETRAIN", program(tmp_path, "from flows.cli import main\nmain()"))
    bench.store.finish_run(bench.start_run(), "completed", "nothing promoted", 61.0)
    seconds = measure(Home.at(tmp_path / "home", tmp_path / "prefect", ()), 1)
    assert "retrain history" in seconds
    assert "retrain champion" not in seconds
    assert all(len(taken) == 1 and taken[0] > 0 for taken in seconds.values())


def test_a_command_that_fails_is_no_figure(tmp_path: Path) -> None:
    command = program(tmp_path, "import sys\nsys.exit('retrain: no such run')")
    with pytest.raises(click.ClickException, match="failed with 1, and said: retrain: no such run"):
        Home.at(tmp_path, tmp_path, ()).seconds(command)


def test_a_run_that_does_something_is_not_taken_for_one_that_has_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_up, "RETRAIN", program(tmp_path, "print('promoted baseline_avgpool')"))
    with pytest.raises(click.ClickException, match="had something to do: it said 'promoted baseline_avgpool'"):
        start_up.measure_nothing_to_do(Home.at(tmp_path, tmp_path, ()), 1)


def test_runs_with_nothing_to_do_are_counted_after_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_up, "RETRAIN", program(tmp_path, "print('nothing has changed since run x')"))
    assert len(start_up.measure_nothing_to_do(Home.at(tmp_path, tmp_path, ()), 2)) == 2


def test_figures_are_written_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        "import sys",
        "answers = {'run': 'nothing has changed since run x', 'history': '[{\"line\": \"synthetic\"}]', 'sql': '[{}]'}",
        "print(answers.get(sys.argv[1], ''))",
    )
    monkeypatch.setattr(start_up, "ALL", "pass")
    monkeypatch.setattr(start_up, "RETRAIN", program(tmp_path, "\n".join(lines)))
    output = tmp_path / "figures.json"
    given = ["--repeats", "2", "--runs", "1", "--output", str(output)]
    result = CliRunner().invoke(start_up.main, given, catch_exceptions=False)
    stored = json.loads(output.read_text(encoding="utf-8"))
    assert result.exit_code == 0
    assert (stored["settings"]["repeats"], stored["settings"]["source"]) == (2, "synthetic")
    assert [row["name"] for row in stored["figures"]] == [name for name in stored["found"] if "python" not in name]
    assert all(f"| `{name}` |" in result.output for name in stored["found"])
