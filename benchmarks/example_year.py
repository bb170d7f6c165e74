"""A store as a year of weekly retrains leaves it, to try queries on: the same each time, to the second.

python -m benchmarks.example_year example.db
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from benchmarks.example_findings import SAID
from benchmarks.example_runs import ExampleRuns
from storage.records import RunState

FIRST = datetime(2025, 12, 1, 3, tzinfo=UTC)
WEEKS, WEEKS_OF_A_SNAPSHOT = 52, 13
_COMPLAINT = "support reports sarcastic reviews that are taken at their word"
_ENDED_EARLY: dict[int, tuple[RunState, str]] = {
    5: ("rejected data", f"stopped before training, label balance: {SAID['label balance']}."),
    16: ("rejected data", f"stopped before training, label balance: {SAID['label balance']}."),
    19: ("failed", "training advanced_bilstm_features ended with a loss of nan in epoch 3."),
    33: ("skipped", "nothing has changed since the run of the week before."),
    44: ("cancelled", "stopped from outside before it was done"),
}
_SHUFFLED, _UNSTEADY, _ROLLED_BACK, _DEGRADED = 11, 24, 29, 35


def fill(url: str) -> None:
    """Make a store at a URL where there is none yet, and fill it with the year.

    `imdb` is retrained every Monday, on more reviews each quarter, and watched once a month; `shop` twice by hand.
    """
    runs = ExampleRuns(url)
    for week in range(WEEKS):
        at = FIRST + timedelta(weeks=week)
        if week % WEEKS_OF_A_SNAPSHOT == 0:
            runs.new_data("imdb", at, week // WEEKS_OF_A_SNAPSHOT)
        if week in _ENDED_EARLY:
            runs.end_early(at, *_ENDED_EARLY[week])
        else:
            runs.retrain("imdb", at, broken=week == _SHUFFLED, unsteady=week == _UNSTEADY)
        if week == _ROLLED_BACK:
            runs.roll_back(at + timedelta(hours=7), _COMPLAINT)
        if week % 4 == 3:
            runs.observe(at + timedelta(days=3, hours=1, minutes=30), is_degraded=week == _DEGRADED)
        if week % 26 == 8:
            runs.new_data("shop", at, week // 26)
            runs.retrain("shop", at + timedelta(days=2, hours=6), is_scheduled=False)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def main(file: Path) -> None:
    """Write the year into FILE, a new SQLite database."""
    if file.exists():
        raise click.BadParameter(f"{file} is there already; name a new file.")
    fill(f"sqlite:///{file}")
    click.echo(f"a year of runs is in {file}")


if __name__ == "__main__":
    main()
