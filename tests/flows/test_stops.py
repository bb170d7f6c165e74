from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.states import Completed
from sqlalchemy import Engine, text

from flows.runs import record_run, run_here
from flows.stops import insistent_stops, stop_behind, stops_held
from storage.metrics.engine import reading_engine, writing_engine
from storage.metrics.store import MetricsStore
from storage.records import RunStart
from tests.storage.conftest import Bench

START = RunStart("retrain", "-", "command line", {}, 7, False, {}, None)
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def handlers() -> list[object]:
    return [sys.unraisablehook, *(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))]


@pytest.fixture(autouse=True)
def as_on_the_command_line() -> Iterator[None]:
    """SIGTERM is what Ctrl-C is; and whatever a test does, the handlers are what they were."""
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    before = handlers()
    yield
    assert handlers() == before
    signal.signal(signal.SIGTERM, former)


class Thing:
    """What a weak reference can point to."""


def lose(number: signal.Signals) -> None:
    """Let a signal come in a weak reference's callback, where Python drops what the handler raises."""
    thing = Thing()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(number))
    del thing
    assert reference() is None


def wait_until(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 50
    while not found() and time.monotonic() < end:
        time.sleep(0.01)


@SIGNALS
def test_a_stop_that_is_lost_comes_again(number: signal.Signals) -> None:
    began = time.monotonic()

    def work() -> None:
        with insistent_stops():
            lose(number)
            steps.append("lost")
            time.sleep(60)

    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["lost"]
    assert time.monotonic() - began < 50


def test_what_else_is_lost_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_value))
    error = ValueError("in a callback")

    def fail(_: object) -> None:
        raise error

    thing = Thing()
    reference = weakref.ref(thing, fail)
    with insistent_stops():
        del thing
    assert reference() is None
    assert told == [error]


def test_a_stop_that_prefect_raised_comes_again_by_its_own_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "pthread_kill", lambda _, number: came.append(number))
    came: list[int] = []

    def stop(_: object) -> None:
        raise TerminationSignal(signal.SIGTERM)

    thing = Thing()
    reference = weakref.ref(thing, stop)
    with insistent_stops():
        del thing
        wait_until(lambda: bool(came))
    assert reference() is None
    assert came == [signal.SIGTERM]


def test_where_ctrl_c_is_ignored_a_stop_comes_again_as_sigterm() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)

    def work() -> None:
        with insistent_stops():
            lose(signal.SIGTERM)
            time.sleep(60)

    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        signal.signal(signal.SIGINT, before)


@SIGNALS
def test_a_stop_that_ended_something_does_not_come_again(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), insistent_stops():
        signal.raise_signal(number)
    time.sleep(0.2)


@SIGNALS
def test_a_stop_in_the_middle_of_what_is_not_to_be_torn_comes_at_its_end(number: signal.Signals) -> None:
    def work() -> None:
        with insistent_stops(), stops_held():
            signal.raise_signal(number)
            steps.append("done")

    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["done"]


def test_an_error_is_not_hidden_by_a_stop_that_was_held() -> None:
    def work() -> None:
        with insistent_stops(), stops_held():
            signal.raise_signal(signal.SIGTERM)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_what_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with insistent_stops(), stops_held():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_has_no_stops() -> None:
    done: list[bool] = []

    def work() -> None:
        with insistent_stops(), stops_held():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def raised(inner: BaseException, outer: Exception, *, explicitly: bool = False) -> Exception:
    """The outer error, raised while the inner one was being handled, or because of it."""
    try:
        try:
            raise inner
        except BaseException as error:
            raise outer from (error if explicitly else None)
    except Exception as error:
        return error


@pytest.mark.parametrize("explicitly", [True, False])
@pytest.mark.parametrize("stop", [KeyboardInterrupt(), TerminationSignal(15)])
def test_what_is_raised_over_a_stop_has_it_behind(stop: BaseException, explicitly: bool) -> None:
    first = raised(stop, ValueError("Task run is not set"), explicitly=explicitly)
    second = raised(first, RuntimeError("crashed"), explicitly=explicitly)
    assert stop_behind(stop) is stop
    assert stop_behind(first) is stop
    assert stop_behind(second) is stop


def test_a_fault_has_no_stop_behind_it() -> None:
    assert stop_behind(raised(KeyError("a"), ValueError("b"))) is None
    # As a time limit has it.
    assert stop_behind(raised(asyncio.CancelledError(), TimeoutError(), explicitly=True)) is None


def test_a_run_that_leaves_python_is_stopped() -> None:
    error = SystemExit(1)
    assert stop_behind(error) is error


def test_a_stop_that_prefect_makes_an_error_of_its_own_of_is_a_stop(bench: Bench) -> None:
    def stages(run_id: str) -> str:
        try:
            raise TerminationSignal(15)
        except TerminationSignal:
            raise ValueError("Task run is not set") from None

    with pytest.raises(TerminationSignal):
        record_run(START, stages)

    assert [run.state for run in bench.reader.history()] == ["cancelled"]

    def flow(*, return_state: bool) -> State[Any]:
        return Completed(data=stages(""))

    called: Any = flow
    with pytest.raises(KeyboardInterrupt):
        run_here(called)


def test_a_stop_that_comes_while_a_run_begins_or_ends_comes_after(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, state in (("start_run", "cancelled"), ("finish_run", "completed")):
        with monkeypatch.context() as patched:
            done = getattr(MetricsStore, name)

            def stop(store: MetricsStore, *arguments: Any, done: Callable[..., Any] = done) -> Any:
                signal.raise_signal(signal.SIGTERM)
                return done(store, *arguments)

            patched.setattr(MetricsStore, name, stop)
            with pytest.raises(KeyboardInterrupt):
                record_run(START, lambda _: "done")
        assert bench.reader.run("latest")["state"] == state


@pytest.mark.parametrize("engine_for", [writing_engine, reading_engine])
def test_a_transaction_that_a_stop_has_torn_keeps_nobody_from_writing_down_the_end(
    bench: Bench, engine_for: Callable[[str], Engine]
) -> None:
    def stages(run_id: str) -> str:
        # Nothing closes it, as where a stop comes before a context is entered.
        torn = engine_for(bench.url).connect()
        torn.begin()
        assert torn.scalar(text("SELECT count(*) FROM runs")) == 1
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        record_run(START, stages)
    assert bench.reader.run("latest")["state"] == "cancelled"
    # Else it would wait for as long as the store waits for other writers.
    assert time.monotonic() - began < 25
