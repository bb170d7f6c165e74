from __future__ import annotations

import logging
from pathlib import Path

import pytest

from storage.errors import SourceError
from storage.metrics.store import MetricsStore
from storage.options import RunOptions, SyntheticOptions
from storage.records import Decision, RunStart
from storage.settings import Settings
from tasks import ingest as ingesting
from tasks.ingest import ingest
from tasks.sources import keras_imdb
from tests.storage.conftest import Bench


@pytest.mark.parametrize(("source", "level"), [("auto", logging.WARNING), ("synthetic", logging.INFO)])
def test_made_up_reviews_are_a_warning_where_nobody_asked_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, source: str, level: int
) -> None:
    def no_network(_folder: Path) -> Path:
        raise SourceError("there is no network")

    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path / "home"))
    for name in ("RETRAIN_DATABASE_URL", "RETRAIN_IMDB_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(keras_imdb, "keras_cache", lambda: tmp_path / "none.npz")
    monkeypatch.setattr(keras_imdb, "download", no_network)
    settings = Settings.from_environment()
    settings.prepare()
    run_id = MetricsStore(settings.database_url).start_run(
        RunStart("retrain", "-", "command line", {}, 7, False, {}, None)
    )

    with caplog.at_level(logging.INFO, logger="tasks.ingest"):
        ingest.fn(run_id, RunOptions(source=source, synthetic=SyntheticOptions(num_train=100, num_test=100)))

    (said,) = [record for record in caplog.records if record.getMessage().startswith("SOURCE: embedded synthetic")]
    assert said.levelno == level


def test_nothing_is_new_in_the_snapshot_of_the_champion_and_it_is_not_read_to_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_reading(_root: Path, snapshot_id: str, _known_id: str) -> int:
        raise AssertionError(f"read {snapshot_id}")

    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RETRAIN_DATABASE_URL", raising=False)
    settings = Settings.from_environment()
    settings.prepare()
    bench = Bench(MetricsStore(settings.database_url))
    options = RunOptions(source="synthetic", synthetic=SyntheticOptions(num_train=100, num_test=100))
    first = bench.start_run("synthetic")
    _, before = ingest.fn(first, options)
    bench.decide(Decision(bench.candidate(first).id, True, "the first one", ()), line="synthetic")
    monkeypatch.setattr(ingesting, "count_unknown", no_reading)

    _, after = ingest.fn(bench.start_run("synthetic"), options)

    assert (before.num_new, after.num_new) == (None, 0)
