"""Parameters whose choices are known only where a flow is deployed: the names in the file of sources at that time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from storage.settings import Settings
from tasks.sources.named import RESERVED, read_named


@dataclass(frozen=True)
class _Choice:
    """Makes a text a select in the form. In Python any text is taken: the flow itself refuses what has no name.

    Attributes:
        built_in: Names that need no file.
    """

    built_in: tuple[str, ...]

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of a text with the choices; a field of free text where there is nothing to choose from."""
        described = handler(schema)
        names = [*self.built_in, *read_named(Settings.from_environment().sources_file)]
        return {**described, "enum": names} if names else described


SourceName = Annotated[str, _Choice(RESERVED)]
"""A source of the main job: `auto`, `imdb`, `synthetic` or a named source."""

NamedSourceName = Annotated[str, _Choice(())]
"""A named source, of texts."""
