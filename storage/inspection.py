"""Whether a store is whole: its database, its schema, and the bundle of everything that ever served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from storage.content import read_manifest
from storage.errors import ContentError
from storage.metrics.integrity import changes_of, damage_of
from storage.metrics.reader import MetricsReader
from storage.pruning import needed
from storage.records import Champion
from storage.settings import Settings


@dataclass(frozen=True)
class ServedBundle:
    """The bundle of an entry in a line's history.

    Attributes:
        state: `gone` is one that serves no more and is not there, as after `retrain db prune --served`.
        words: What is wrong with it; empty if nothing is.
    """

    line: str
    position: int
    candidate_id: str
    bundle: str
    state: Literal["whole", "gone", "damaged"]
    words: str


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        database: What is wrong with the database and its schema; None of another one than SQLite, not checked.
        served: All that ever served, oldest first; empty where a damaged database does not tell.
    """

    database: tuple[str, ...] | None
    served: tuple[ServedBundle, ...]

    @property
    def damage(self) -> list[str]:
        """All that is wrong, in words; a bundle that served more than once is named once."""
        damaged = {entry.words: None for entry in self.served if entry.state == "damaged"}
        return [*(self.database or ()), *damaged]


def inspect_store(settings: Settings) -> Inspection:
    """Check the database, its schema, and each champion's bundle against the digest in the store.

    Raises:
        MissingStoreError: There is no store yet.
        StoreError: It could not be read, or its schema is another one.
    """
    damage = damage_of(settings.database_url)
    if damage:
        return Inspection(tuple(damage), ())
    champions = MetricsReader(settings.database_url).champions()
    changes = None if damage is None else tuple(changes_of(settings.database_url))
    return Inspection(changes, tuple(_look_at(settings, champions)))


def _look_at(settings: Settings, champions: Sequence[Champion]) -> list[ServedBundle]:
    always = needed(champions)
    # A bundle that was put back is read once.
    states = {bundle: _state_of(settings, bundle, bundle in always) for bundle in {one.bundle for one in champions}}
    return [
        ServedBundle(one.line, one.position, one.candidate_id, one.bundle, *states[one.bundle]) for one in champions
    ]


def _state_of(settings: Settings, bundle: str, is_needed: bool) -> tuple[Literal["whole", "gone", "damaged"], str]:
    folder = settings.bundles / bundle
    try:
        read_manifest(folder, digest=bundle)
    except ContentError as error:
        if not is_needed and not folder.exists():
            return "gone", f"{folder} is not there any more: it cannot serve again"
        return "damaged", str(error).rstrip(".")
    return "whole", ""
