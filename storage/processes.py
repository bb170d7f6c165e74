"""Whether a process that once did something still lives, and how much memory this one has taken.

A process's id alone does not tell who it is, since ids are used again.
"""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

# getrusage counts kilobytes, and bytes on macOS.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def start_mark(process_id: int) -> float | None:
    """When a process started, as a mark to compare with an earlier one; None if there is no such process.

    On Linux, clock ticks since boot: they stay the same when the wall clock is set. Elsewhere, psutil's seconds since
    the epoch. A zombie counts as gone.
    """
    # Who only reads asks of no process, and would pay for it.
    import psutil

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


def peak_memory_bytes() -> int:
    """The most resident memory that this process has had."""
    status = Path("/proc/self/status")
    # Linux lets a process that was just started inherit getrusage's peak of the one that started it.
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(encoding="utf-8"), re.M) if status.exists() else None
    return int(found[1]) * 1024 if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
