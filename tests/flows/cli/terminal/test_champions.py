from __future__ import annotations

import pytest

from flows.cli.terminal.champions import print_champions, print_succession
from storage.records import Decision
from tests.flows.cli.terminal.conftest import printed
from tests.storage.conftest import Bench


def test_the_succession_is_told_oldest_first_with_its_reasons(served_twice: Bench) -> None:
    first, second = served_twice.reader.champions("imdb")
    served_twice.roll_back(first.candidate_id, position=2)

    head, *lines = printed(print_succession, served_twice.reader.champions()).splitlines()
    assert head.split() == ["line", "number", "since", "(UTC)", "run", "model", "by", "why"]
    told = [line.split() for line in lines]
    assert [words[:2] for words in told] == [["imdb", "1"], ["imdb", "2"], ["imdb", "3"]]
    runs = [candidate.candidate_id.split("/")[0] for candidate in (first, second, first)]
    assert [words[4] for words in told] == runs
    assert [words[6] for words in told] == ["promotion", "promotion", "rollback"]
    assert lines[0].rstrip().endswith("the first one [of many]")
    assert lines[2].rstrip().endswith("complaints")


@pytest.mark.parametrize("reason", ["better [/]", "[bold]better", "better \\"])
def test_a_reason_is_printed_as_it_was_given(bench: Bench, reason: str) -> None:
    bench.decide(Decision(bench.candidate().id, True, reason, ()))

    for print_it in (print_succession, print_champions):
        assert reason in printed(print_it, bench.reader.champions())


def test_what_serves_now_is_told_with_its_run_and_its_bundle(served_twice: Bench) -> None:
    champion = served_twice.reader.champion("imdb")
    assert champion is not None
    text = printed(print_champions, [champion])
    assert text.splitlines()[0] == "imdb  baseline_avgpool"
    assert "champion number 2" in text
    assert champion.bundle in text
