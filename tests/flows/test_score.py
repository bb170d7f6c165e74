"""Labelling reviews by a flow, with a small real champion; only Prefect's engine is stood in for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from prefect.client.schemas.objects import State

from flows import runs
from flows import score as flow
from storage.errors import NotFoundError, SourceError
from storage.metrics.reader import MetricsReader
from tasks import score as task
from tests.reviews import write_reviews
from tests.serving import Served

Score = Callable[..., State[Any]]


@pytest.fixture
def home(served: Served, served_home: Path) -> Path:
    """A home with a champion, and with two reviews of the name `today`, beside which one row has no text."""
    (served_home / "sources.toml").write_text('[today]\npath = "today.csv"\n', encoding="utf-8")
    path = served_home / "today.csv"
    write_reviews(path, served.reviews[:2])
    with path.open("a", encoding="utf-8") as file:
        file.write(",1\n")
    return served_home


@pytest.fixture
def score(home: Path, monkeypatch: pytest.MonkeyPatch) -> Score:
    """The flow, run without Prefect's engine."""
    monkeypatch.setattr(flow, "score_task", task.score.fn)

    def call(source: str = "today", **arguments: Any) -> State[Any]:
        state: State[Any] = flow.score.fn(source, **arguments)
        return state

    return call


def last_run(home: Path) -> dict[str, Any]:
    return MetricsReader(f"sqlite:///{home / 'metrics.db'}").run("latest")


def test_the_labels_stand_in_the_folder_of_scores_under_the_name_of_the_run(
    home: Path, served: Served, score: Score
) -> None:
    state = score()

    run = last_run(home)
    path = home / "scores" / f"{run['id']}.parquet"
    assert (state.type.value, state.name) == ("COMPLETED", "Completed")
    assert (run["flow"], run["state"], run["line"], run["seed"]) == ("score", "completed", "-", None)
    positive = sum(pq.read_table(path)["label"].drop_null().to_pylist())
    assert run["message"] == f"3 rows labelled, {positive} of them positive, 1 refused: {path}"
    assert run["options"] == {"source": "today", "line": "", "ending": ".parquet"}
    assert [stage["name"] for stage in run["stages"]] == ["score"]
    rows = pq.read_table(path).to_pylist()
    assert [row["row"] for row in rows] == [1, 2, 3]
    assert [row["refused"] for row in rows] == [None, None, "it has no text"]
    assert list((home / "scores").iterdir()) == [path]


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_the_file_may_be_of_another_kind(home: Path, score: Score, ending: Any) -> None:
    score(ending=ending, line="reviews")
    text = (home / "scores" / f"{last_run(home)['id']}{ending}").read_text(encoding="utf-8")
    if ending == ".csv":
        assert re.match(r"source,row,id,probability,label,champion,refused\ntoday,1,,0\.\d+,[01],", text)
    else:
        assert [json.loads(line)["row"] for line in text.splitlines()] == [1, 2, 3]
    assert last_run(home)["line"] == "reviews"


def test_each_run_has_a_file_of_its_own(home: Path, score: Score) -> None:
    score()
    score()
    assert len(list((home / "scores").iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"line": "shop"}, NotFoundError, "no champion serves on the line 'shop'; lines that have one: reviews"),
        ({"source": "gone.csv"}, SourceError, "there is no file"),
        ({"source": "synthetic"}, SourceError, "synthetic holds word ranks, not texts"),
    ],
)
def test_what_cannot_be_labelled_is_a_run_that_failed_and_has_no_file(
    home: Path, score: Score, arguments: dict[str, str], error: type[Exception], said: str
) -> None:
    state = score(**arguments)

    assert (state.type.value, state.name) == ("FAILED", "Failed")
    with pytest.raises(error, match=said):
        state.result()
    run = last_run(home)
    assert (run["flow"], run["state"]) == ("score", "failed")
    assert said in run["message"]
    assert list((home / "scores").iterdir()) == []


@pytest.mark.parametrize("started_by", ["schedule", "deployment"])
def test_a_deployment_reads_named_sources_only(
    home: Path, score: Score, monkeypatch: pytest.MonkeyPatch, started_by: str
) -> None:
    monkeypatch.setattr(runs, "trigger", lambda: started_by)
    with pytest.raises(SourceError, match=r"a deployment reads named sources only, and '/etc/passwd.csv' is none of"):
        score("/etc/passwd.csv")
    assert score("today").name == "Completed"
    assert last_run(home)["trigger"] == started_by
