"""Which bundles are not worth their place any more, and their removal.

A run that is at work keeps its candidates' bundles. So does what serves, and each line's high-water mark, with which
every challenger is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from storage.content import MANIFEST, staging
from storage.errors import OptionError
from storage.metrics.reader import MetricsReader
from storage.metrics.store import MetricsStore
from storage.records import Champion, Published
from storage.settings import Settings


@dataclass(frozen=True)
class Policy:
    """What is kept.

    Attributes:
        keep_days: Bundles that were published, or served, within so many days.
        keep_runs: Bundles of so many runs of each line, the newest.
        served: Whether also bundles go that have served and do no more.
    """

    keep_days: int = 90
    keep_runs: int = 20
    served: bool = False


@dataclass(frozen=True)
class PrunedBundle:
    """A bundle that is removed.

    Attributes:
        bundle: Its digest.
        candidates: Ids of those whose bundle it is.
        num_bytes: Of its files.
    """

    bundle: str
    candidates: tuple[str, ...]
    num_bytes: int


@dataclass(frozen=True)
class Pruning:
    """What was removed, or would be."""

    dry_run: bool
    bundles: tuple[PrunedBundle, ...]

    @property
    def num_bytes(self) -> int:
        """Of all bundles that are removed."""
        return sum(pruned.num_bytes for pruned in self.bundles)


def prune(settings: Settings, policy: Policy, *, dry_run: bool = False) -> Pruning:
    """Remove the bundles that a policy does not keep; the store goes on to know of them.

    Raises:
        OptionError: What has served was asked for, and a run is at work that may let it serve again.
        StoreError: The metrics store cannot be used.
    """
    if dry_run:
        return Pruning(True, _to_remove(settings, policy))
    store = MetricsStore(settings.database_url)
    store.reap_dead_runs()
    # Away at one stroke: whoever looks for a bundle finds all of it or nothing.
    with staging(settings.bundles) as away, store.held():
        pruning = Pruning(False, _to_remove(settings, policy))
        for pruned in pruning.bundles:
            (settings.bundles / pruned.bundle).rename(away / pruned.bundle)
    return pruning


def needed(champions: Sequence[Champion]) -> set[str]:
    """The bundles of what serves on each line, and of each line's high-water mark.

    Args:
        champions: All that ever served, as the store gives them.
    """
    serving = {entry.line: entry for entry in champions}
    marks = {(line, entry.mark) for line, entry in serving.items()}
    return {
        entry.bundle for entry in champions if entry is serving[entry.line] or (entry.line, entry.position) in marks
    }


def unneeded(
    published: Sequence[Published], champions: Sequence[Champion], policy: Policy, now: datetime
) -> dict[str, list[Published]]:
    """The bundles that a policy does not keep, each with its candidates.

    A bundle is kept as long as one candidate needs it whose own one is kept: it may have taken its training from there.

    Args:
        published: All candidates, the newest run first.
        champions: All that ever served, as the store gives them.
        policy: What is kept.
        now: From when days are counted.
    """
    before = now - timedelta(days=policy.keep_days)
    always, served_until = needed(champions), _served_until(champions)
    newest = _newest_runs(published, policy.keep_runs)

    def may_go(candidate: Published) -> bool:
        if candidate.is_running or candidate.run_id in newest or candidate.bundle in always:
            return False
        if candidate.bundle in served_until:
            return policy.served and served_until[candidate.bundle] < before
        return candidate.published_at < before

    kept = [candidate for candidate in published if not may_go(candidate)]
    taken_from = {candidate.reused_from for candidate in kept}
    bundles = {candidate.bundle for candidate in kept}
    bundles |= {candidate.bundle for candidate in published if candidate.candidate_id in taken_from}
    found: dict[str, list[Published]] = {}
    for candidate in published:
        if candidate.bundle not in bundles:
            found.setdefault(candidate.bundle, []).append(candidate)
    return found


def _to_remove(settings: Settings, policy: Policy) -> tuple[PrunedBundle, ...]:
    reader = MetricsReader(settings.database_url)
    at_work = reader.run_ids("running")
    if policy.served and at_work:
        raise OptionError(
            f"the run {at_work[0]} is at work, and might let an earlier champion serve again: prune what has served "
            "when it has ended, or now without --served."
        )
    found = unneeded(reader.published(), reader.champions(), policy, datetime.now(UTC))
    return tuple(
        PrunedBundle(
            bundle, tuple(candidate.candidate_id for candidate in candidates), _size(settings.bundles / bundle)
        )
        for bundle, candidates in found.items()
        # Another pruning may have removed it.
        if (settings.bundles / bundle / MANIFEST).is_file()
    )


def _served_until(champions: Sequence[Champion]) -> dict[str, datetime]:
    """When each bundle that serves no more ended to, the last time."""
    return {earlier.bundle: later.promoted_at for earlier, later in pairwise(champions) if earlier.line == later.line}


def _newest_runs(published: Sequence[Published], number: int) -> set[str]:
    runs: dict[str, dict[str, None]] = {}
    for candidate in published:
        runs.setdefault(candidate.line, {})[candidate.run_id] = None
    return {run_id for of_line in runs.values() for run_id in list(of_line)[:number]}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
