"""Where things are: one folder for what outlives a run, and the address of the metrics store.

Read from the environment, once, by whoever starts a command; nothing here has a side effect at import.

RETRAIN_HOME          folder of snapshots, bundles and the SQLite store; default ~/.retrain
RETRAIN_DATABASE_URL  a SQLAlchemy URL of SQLite or PostgreSQL; default sqlite:///<home>/metrics.db
RETRAIN_IMDB_FILE     an imdb.npz that the source `auto` takes before it looks anywhere else
RETRAIN_SOURCES       the file that gives sources their names; default <home>/sources.toml
RETRAIN_NOTIFY_URL    a webhook, or any other address that Apprise knows, for decisions and alarms; default none
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from storage.errors import OptionError


@dataclass(frozen=True)
class Settings:
    """Places, resolved."""

    home: Path
    database_url: str
    imdb_file: Path | None = None
    sources_file: Path | None = None
    notify_url: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from `environment`, by default the process's own.

        Raises:
            OptionError: The folder's name cannot be part of a database's URL, or notifications go to no address.
        """
        values = os.environ if environment is None else environment
        home = Path(values.get("RETRAIN_HOME") or "~/.retrain").expanduser().absolute()
        if "?" in str(home):
            # SQLAlchemy would take what follows for options, and put the store elsewhere.
            raise OptionError(f"RETRAIN_HOME cannot be {str(home)!r}: a database's path must not have a question mark.")
        imdb_file = values.get("RETRAIN_IMDB_FILE")
        notify_url = values.get("RETRAIN_NOTIFY_URL") or None
        if notify_url and "://" not in notify_url:
            # It is a secret: the error does not repeat it.
            raise OptionError(
                "RETRAIN_NOTIFY_URL is no address: expected one such as https://hooks.slack.com/services/… or "
                "mailto://user:password@example.com, or nothing."
            )
        return cls(
            home=home,
            database_url=values.get("RETRAIN_DATABASE_URL") or f"sqlite:///{home / 'metrics.db'}",
            imdb_file=Path(imdb_file).expanduser().absolute() if imdb_file else None,
            sources_file=Path(values.get("RETRAIN_SOURCES") or home / "sources.toml").expanduser().absolute(),
            notify_url=notify_url,
        )

    def as_environment(self) -> dict[str, str]:
        """The variables from which a process in any folder reads these same settings."""
        values = {
            "RETRAIN_HOME": self.home,
            "RETRAIN_DATABASE_URL": self.database_url,
            "RETRAIN_IMDB_FILE": self.imdb_file,
            "RETRAIN_SOURCES": self.sources_file,
            "RETRAIN_NOTIFY_URL": self.notify_url,
        }
        return {name: str(value) for name, value in values.items() if value}

    @property
    def snapshots(self) -> Path:
        """Immutable datasets, one folder each."""
        return self.home / "snapshots"

    @property
    def matrices(self) -> Path:
        """Featurized snapshots, one folder each."""
        return self.home / "matrices"

    @property
    def bundles(self) -> Path:
        """Published models, one folder each."""
        return self.home / "bundles"

    @property
    def checkpoints(self) -> Path:
        """States of trainings that are not done, one file each."""
        return self.home / "checkpoints"

    @property
    def quarantine(self) -> Path:
        """Rows of sources that could not be used, one file a run."""
        return self.home / "quarantine"

    @property
    def scores(self) -> Path:
        """Labelled reviews, one file a scoring run."""
        return self.home / "scores"

    @property
    def backups(self) -> Path:
        """Copies of the SQLite store, one file each."""
        return self.home / "backups"

    @property
    def reports(self) -> Path:
        """Pages for people, one file a run; each can be written again from the store and the bundles."""
        return self.home / "reports"

    @property
    def downloads(self) -> Path:
        """Files fetched from elsewhere, verified by their hash at each use."""
        return self.home / "downloads"

    @property
    def prefect(self) -> Path:
        """What `retrain up` started: the Prefect server's own database, logs, and which processes they are."""
        return self.home / "prefect"

    def prepare(self) -> None:
        """Make the folders and prove that they can be written to.

        Raises:
            OptionError: A folder cannot be made or written to.
        """
        for folder in (self.home, self.snapshots, self.matrices, self.bundles):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise OptionError(
                    f"the folder {folder} cannot be written to ({error.strerror}): make it writable, "
                    "or name another one in RETRAIN_HOME."
                ) from error
