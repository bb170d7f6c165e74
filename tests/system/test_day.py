"""The README's day, from an empty folder, with commands only: reviews in, a champion out, labels, and a week later."""

from __future__ import annotations

import csv
import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.reviews import NEW_WORDS, reviews, write_reviews
from tests.system.conftest import ROOT, PrefectServer, Shell

README = (ROOT / "README.md").read_text(encoding="utf-8")

# Reviews of some dozen words are soon learned; the smaller the batch, the more steps an epoch has.
QUICK = ("--set", "training.batch_size=32", "--set", "training.learning_rate=0.001")
TODAY = "today.csv"


@dataclass
class Day:
    """Runs commands and remembers them as a person would have typed them."""

    shell: Shell
    typed: list[str] = field(default_factory=list)

    def retrain(self, *arguments: str, quick: tuple[str, ...] = ()) -> tuple[Any, str]:
        """What a command prints as JSON, and what it says on the way."""
        self.typed.append(shlex.join(("retrain", *arguments)))
        done = self.shell.retrain(*arguments, *quick, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), " ".join(done.stderr.split())

    def label_today(self, champion: str) -> list[dict[str, str]]:
        """Label the file of unlabelled reviews, and read the labels."""
        scored, _ = self.retrain("predict", "--input", TODAY, "--output", "labelled.csv")
        with (self.shell.folder / "labelled.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert (scored["num_rows"], scored["champion"]) == (len(rows), champion)
        assert {row["champion"] for row in rows} == {champion}
        return rows


@pytest.fixture
def day(prefect_server: PrefectServer, tmp_path: Path) -> Day:
    """A day in an empty folder; a Prefect server runs already, so that a command need not start one."""
    return Day(Shell(tmp_path, {"PREFECT_API_URL": prefect_server.api}))


def commands_of_the_readme() -> list[str]:
    section = README.split("## A day with reviews of your own")[1].split("\n## ")[0]
    return re.findall(r"^\$ (retrain .*)$", section, flags=re.MULTILINE)


def put_files(folder: Path) -> None:
    """The files that the README names: the second week has words that the first one has not."""
    first, second = reviews(1500, seed=1), reviews(1500, seed=2, words=NEW_WORDS)
    write_reviews(folder / "reviews.csv", first)
    write_reviews(folder / "week-2.csv", [*first[:20], *second])
    write_reviews(folder / "week-3.csv", reviews(400, seed=4, words=NEW_WORDS))
    with (folder / "reviews.csv").open("a", encoding="utf-8") as file:
        file.write("a review without a known label,perhaps\n")
    with (folder / TODAY).open("w", encoding="utf-8", newline="") as file:
        rows = [(f"r{index}", review.text) for index, review in enumerate(reviews(50, seed=3, noise=0))]
        csv.writer(file).writerows([("id", "text"), *rows])


def champion_of(found: dict[str, Any]) -> str:
    promoted = [one["candidate_id"] for one in found["decisions"] if one["verdict"] == "promoted"]
    assert promoted, found["message"]
    return str(promoted[0])


def test_a_users_day(day: Day) -> None:
    put_files(day.shell.folder)

    # A file of their own: is it fit to be trained on?
    checked, _ = day.retrain("check", "reviews.csv")
    contents = next(check for check in checked["checks"] if check["name"] == "contents")
    assert checked["state"] == "completed"
    assert (contents["verdict"], contents["measured"]["refused"]) == ("warn", 1)
    assert "row 1501" in contents["offending_rows"][0]
    assert {check["verdict"] for check in checked["checks"]} == {"pass", "warn"}

    # The first run has a champion.
    first, _ = day.retrain("run", "--source", "reviews.csv", "--epochs", "30", quick=QUICK)
    promoted = champion_of(first)
    assert first["snapshot"]["id"] == checked["snapshot"]["id"]
    assert len(first["candidates"]) == 2

    # It labels what nobody has labelled, in the order of the file.
    ((said,), _) = day.retrain("predict", "A wonderful film, moving and funny")
    assert (said["label"], said["champion"]) == (1, promoted)
    before = day.label_today(promoted)
    assert [row["id"] for row in before] == [f"r{index}" for index in range(50)]

    # A week later more reviews have come, with words that the champion has never seen.
    both = ("run", "--source", "reviews.csv", "--source", "week-2.csv", "--epochs", "30")
    second, told = day.retrain(*both, quick=QUICK)
    assert "1,500 of 3,000 rows are new since the champion's snapshot" in told
    assert next(check for check in second["checks"] if check["name"] == "contents")["measured"]["repeated"] == 20
    comparisons = [one["comparison"] for one in second["decisions"]]
    assert {one["champion_id"] for one in comparisons} == {promoted}
    assert {one["num_rows"] for one in comparisons} == {second["snapshot"]["num_test"]}
    better = champion_of(second)

    # Nothing new: nothing trained.
    third, _ = day.retrain(*both, quick=QUICK)
    assert (third["state"], third["candidates"]) == ("skipped", [])
    assert second["id"] in third["message"]

    # The third week is like the second, and the champion still holds.
    watched, _ = day.retrain("monitor", "week-3.csv")
    assert (watched["observation"]["candidate_id"], watched["observation"]["verdict"]) == (better, "healthy")

    # Somebody prefers the one before, and gets exactly what it said then.
    back, _ = day.retrain("rollback", "reviews", "--reason", "complaints about short reviews")
    assert back["state"] == "completed"
    assert day.label_today(promoted) == before

    assert day.typed == [shlex.join(shlex.split(command)) for command in commands_of_the_readme()]
    history = day.shell.json("champion", "--history")
    assert [(one["candidate_id"], one["succession"]) for one in history] == [
        (promoted, "promotion"),
        (better, "promotion"),
        (promoted, "rollback"),
    ]
