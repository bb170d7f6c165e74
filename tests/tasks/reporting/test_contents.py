from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from storage.bundles import MODEL_FILE, Predictions, publish_bundle
from storage.content import staging
from storage.metrics.reader import MetricsReader
from storage.metrics.store import MetricsStore
from storage.records import CheckResult, Decision
from storage.settings import Settings
from tasks.reporting import contents as module
from tasks.reporting.contents import gather
from tests.flows.conftest import record_rejection
from tests.storage.conftest import Bench, comparison

PREDICTIONS = Predictions(pa.array(["a", "b"]), np.array([0, 1], np.uint8), np.array([0.2, 0.7], np.float32))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment({"RETRAIN_HOME": str(tmp_path)})


@pytest.fixture
def bench(settings: Settings) -> Bench:
    settings.prepare()
    return Bench(MetricsStore(settings.database_url))


def bundle(settings: Settings, test_id: str) -> str:
    with staging(settings.bundles) as folder:
        (folder / MODEL_FILE).write_bytes(b"a model")
        return publish_bundle(
            folder, encoder={}, scaler={}, predictions=PREDICTIONS, manifest={"test_id": test_id, "line": "imdb"}
        )


def challenge(settings: Settings, bench: Bench, champions_test_id: str) -> str:
    """A run whose model was compared with a champion that had been tested on some rows."""
    first = bench.candidate(bundle=bundle(settings, champions_test_id))
    bench.decide(Decision(first.id, True, "the first one", ()))
    run_id = bench.start_run()
    bench.snapshot(run_id)
    challenger = bench.candidate(run_id, bundle=bundle(settings, "t1"))
    bench.decide(Decision(challenger.id, False, "no better", (), comparison(first.id, 0)), position=1)
    bench.store.finish_run(run_id, "completed", "nothing promoted on imdb: no better", 3.0)
    return run_id


def test_a_real_run_comes_with_its_models_their_answers_and_what_their_bundles_tell(served_home: Path) -> None:
    told = gather(Settings.from_environment(), "latest")

    assert [candidate.model for candidate in told.candidates] == [one.name for one in told.answers]
    assert [decision.candidate_id for decision in told.decisions] == [one.id for one in told.candidates]
    assert told.snapshot is not None
    for one, candidate in zip(told.answers, told.candidates, strict=True):
        assert len(one.predictions.labels) == told.snapshot.num_rows["test"] == candidate.test.confusion.num_rows
        assert candidate.epochs
        assert candidate.checks
    account = told.accounts[told.candidates[0].model]
    assert {split.split: split.num_rows for split in account.splits} == told.snapshot.num_rows
    assert all(mistake.text for mistake in account.mistakes)
    assert {check.name for check in told.checks} >= {"probe", "leakage"}
    assert told.missing == ()


def test_a_model_whose_bundle_is_gone_is_told_of_by_its_numbers_alone(served_home: Path) -> None:
    settings = Settings.from_environment()
    gone = gather(settings, "latest").candidates[0]
    shutil.rmtree(settings.bundles / gone.bundle)

    told = gather(settings, "latest")

    assert gone.model not in {one.name for one in told.answers}
    assert gone.model not in told.accounts
    assert len(told.candidates) == 2
    (sentence,) = told.missing
    assert sentence.startswith(f"The bundle of {gone.model} cannot be read, so its curves are missing: ")


def test_the_champion_stands_beside_where_its_own_test_rows_are_the_same(settings: Settings, bench: Bench) -> None:
    told = gather(settings, challenge(settings, bench, "t1"))

    assert [(one.name, one.role) for one in told.answers] == [
        ("baseline_avgpool", "model"),
        ("champion: baseline_avgpool", "champion"),
    ]
    # Their bundles are of the time before there were accounts.
    assert [sentence for sentence in told.missing if "before bundles told of their reviews" in sentence]


def test_a_champion_of_other_test_rows_is_not_drawn(settings: Settings, bench: Bench) -> None:
    told = gather(settings, challenge(settings, bench, "t0"))

    assert [one.role for one in told.answers] == ["model"]
    assert "other rows" in told.missing[-1]


def test_a_champion_whose_bundle_is_gone_is_told_of(settings: Settings, bench: Bench) -> None:
    run_id = challenge(settings, bench, "t0")
    for folder in settings.bundles.iterdir():
        if json.loads((folder / "manifest.json").read_text())["test_id"] == "t0":
            shutil.rmtree(folder)

    assert gather(settings, run_id).missing[-1].startswith("The champion's bundle cannot be read")


def test_a_rejection_comes_with_its_gates_diagnosis_and_checks(settings: Settings, bench: Bench) -> None:
    first = bench.candidate()
    bench.decide(Decision(first.id, True, "the first one", ()))

    told = gather(settings, record_rejection(bench))

    (decision,) = told.decisions
    assert not decision.promote
    assert [gate.verdict for gate in decision.gates] == ["fail", "waived", "not applicable"]
    assert [suspect.cause for suspect in decision.diagnosis] == ["padding mask", "alignment"]
    assert decision.comparison == comparison(first.id, 0)
    assert [check.name for check in told.checks] == ["probe", "leakage", "drift"]
    assert [check.name for check in told.candidates[0].checks] == ["padding"]
    assert (told.run.message, told.run.state) == ("nothing promoted on imdb", "completed")


def test_a_run_that_watched_a_champion_has_its_observation(settings: Settings, bench: Bench) -> None:
    bench.promote()
    watched = CheckResult("accuracy", "pass", {"rows": 9}, "", "it holds")

    told = gather(settings, bench.observe(watched))

    assert told.observation is not None
    assert told.checks == (watched,)
    assert (told.snapshot, told.candidates, told.answers) == (None, (), ())


def test_what_is_undefined_in_the_store_is_no_number_in_a_comparison(settings: Settings, bench: Bench) -> None:
    first = bench.candidate()
    bench.decide(Decision(first.id, True, "the first one", ()))
    second = bench.candidate()
    made = replace(comparison(first.id, 0), auc_difference=float("nan"))
    bench.decide(Decision(second.id, False, "no", (), made), position=1)

    (decision,) = gather(settings, second.run_id).decisions

    assert decision.comparison is not None
    assert np.isnan(decision.comparison.auc_difference)


def test_the_order_of_numbers_does_not_depend_on_the_store(served_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.from_environment()
    expected = gather(settings, "latest").candidates

    class Reversed(MetricsReader):
        def run(self, name: str) -> dict[str, Any]:
            found = super().run(name)
            for candidate in found["candidates"]:
                candidate["metrics"].reverse()
                candidate["confusion_matrices"].reverse()
            return found

    monkeypatch.setattr(module, "MetricsReader", Reversed)
    assert gather(settings, "latest").candidates == expected
