from __future__ import annotations

import os
import subprocess
import sys

from storage.processes import lives, start_mark


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
