"""What Datasette is told of the store: what views, tables and columns hold, and the cook book's questions."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import urlencode

from storage.metrics.recipes import Recipe, recipes
from storage.metrics.relations import Relation, relations


def datasette_metadata(database: str) -> dict[str, Any]:
    """Datasette's `metadata`, as plain JSON.

    Args:
        database: What Datasette calls the store's file: its name without the ending.
    """
    return {
        "title": "The metrics store",
        "databases": {
            database: {
                "description": (
                    "What was measured, decided and why. Ask it in SQL, or with the questions of the cook book; "
                    "nothing can be changed here."
                ),
                "tables": {relation.name: _table(relation) for relation in relations()},
                "queries": {recipe.name: _query(recipe) for recipe in recipes()},
            }
        },
    }


def _table(relation: Relation) -> dict[str, Any]:
    newest_first = {"sort_desc": "started_at"} if "started_at" in relation.columns else {}
    return {"description": relation.description, "columns": dict(relation.columns), **newest_first}


def _query(recipe: Recipe) -> dict[str, Any]:
    words = escape(recipe.explanation)
    if recipe.parameters:
        # Datasette asks for each parameter, and knows no value to begin with.
        shown = ", ".join(f"{name} {value}" for name, value in recipe.parameters.items())
        words += f' For example: <a href="?{escape(urlencode(recipe.parameters))}">{escape(shown)}</a>.'
    return {
        "title": recipe.question,
        "description_html": words,
        "sql": recipe.sql,
        "params": list(recipe.parameters),
    }
