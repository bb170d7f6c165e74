from __future__ import annotations

import os
import subprocess
import sys

from storage.processes import lives, peak_memory_bytes, start_mark


def test_this_process_lives_under_its_own_mark_only() -> None:
    mark = start_mark(os.getpid())
    assert mark is not None
    assert lives(os.getpid(), mark)
    assert not lives(os.getpid(), mark - 1000)


def test_a_process_that_ended_has_no_mark() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert start_mark(child.pid) is None
    assert not lives(child.pid, 0.0)


def test_the_peak_of_a_process_is_its_own_and_in_bytes() -> None:
    ballast = bytearray(b"x") * 2**28
    assert peak_memory_bytes() > len(ballast)
    code = "from storage.processes import peak_memory_bytes; print(peak_memory_bytes())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert 2**22 < int(child.stdout) < len(ballast)
