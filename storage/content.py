"""Folders that are published once and never change: written elsewhere, flushed, renamed, verified before use.

A published folder holds its files and `manifest.json`, which lists the SHA-256 of each of them. The order is: temporary
folder in the same root, each file flushed, the folder flushed, rename, parent flushed; only then may a database row
name it. A kill at any moment leaves either nothing or an orphan below `.staging-*`, which `sweep` removes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storage.errors import ContentError
from storage.processes import lives, start_mark

MANIFEST = "manifest.json"
_STAGING = ".staging-"
_OWNER = re.compile(r"\.staging-(\d+)-(\d+)-")


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no NaN, so that equal values have equal text and equal hashes."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def sha256_of_json(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def make_staging(root: Path) -> Path:
    """A new folder below `root` to write into before publication; its name tells which process owns it."""
    root.mkdir(parents=True, exist_ok=True)
    process_id = os.getpid()
    mark = int(start_mark(process_id) or 0)
    return Path(tempfile.mkdtemp(prefix=f"{_STAGING}{process_id}-{mark}-", dir=root))


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A staging folder that is removed again unless it was published."""
    folder = make_staging(root)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, manifest: Mapping[str, Any], name: str | None = None) -> Path:
    """Seal a staging folder with its manifest and move it to its final name.

    Args:
        folder: The staging folder with all its files.
        manifest: What the folder is; the hashes of its files are added under `files`.
        name: Final name; by default the SHA-256 of the manifest.

    Returns:
        The published folder. If it was there already and whole, the new copy is dropped, since equal names mean equal
        content; a damaged one is replaced.
    """
    hashes = {
        str(path.relative_to(folder)): sha256_of_file(path) for path in _files(folder) if path != folder / MANIFEST
    }
    text = canonical_json({**manifest, "files": hashes})
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    for path in [*_files(folder), folder]:
        flush(path)
    target = folder.parent / (name or hashlib.sha256(text.encode()).hexdigest())
    try:
        folder.rename(target)
    except OSError:
        if not (target / MANIFEST).is_file():
            raise
        if is_whole(target):
            shutil.rmtree(folder)
        else:
            # Out of the way first: it has not been removed yet when the good copy takes its place.
            target.rename(make_staging(target.parent) / "damaged")
            folder.rename(target)
    flush(target.parent)
    return target


def is_whole(folder: Path) -> bool:
    """Whether a published folder is there and holds what its manifest says."""
    try:
        read_manifest(folder)
    except ContentError:
        return False
    return True


def read_manifest(folder: Path, digest: str | None = None) -> dict[str, Any]:
    """Read a published folder's manifest after verifying every file that it lists.

    Args:
        folder: The published folder.
        digest: The manifest's own SHA-256, where the caller has it from the store.

    Raises:
        ContentError: The folder, the manifest or a file is missing, or its hash is not the recorded one.
    """
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        manifest: dict[str, Any] = json.loads(text)
        files = {str(name): str(expected) for name, expected in manifest["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ContentError(f"{folder} has no readable {MANIFEST}: it was removed or damaged.") from error
    if digest is not None and hashlib.sha256(text.encode()).hexdigest() != digest:
        raise ContentError(f"{folder / MANIFEST} is not the one that was published: its hash is not {digest}.")
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise ContentError(f"{path} is missing, although the manifest lists it.")
        if sha256_of_file(path) != expected:
            raise ContentError(f"{path} has changed since it was published: its SHA-256 is not {expected}.")
    return manifest


def sweep(root: Path) -> list[Path]:
    """Remove the staging folders below `root` whose process is gone, and say which."""
    owners = {path: _OWNER.match(path.name) for path in root.glob(f"{_STAGING}*")}
    orphans = [path for path, owner in owners.items() if owner and not lives(int(owner[1]), int(owner[2]))]
    for path in orphans:
        shutil.rmtree(path, ignore_errors=True)
    return orphans


def flush(path: Path) -> None:
    """Have a file's content, or a folder's list of names, survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
