"""A PostgreSQL server of the tests' own, from Debian's package, in a folder that is gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

# Debian puts each version's programs where no PATH leads.
_DEBIAN = Path("/usr/lib/postgresql")
# Texts that sort as a dictionary does, as in the database that most installations make.
_CLUSTER = ("--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en")
# A server's clock may show any zone.
_ABROAD = ("-c", "timezone=America/New_York")
# The folder does not outlive the tests: nothing needs to reach the disk.
_HASTY = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")


@dataclass(frozen=True)
class PostgreSQL:
    """A running server, which only a socket in its folder leads to, and which lets anybody in."""

    folder: Path
    process_id: int
    _numbers: Iterator[int]

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql+psycopg://{user}@/{database}?host={self.folder}"

    def new_url(self) -> str:
        """The address of a new and empty database."""
        name = f"store{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def execute(self, sql: str, *values: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as any other program may."""
        with self.connect(database) as connection:
            found = connection.execute(sql.encode(), values or None)
            return found.fetchall() if found.description else []

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(host=str(self.folder), dbname=database, user="postgres", autocommit=True)


def programs() -> Path | None:
    """The folder of the newest PostgreSQL that is installed here."""
    found = [path.parent for path in _DEBIAN.glob("*/bin/initdb") if path.parents[1].name.isdigit()]
    if found:
        return max(found, key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def serve_postgresql(installed: Path) -> Iterator[PostgreSQL]:
    """A server that ends with the block."""
    # Not in pytest's folder: another user can't get in there, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    process = None
    try:
        who = _user()
        if who:
            os.chown(folder, who["user"], who["group"])
        data, log = folder / "data", folder / "log"
        made = [str(installed / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync", *_CLUSTER]
        done = subprocess.run(made, cwd=folder, capture_output=True, text=True, check=False, **who)
        assert done.returncode == 0, done.stderr
        command = [str(installed / "postgres"), "-D", str(data), "-k", str(folder), "-c", "listen_addresses="]
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*command, *_ABROAD, *_HASTY], cwd=folder, stdout=file, stderr=file, start_new_session=True, **who
            )
        server = PostgreSQL(folder, process.pid, count())
        _wait(server, process, log)
        yield server
    finally:
        if process is not None:
            _end(process)
        shutil.rmtree(folder)


def _user() -> dict[str, Any]:
    """Whom to run as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _wait(server: PostgreSQL, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            server.connect().close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    # SIGINT ends a server at once and in order, whoever is still connected.
    process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
