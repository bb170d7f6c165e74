"""The lease of a running process: what a run is owned by, as the store keeps it."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

from storage.processes import lives, start_mark


@dataclass(frozen=True)
class Lease:
    """Which process a run belongs to, so that another one can tell whether it still lives."""

    host: str
    boot_id: str
    process_id: int
    process_started: float

    @classmethod
    def of_this_process(cls) -> Lease:
        """The lease of the caller."""
        process_id = os.getpid()
        return cls(socket.gethostname(), _boot_id(), process_id, start_mark(process_id) or 0.0)

    def is_dead(self) -> bool:
        """Whether the process is certainly gone; on another host nothing is certain."""
        if self.host != socket.gethostname():
            return False
        return self.boot_id != _boot_id() or not lives(self.process_id, self.process_started)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))
