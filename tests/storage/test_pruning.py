from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from storage.content import MANIFEST
from storage.errors import OptionError, StoreError
from storage.metrics import engine
from storage.pruning import Policy, needed, prune, unneeded
from storage.records import Champion, Published
from storage.settings import Settings
from tests.storage.conftest import publish_for

if TYPE_CHECKING:
    from tests.storage.conftest import Bench

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ALL = Policy(keep_days=0, keep_runs=0)


def published(number: int, days: float, **changes: Any) -> Published:
    """The candidate of run `number`, made so many days ago."""
    usual = Published(f"r{number}/m", f"r{number}", "imdb", f"b{number}", "", False, NOW - days * DAY)
    return replace(usual, **changes)


def champion(position: int, number: int, days: float, **changes: Any) -> Champion:
    """The candidate of run `number`, serving since so many days ago."""
    usual = Champion(
        *("imdb", position, f"r{number}/m", "m", f"b{number}", "s", "promotion"),
        *(position, "better", NOW - days * DAY),
    )
    return replace(usual, **changes)


def pruned(candidates: list[Published], champions: list[Champion], **policy: Any) -> set[str]:
    kept = {"keep_days": 90, "keep_runs": 0, **policy}
    return set(unneeded(candidates, champions, Policy(**kept), NOW))


# The policy


@pytest.mark.parametrize(("days", "goes"), [(90.001, True), (90, False), (89.999, False)])
def test_a_bundle_goes_once_it_is_old(days: float, goes: bool) -> None:
    assert pruned([published(1, days)], []) == ({"b1"} if goes else set())


def test_the_newest_runs_of_each_line_keep_theirs_however_old() -> None:
    candidates = [published(number, 100 + number) for number in range(5)]
    candidates += [published(number, 200 + number, line="synthetic") for number in range(5, 8)]

    assert pruned(candidates, [], keep_runs=2) == {"b2", "b3", "b4", "b7"}


def test_a_run_of_two_candidates_counts_once() -> None:
    candidates = [published(number, 100 + number, bundle=f"b{number}{model}") for number in (1, 2, 3) for model in "xy"]

    assert pruned(candidates, [], keep_runs=2) == {"b3x", "b3y"}


def test_a_run_at_work_keeps_its_bundles() -> None:
    assert pruned([published(1, 365, is_running=True), published(2, 365)], []) == {"b2"}


SERVED = [champion(1, 1, 300), champion(2, 2, 200), champion(3, 3, 95), champion(4, 4, 50)]
CANDIDATES = [published(number, 400 - number) for number in (5, 4, 3, 2, 1)]


def test_what_served_stays_unless_it_is_asked_for() -> None:
    assert pruned(CANDIDATES, SERVED) == {"b5"}


def test_what_served_goes_when_it_is_long_since_it_did() -> None:
    # The third one served until fifty days ago, however old it is.
    assert pruned(CANDIDATES, SERVED, served=True) == {"b5", "b1", "b2"}


def test_what_serves_and_the_high_water_mark_never_go() -> None:
    champions = [*SERVED[:3], champion(4, 4, 50, mark=1)]

    assert needed(champions) == {"b1", "b4"}
    assert pruned(CANDIDATES, champions, served=True, keep_days=0) == {"b5", "b2", "b3"}


def test_what_was_put_back_and_serves_never_goes() -> None:
    champions = [*SERVED, champion(5, 1, 300)]

    assert "b1" not in pruned(CANDIDATES, champions, served=True, keep_days=0)


def test_each_line_has_its_own_champion() -> None:
    champions = [champion(1, 1, 300), champion(1, 2, 200, line="synthetic")]

    assert needed(champions) == {"b1", "b2"}
    assert pruned(CANDIDATES, champions, served=True, keep_days=0) == {"b3", "b4", "b5"}


def test_a_bundle_of_several_candidates_stays_while_one_of_them_is_kept() -> None:
    candidates = [published(2, 10, bundle="shared"), published(1, 300, bundle="shared"), published(0, 300)]

    assert pruned(candidates, []) == {"b0"}


def test_a_training_that_a_kept_candidate_took_stays() -> None:
    candidates = [published(3, 10, reused_from="r1/m"), published(2, 300, reused_from="r0/m"), published(1, 300)]

    assert pruned([*candidates, published(0, 300)], []) == {"b2", "b0"}


# The removal


def test_a_bundle_is_removed_and_the_store_still_knows_of_it(settings: Settings, bench: Bench) -> None:
    gone, kept = publish_for(settings, bench), publish_for(settings, bench, bench.start_run())
    before = bench.reader.published()

    done = prune(settings, ALL)

    (removed,) = done.bundles
    assert (removed.bundle, removed.candidates) == (gone.name, (before[-1].candidate_id,))
    assert done.num_bytes == removed.num_bytes > 1000
    assert [path.name for path in settings.bundles.iterdir()] == [kept.name]
    assert bench.reader.published() == before
    assert prune(settings, ALL).bundles == ()


def test_a_dry_run_says_the_same_and_removes_nothing(settings: Settings, bench: Bench) -> None:
    folder = publish_for(settings, bench)

    done = prune(settings, ALL, dry_run=True)

    assert folder.is_dir()
    assert prune(settings, ALL).bundles == done.bundles != ()


def test_a_run_that_died_keeps_nothing(settings: Settings, bench: Bench) -> None:
    folder = publish_for(settings, bench, bench.start_run())
    bench.query("UPDATE runs SET boot_id = 'another boot'")

    prune(settings, ALL)

    assert not folder.exists()


def test_what_no_candidate_has_is_left_alone(settings: Settings, bench: Bench) -> None:
    folder = publish_for(settings, bench)
    bench.candidate(bundle="")
    (settings.bundles / "notes.txt").write_text("mine")
    other = folder.rename(settings.bundles / "other")
    bench.query("UPDATE runs SET state = 'completed', finished_at = started_at")

    assert prune(settings, ALL).bundles == ()
    assert (other / MANIFEST).is_file()
    assert (settings.bundles / "notes.txt").is_file()


def test_what_served_is_not_removed_while_a_run_may_let_it_serve_again(settings: Settings, bench: Bench) -> None:
    run_id = bench.start_run(flow="rollback")

    for dry_run in (False, True):
        with pytest.raises(OptionError, match=f"the run {run_id} is at work, and might let an earlier champion serve"):
            prune(settings, replace(ALL, served=True), dry_run=dry_run)


def test_no_run_begins_while_bundles_are_removed(
    settings: Settings, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_for(settings, bench)
    monkeypatch.setattr(engine, "_BUSY_TIMEOUT_MS", 10)
    refused = []

    def rename(path: Path, to: Path) -> Path:
        with pytest.raises(StoreError, match="could not be written to"):
            bench.start_run()
        refused.append(path.name)
        return path.replace(to)

    monkeypatch.setattr(Path, "rename", rename)
    (removed,) = prune(settings, ALL).bundles
    assert refused == [removed.bundle]
