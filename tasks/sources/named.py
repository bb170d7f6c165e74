"""Named sources: a TOML file that says, by name, where reviews are and how to read them.

    [shop]
    path = "exports/shop-*.csv"        # one path or several, relative to this file; the files of a pattern are appended
    columns = { text = "body", label_from = "rating", rating = "stars" }

    [warehouse]
    url_from = "WAREHOUSE_URL"         # the environment variable that holds a SQLAlchemy URL; or url = "sqlite:///…"
    query = "SELECT body AS text, sentiment AS label FROM reviews"

A deployment reads nothing else: whoever fills in a form may choose a source, not open a file or a database.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from storage.errors import SourceError
from storage.options import ColumnOptions

RESERVED = ("auto", "imdb", "synthetic")
_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"


class NamedSource(BaseModel):
    """Where reviews are, and how to read them: files or a query."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: tuple[str, ...] = ()
    """Paths or patterns, relative to the file that names the source."""
    url: str = ""
    """A SQLAlchemy URL."""
    url_from: str = ""
    """Environment variable that holds the URL, so that no password stands in a file."""
    query: str = ""
    """What to ask the database: one SELECT."""
    columns: ColumnOptions = Field(default_factory=ColumnOptions)
    """Which column is which, and what a label means."""

    @field_validator("path", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _files_or_query(self) -> Self:
        num_places = sum(map(bool, (self.path, self.url, self.url_from)))
        if num_places != 1:
            raise ValueError("it needs one of path, url and url_from")
        if bool(self.query) == bool(self.path):
            raise ValueError("a database needs a query, and files have none")
        return self

    def database_url(self, name: str) -> str:
        """The URL, from wherever it stands.

        Raises:
            SourceError: The environment variable is not set.
        """
        if self.url:
            return self.url
        url = os.environ.get(self.url_from)
        if not url:
            raise SourceError(f"the source {name!r} takes its URL from {self.url_from}, which is not set.")
        return url

    def files(self, name: str, folder: Path) -> list[Path]:
        """The files or folders that the paths and patterns mean, in the order of the paths, then of their names.

        Raises:
            SourceError: A path means nothing that is there.
        """
        found: list[Path] = []
        for path in self.path:
            whole = folder / Path(path).expanduser()
            matches = sorted(whole.parent.glob(whole.name)) if "*" in whole.name or "?" in whole.name else [whole]
            if not [match for match in matches if match.exists()]:
                raise SourceError(f"the source {name!r} is to be read from {whole}, and there is no such file.")
            found += [match for match in matches if match not in found]
        return found


def read_named(path: Path | None) -> dict[str, NamedSource]:
    """All named sources of a file; none where there is no file.

    Raises:
        SourceError: The file is not TOML, or a source in it is not what it should be.
    """
    if path is None or not path.is_file():
        return {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SourceError(f"{path}, which gives sources their names, cannot be read: {error}.") from error
    return {name: _named(path, name, table) for name, table in tables.items()}


def _named(path: Path, name: str, table: object) -> NamedSource:
    if name in RESERVED or not re.fullmatch(_NAME, name):
        raise SourceError(
            f"{path}: a source cannot be called {name!r}: expected letters, digits, - and _, and none of "
            f"{', '.join(RESERVED)}."
        )
    if not isinstance(table, dict):
        raise SourceError(f"{path}: expected a table [{name}], received {table!r}.")
    try:
        return NamedSource(**table)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([name, *(str(part) for part in first["loc"])])
        raise SourceError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}.") from error
