"""Whether a process that once did something still lives: its id alone does not tell, since ids are used again."""

from __future__ import annotations

from pathlib import Path

import psutil


def start_mark(process_id: int) -> float | None:
    """When a process started, as a mark to compare with an earlier one; None if there is no such process.

    On Linux, clock ticks since boot: they stay the same when the wall clock is set. Elsewhere, psutil's seconds since
    the epoch. A zombie counts as gone.
    """
    try:
        if psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE:
            return None
        stat = Path(f"/proc/{process_id}/stat")
        if stat.exists():
            # The second field, the name in brackets, may hold spaces; the start is field 22.
            return float(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        return float(psutil.Process(process_id).create_time())
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def lives(process_id: int, mark: float) -> bool:
    """Whether the process with this id is the one that bore this mark."""
    now = start_mark(process_id)
    return now is not None and abs(now - mark) < 1
