from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from storage.metrics.engine import reading_engine
from storage.metrics.recipes import Recipe, recipes

if TYPE_CHECKING:
    from tests.storage.conftest import Bench, MakeBench

RECIPES = recipes()


@pytest.fixture(scope="module")
def empty(make_bench: MakeBench) -> Bench:
    return make_bench()


def test_the_book_answers_what_people_ask() -> None:
    questions = {recipe.question for recipe in RECIPES}

    assert len(questions) == len(RECIPES) >= 18
    assert {
        "Which check rejects most?",
        "How has recall of class 0 moved over the last year?",
        "What was serving on 3 March?",
        "Which runs used this snapshot?",
    } < questions


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_is_a_question_a_sentence_and_one_query(recipe: Recipe) -> None:
    assert recipe.question.endswith("?")
    assert recipe.explanation.endswith(".")
    assert recipe.sql.startswith("SELECT ")
    assert ";" not in recipe.sql
    assert "-- " not in recipe.sql
    assert set(re.findall(r":(\w+)", recipe.sql)) == set(recipe.parameters)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_can_be_asked_of_an_empty_store(empty: Bench, recipe: Recipe) -> None:
    with reading_engine(empty.url).connect() as connection:
        assert connection.execute(text(recipe.sql), recipe.parameters).all() == []
