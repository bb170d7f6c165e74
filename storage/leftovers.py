"""What is kept for a while and can be made again: the checkpoints of trainings, and featurized snapshots.

Bundles and snapshots are no leftovers: what served may have to serve again, or to be compared with.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from storage.content import MANIFEST, make_staging


@dataclass(frozen=True)
class Removed:
    """How many things were removed, and their bytes."""

    number: int
    num_bytes: int


def remove_checkpoints(root: Path, before: datetime) -> Removed:
    """Remove the files of trainings that were last written before a moment; one under way keeps writing its own."""
    sizes = []
    for path in root.glob("*.npz"):
        try:
            found = path.stat()
            if found.st_mtime < before.timestamp():
                path.unlink()
                sizes.append(found.st_size)
        except FileNotFoundError:
            # Its training has just ended, and needs it no more.
            continue
    return Removed(len(sizes), sum(sizes))


def remove_matrices(root: Path, is_unused: Callable[[str], bool]) -> Removed:
    """Remove the matrices of snapshots that nobody uses; those of which nobody knows the snapshot stay.

    Args:
        root: Folder of all matrices.
        is_unused: Says of a snapshot's id whether its matrices may go, asked right before each removal.
    """
    sizes = []
    for manifest in sorted(root.glob(f"*/{MANIFEST}")):
        snapshot_id = _snapshot_of(manifest)
        if snapshot_id is None or not is_unused(snapshot_id):
            continue
        sizes.append(sum(path.stat().st_size for path in manifest.parent.iterdir()))
        # Away at one stroke: whoever looks for it finds all of it or nothing.
        away = make_staging(root)
        manifest.parent.rename(away / "unused")
        shutil.rmtree(away, ignore_errors=True)
    return Removed(len(sizes), sum(sizes))


def _snapshot_of(manifest: Path) -> str | None:
    try:
        snapshot_id = json.loads(manifest.read_text(encoding="utf-8")).get("snapshot_id")
    except (OSError, ValueError, AttributeError):
        return None
    return snapshot_id if isinstance(snapshot_id, str) else None
