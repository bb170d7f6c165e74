from __future__ import annotations

import json
from html.parser import HTMLParser
from urllib.parse import parse_qsl

from storage.metrics.explore import datasette_metadata
from storage.metrics.recipes import recipes
from storage.metrics.relations import relations

TOLD = datasette_metadata("metrics")["databases"]["metrics"]


def test_every_view_and_table_is_described_with_its_columns() -> None:
    assert list(TOLD["tables"]) == [relation.name for relation in relations()]
    for relation in relations():
        assert TOLD["tables"][relation.name]["description"] == relation.description
        assert TOLD["tables"][relation.name]["columns"] == relation.columns
    assert TOLD["tables"]["runs"]["sort_desc"] == "started_at"
    assert "sort_desc" not in TOLD["tables"]["snapshots"]


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attributes if tag == "a" and name == "href" and value]


def test_every_question_of_the_cook_book_can_be_asked_with_the_values_that_it_shows() -> None:
    assert list(TOLD["queries"]) == [recipe.name for recipe in recipes()]
    for recipe in recipes():
        query = TOLD["queries"][recipe.name]
        assert (query["title"], query["sql"], query["params"]) == (
            *(recipe.question, recipe.sql, list(recipe.parameters)),
        )
        links = Links()
        links.feed(query["description_html"])
        assert [dict(parse_qsl(address.removeprefix("?"))) for address in links.addresses] == (
            [recipe.parameters] if recipe.parameters else []
        )


def test_it_is_plain_json() -> None:
    assert json.loads(json.dumps(TOLD)) == TOLD
