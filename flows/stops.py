"""Stops from outside, Ctrl-C and SIGTERM, which no run may miss, and which none may mistake for a fault.

Python raises an exception wherever the main thread happens to be. In a destructor or in the callback of a weak
reference, it is lost; while Prefect begins a task, Prefect fails over it, and raises what it failed with.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from prefect.exceptions import TerminationSignal

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STOPS = (KeyboardInterrupt, TerminationSignal)
# Seconds.
_SOON = 0.05


def stop_behind(error: BaseException) -> BaseException | None:
    """The stop that an error is, or that was being handled when it was raised; None of any other error."""
    if not isinstance(error, Exception):
        return error
    behind: BaseException | None = error
    # A cancelled coroutine is no stop: it stands behind each error of a time limit.
    while behind is not None and not isinstance(behind, _STOPS):
        behind = behind.__cause__ or behind.__context__
    return behind


def let_go(error: BaseException) -> None:
    """Drop what the frames hold that a stop has left, wherever it was raised.

    A transaction that was torn between two lines goes on for as long as anything knows of it, and nobody else can write
    to the store.
    """
    seen: list[BaseException] = []
    behind = [error]
    while behind:
        one = behind.pop()
        if one not in seen:
            seen.append(one)
            traceback.clear_frames(one.__traceback__)
            behind += filter(None, (one.__cause__, one.__context__))
    gc.collect()


@contextmanager
def insistent_stops() -> Iterator[None]:
    """Let a stop that is lost come again, until this context ends. Outside the main thread none comes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ended = threading.Event()
    # What is lost is lost anywhere, perhaps inside a lock: a pipe has none that whoever writes to it could wait for.
    reading, writing = os.pipe()
    thread = threading.Thread(target=_repeat, args=(reading, ended), daemon=True)
    thread.start()
    former = sys.unraisablehook

    def notice(lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, _STOPS):
            os.write(writing, bytes([_number_of(lost.exc_value)]))
        else:
            former(lost)

    sys.unraisablehook = notice
    try:
        yield
    finally:
        sys.unraisablehook = former
        ended.set()
        os.close(writing)
        thread.join()
        os.close(reading)


@contextmanager
def stops_held() -> Iterator[None]:
    """Let a stop that comes in the middle of this context come at its end. Outside the main thread none comes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    with _handling(lambda number, _frame: came.append(number)):
        yield
    if came:
        signal.raise_signal(came[0])


def _repeat(reading: int, ended: threading.Event) -> None:
    main = threading.main_thread().ident
    assert main is not None
    while number := os.read(reading, 1):
        # Not at once, while Python is still busy with having lost it.
        if not ended.wait(_SOON):
            # To the main thread itself, which may be asleep.
            signal.pthread_kill(main, number[0])


def _number_of(stop: BaseException | None) -> int:
    """The signal that brings a stop again."""
    if isinstance(stop, TerminationSignal):
        return stop.signal
    # A process in the background ignores Ctrl-C.
    return signal.SIGTERM if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else signal.SIGINT


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Have another handler for both signals, but for what is to be ignored, as `nohup` has it, or is not Python's."""
    with ExitStack() as former:
        for number in _SIGNALS:
            found = signal.getsignal(number)
            if found is not None and found is not signal.SIG_IGN:
                former.callback(signal.signal, number, found)
                signal.signal(number, handler)
        yield
