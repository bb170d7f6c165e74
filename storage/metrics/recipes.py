"""The cook book: questions that people ask the store, each with the query that answers it.

A recipe is a file in `cookbook/`: its first comment line is the question, the second explains the answer in a sentence,
and each further one names a parameter with the value that it has unless another is given:

    -- Which runs used this snapshot?
    -- All runs that worked on a dataset, with what came of them.
    -- :snapshot af0c403ba8c1d24a
    SELECT …
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

_PARAMETER = re.compile(r"^:(\w+) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """A question and its answer.

    Attributes:
        name: Its file's name without the ending, such as `checks_reject_most`.
        question: As a person asks it.
        explanation: What the answer shows, in a sentence.
        sql: One SELECT with named parameters (`:line`), without a semicolon, for SQLite and PostgreSQL.
        parameters: What each parameter is unless another value is given; all are text.
    """

    name: str
    question: str
    explanation: str
    sql: str
    parameters: Mapping[str, str]


def recipes() -> tuple[Recipe, ...]:
    """All recipes by name, which puts those of one subject together."""
    folder = files("storage.metrics") / "cookbook"
    found = (file for file in folder.iterdir() if file.name.endswith(".sql"))
    return tuple(
        _read(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8"))
        for file in sorted(found, key=lambda file: file.name)
    )


def _read(name: str, text: str) -> Recipe:
    lines = text.splitlines()
    comments = [line.removeprefix("-- ") for line in lines if line.startswith("-- ")]
    question, explanation, *parameters = comments
    return Recipe(
        name,
        question,
        explanation,
        "\n".join(lines[len(comments) :]).strip().removesuffix(";"),
        dict(_PARAMETER.findall("\n".join(parameters))),
    )
