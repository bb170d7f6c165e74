"""The commands that look after the store: upgrade it, copy it, look whether it is whole, and make room."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from flows.cli.shared import console, json_option
from storage.errors import StoreError
from storage.settings import Settings


@click.group()
def db() -> None:
    """Look after the metrics store and the bundles of models.

    \b
    retrain db upgrade  bring an older store up to date, after a backup
    retrain db backup   copy the store, also while a run writes to it
    retrain db check    is the store whole, and every bundle that served?
    retrain db prune    remove old bundles that never served
    """


@db.command()
def upgrade() -> None:
    """Bring an older store up to date, after a backup beside it. Whatever writes to a store does so by itself.

    \b
    Example:
      retrain db upgrade
    """
    from storage.metrics.schema import upgrade_store

    done = upgrade_store(Settings.from_environment().database_url)
    if done is None:
        click.echo("the metrics store is up to date.")
    else:
        kept = f"as it was, it is in {done.backup}" if done.backup else "backups of it are its server's"
        click.echo(f"the metrics store was upgraded from schema {done.before} to {done.after}; {kept}.")


@db.command()
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
def backup(file: Path | None) -> None:
    """Copy the store into FILE, by default one below the home folder, as of one moment; a run may go on writing.

    Bundles are not part of it: they are files that never change, below the home folder.

    \b
    Example:
      retrain db backup /mnt/backups/metrics.db
    """
    from storage.metrics.backups import back_up_store

    settings = Settings.from_environment()
    to = file.absolute() if file else settings.backups / f"metrics-{datetime.now(UTC):%Y%m%d-%H%M%S}.db"
    back_up_store(settings.database_url, to)
    click.echo(f"{to}: {to.stat().st_size / 1e6:,.1f} MB, and whole.")


@db.command()
@json_option
def check(as_json: bool) -> None:
    """Check the database, its schema, and the bundle of everything that ever served against its digest.

    Ends with 1 where anything is damaged.

    \b
    Example:
      retrain db check
    """
    from flows.cli.terminal.common import print_json
    from flows.cli.terminal.store import print_inspection
    from storage.inspection import inspect_store

    found = inspect_store(Settings.from_environment())
    print_json(found) if as_json else print_inspection(console(), found)
    if found.damage:
        raise StoreError(
            f"what is kept is damaged: {'; '.join(found.damage)}. A backup can take the place of a damaged database; "
            "`retrain rollback LINE --reason damaged` puts another champion in the place of a damaged one."
        )


@db.command()
@click.option(
    "--keep-days", type=click.IntRange(min=0), default=90, show_default=True,
    help="Keep what was published, or served, within so many days.",
)  # fmt: skip
@click.option(
    "--keep-runs", type=click.IntRange(min=0), default=20, show_default=True,
    help="Keep the bundles of so many runs of each line, the newest.",
)  # fmt: skip
@click.option("--served", is_flag=True, help="Also remove what has served and does no more.")
@click.option("--dry-run", is_flag=True, help="List what would be removed, and remove nothing.")
@json_option
def prune(keep_days: int, keep_runs: int, served: bool, dry_run: bool, as_json: bool) -> None:
    """Remove the bundles of candidates that never served, old ones; what the store knows of them stays.

    What serves now, and each line's high-water mark, is never removed.

    \b
    Example:
      retrain db prune --keep-days 30 --dry-run
    """
    from flows.cli.terminal.common import print_json
    from flows.cli.terminal.store import print_pruning
    from storage import pruning

    done = pruning.prune(Settings.from_environment(), pruning.Policy(keep_days, keep_runs, served), dry_run=dry_run)
    print_json(done) if as_json else print_pruning(console(), done)
