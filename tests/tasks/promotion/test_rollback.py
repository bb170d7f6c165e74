from __future__ import annotations

from datetime import UTC, datetime

import pytest

from storage.errors import NotFoundError, OptionError
from storage.records import Champion
from tasks.promotion.rollback import earlier_champion


def served(*candidates: str) -> list[Champion]:
    now = datetime.now(UTC)
    return [
        Champion("imdb", position, candidate, "model", "bundle", "s1", "promotion", position, "better", now)
        for position, candidate in enumerate(candidates, start=1)
    ]


@pytest.mark.parametrize(
    ("candidates", "position"),
    [("ab", 1), ("abc", 2), ("aba", 2), ("abcc", 2), ("abacbb", 4)],
    ids=["one before", "the last of two", "after a rollback", "put there twice", "a long life"],
)
def test_by_default_the_last_one_of_another_candidate_is_meant(candidates: str, position: int) -> None:
    assert earlier_champion(served(*candidates), "imdb", 0).position == position


@pytest.mark.parametrize("position", [1, 2, 3])
def test_a_champion_can_be_named_by_its_position(position: int) -> None:
    assert earlier_champion(served(*"abcd"), "imdb", position).position == position


@pytest.mark.parametrize(("candidates", "position"), [("a", 1), ("ab", 2), ("aba", 1)])
def test_the_candidate_that_serves_cannot_be_put_back(candidates: str, position: int) -> None:
    with pytest.raises(OptionError, match=rf"^{candidates[-1]} serves on 'imdb' already\.$"):
        earlier_champion(served(*candidates), "imdb", position)


@pytest.mark.parametrize(
    ("candidates", "to", "words"),
    [
        ("", 0, "the line 'imdb' has no champion, so there is none to go back to."),
        ("", 1, "the line 'imdb' has no champion, so there is none to go back to."),
        ("a", 0, "has no champion before the present one: `retrain champion --line imdb --history` lists them."),
        ("aa", 0, "has no champion before the present one"),
        ("ab", 3, "has no champion number 3: `retrain champion --line imdb --history` lists them."),
        ("ab", -1, "has no champion number -1"),
    ],
)
def test_where_there_is_none_to_go_back_to_it_is_said(candidates: str, to: int, words: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        earlier_champion(served(*candidates), "imdb", to)
    assert words in str(caught.value)
