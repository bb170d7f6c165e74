from __future__ import annotations

import io
import logging
import math

import pytest
from rich.console import Console

from tasks.training import progress as module
from tasks.training.progress import (
    BarProgress,
    LineProgress,
    ReportingProgress,
    TrainingProgress,
    duration_words,
    epoch_words,
    progress_for,
)

LOGS = {"loss": 0.51234, "accuracy": 0.75, "val_loss": 0.6, "val_accuracy": 0.7}
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def terminal() -> Console:
    return Console(force_terminal=True, file=io.StringIO(), width=120, color_system=None)


def drawn(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


# Durations.


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (42, "42 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (60, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (3600, "1 h 00 min"),
        (7620, "2 h 07 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


def test_an_epoch_is_said_with_its_four_numbers() -> None:
    expected = "loss 0.5123, accuracy 0.7500, validation loss 0.6000, validation accuracy 0.7000"
    assert epoch_words(LOGS) == expected


def test_an_epoch_without_validation_can_be_said() -> None:
    assert "validation loss nan" in epoch_words({**LOGS, "val_loss": math.nan})


# Lines.


def test_every_epoch_is_a_line(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="tasks.training.progress"):
        lines = LineProgress()
        lines.start("baseline_avgpool", epochs=4, batches=10)
        clock.now += 30
        lines.epoch(1, LOGS)
        clock.now += 30
        lines.epoch(2, LOGS)
        lines.stop()
    first, second = caplog.messages
    assert (
        first == f"baseline_avgpool: epoch 1 of at most 4, batch 10 of 10, {epoch_words(LOGS)}, at most 1 min 30 s left"
    )
    assert second.endswith("at most 1 min 00 s left")


@pytest.mark.parametrize(("seconds", "num_lines"), [(19.9, 0), (20.0, 1)])
def test_within_an_epoch_there_is_a_line_every_20_seconds(
    clock: Clock, caplog: pytest.LogCaptureFixture, seconds: float, num_lines: int
) -> None:
    with caplog.at_level(logging.INFO, logger="tasks.training.progress"):
        lines = LineProgress()
        lines.start("baseline_avgpool", epochs=1, batches=40)
        clock.now += seconds
        lines.batch(1, 10, 0.25)
        clock.now += 1
        lines.batch(1, 11, 0.25)
    assert sum("batch 10 of 40, loss 0.2500, at most 1 min 00 s left" in line for line in caplog.messages) == num_lines


def test_the_wait_for_the_next_line_begins_with_the_last_one(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="tasks.training.progress"):
        lines = LineProgress()
        lines.start("baseline_avgpool", epochs=2, batches=100)
        for batch in range(1, 101):
            clock.now += 1
            lines.batch(1, batch, 0.5)
    said = [line.split(", ")[1] for line in caplog.messages]
    assert said == [f"batch {batch} of 100" for batch in (20, 40, 60, 80, 100)]


def test_nothing_is_left_after_the_last_batch(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="tasks.training.progress"):
        lines = LineProgress()
        lines.start("baseline_avgpool", epochs=1, batches=10)
        clock.now += 30
        lines.epoch(1, LOGS)
    assert caplog.messages[0].endswith("at most 0 s left")


def test_epochs_that_were_trained_before_took_no_time(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="tasks.training.progress"):
        lines = LineProgress()
        lines.start("baseline_avgpool", epochs=5, batches=10, done=2)
        clock.now += 30
        lines.epoch(3, LOGS)
    assert caplog.messages[0].endswith("at most 1 min 00 s left")


# The bar.


def train(progress: TrainingProgress) -> None:
    progress.start("baseline_avgpool", 2, 3)
    for epoch in (1, 2):
        for batch in (1, 2, 3):
            progress.batch(epoch, batch, 0.25)
        progress.epoch(epoch, LOGS)


def test_a_bar_shows_the_batch_the_loss_and_the_time_left() -> None:
    console = terminal()
    bar = BarProgress(console)
    train(bar)
    bar.stop()
    text = drawn(console)
    assert "baseline_avgpool epoch 2/2" in text
    assert "batch 3/3" in text
    assert "loss 0.2500  at most 0 s left" in text


def test_a_finished_epoch_stays_as_a_line() -> None:
    console = terminal()
    bar = BarProgress(console)
    train(bar)
    bar.stop()
    for epoch in (1, 2):
        assert f"  baseline_avgpool epoch {epoch}/2: {epoch_words(LOGS)}" in drawn(console)


def test_a_bar_gives_the_cursor_back() -> None:
    console = terminal()
    bar = BarProgress(console)
    train(bar)
    assert drawn(console).count(HIDE_CURSOR) == drawn(console).count(SHOW_CURSOR) + 1
    bar.stop()
    assert drawn(console).count(HIDE_CURSOR) == drawn(console).count(SHOW_CURSOR) == 1


def test_a_bar_may_be_stopped_before_it_was_started() -> None:
    console = terminal()
    BarProgress(console).stop()
    assert HIDE_CURSOR not in drawn(console)


@pytest.mark.parametrize(("is_terminal", "expected"), [(True, BarProgress), (False, LineProgress)])
def test_there_is_a_bar_only_in_a_terminal(is_terminal: bool, expected: type) -> None:
    console = Console(force_terminal=is_terminal, file=io.StringIO())
    assert isinstance(progress_for(console), expected)


def test_a_bar_begins_with_the_epoch_that_is_trained_first() -> None:
    console = terminal()
    bar = BarProgress(console)
    bar.start("baseline_avgpool", 5, 3, done=2)
    bar.stop()
    assert "baseline_avgpool epoch 3/5" in drawn(console)


# What is reported elsewhere.


def test_a_report_comes_every_two_seconds_at_most(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    reports: list[tuple[float, str]] = []
    progress = ReportingProgress(LineProgress(), lambda *report: reports.append(report))
    with caplog.at_level(logging.INFO, logger="tasks.training.progress"):
        progress.start("baseline_avgpool", epochs=4, batches=10, done=1)
        for batch in range(1, 11):
            clock.now += 0.5
            progress.batch(2, batch, 0.25)
        progress.epoch(2, LOGS)
        progress.stop()
    assert reports == [
        (25.0, "epoch 2 of at most 4"),
        (35.0, "epoch 2 of at most 4, loss 0.2500, at most 13 s left"),
        (45.0, "epoch 2 of at most 4, loss 0.2500, at most 11 s left"),
    ]
    # The other progress has heard of everything.
    assert len(caplog.messages) == 1
