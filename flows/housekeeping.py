"""Clean up, and say whether the store and what serves are whole."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Failed
from pydantic import Field

from flows.logs import show_our_logs
from flows.runs import as_state, clean_up, record_run, run_start
from storage.errors import ContentError, MissingStoreError, StoreError
from storage.metrics.integrity import damage_of
from storage.metrics.store import MetricsStore
from storage.records import Housekeeping
from storage.settings import Settings
from tasks.housekeeping import housekeeping as housekeeping_task

Days = Annotated[int, Field(ge=1, le=3650)]


@flow(name="housekeeping", flow_run_name="housekeeping", validate_parameters=True)
def housekeeping(checkpoint_days: Days = 14, matrices_days: Days = 30) -> State[Any]:
    """Mark dead runs as crashed, remove what can be made again, and check the store and the champions.

    Args:
        checkpoint_days: Checkpoints of trainings that were not written to for so many days are removed.
        matrices_days: Featurized snapshots that no run has used for so many days are removed.
    """
    show_our_logs()
    settings = Settings.from_environment()
    settings.prepare()
    try:
        checked = check_store(settings.database_url)
    except StoreError as error:
        # No run is written down: a damaged database is not written to.
        return Failed(message=str(error), data=error)
    dead, folders = clean_up(settings, MetricsStore(settings.database_url))
    start = run_start("housekeeping", {"checkpoint_days": checkpoint_days, "matrices_days": matrices_days})

    def stages(run_id: str) -> str:
        kept = housekeeping_task(run_id, checkpoint_days, matrices_days)
        if kept.damaged:
            raise ContentError(" ".join(kept.damaged))
        return headline(kept, len(dead), len(folders), checked)

    return as_state(record_run(start, stages))


def check_store(url: str) -> str:
    """What was found of the database, in words, where nothing is wrong with it.

    Raises:
        StoreError: It is damaged, or cannot be read.
    """
    try:
        damage = damage_of(url)
    except MissingStoreError:
        return "is new"
    if damage:
        raise StoreError(
            f"the metrics store at {url} is damaged: {'; '.join(damage)}. Let nothing write to it, keep a copy, and "
            "put a backup in its place, or what the `.recover` of SQLite's command line can read of it."
        )
    return "was not checked, since it is no SQLite file" if damage is None else "is whole"


def headline(kept: Housekeeping, num_dead: int, num_folders: int, store: str) -> str:
    """What was done and found, in one sentence."""
    removed = (
        f"removed {_count(kept.num_checkpoints, 'checkpoint')} and {_count(kept.num_matrices, 'featurized snapshot')} "
        f"({kept.num_bytes / 1e6:,.1f} MB) and {_count(num_folders, 'unfinished folder')}"
    )
    champions = f"the champions of {', '.join(kept.lines)} are whole" if kept.lines else "no champion serves yet"
    return f"all is well: {removed}, marked {_count(num_dead, 'dead run')} as crashed; the store {store}, {champions}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
