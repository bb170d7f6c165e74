from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from storage.metrics.store import MetricsStore
from storage.options import CheckOptions, FeatureOptions, RunOptions
from storage.records import CheckResult, Contents, Split
from storage.sequences import Sequences
from storage.settings import Settings
from storage.snapshots import Rows, write_snapshot
from tasks.checks import DATA_CHECKS
from tasks.checks.base import CheckedData
from tasks.checks.drift import check_drift
from tasks.features.matrices import fit_and_featurize
from tasks.features.tokenization import WordTable, split_into_words
from tasks.features.vocabulary import Vocabulary
from tasks.featurize import featurize
from tasks.validate import _translated, validate
from tests.storage.conftest import Bench


def week(seed: int, count: int = 600) -> tuple[Rows, Vocabulary]:
    """Reviews of many rare words, of one and the same kind in every week, and the vocabulary of this week alone."""
    random = np.random.default_rng(seed)
    weights = 1 / np.arange(1, 20_001)
    drawn = random.choice(20_000, (count, 25), p=weights / weights.sum())
    texts = pa.array([" ".join(f"w{word}" for word in row) for row in drawn])
    table = WordTable()
    numbers = table.add(split_into_words(texts, "words"))
    vocabulary = Vocabulary.build(table, np.bincount(numbers.values, minlength=len(table)), 50_000, "words")
    ids = pa.array([f"week-{seed}/{index}/{index:x}" for index in range(count)])
    return Rows(ids, (np.arange(count) % 2).astype(np.uint8), vocabulary.ranks(texts)), vocabulary


def drift(today: Rows, vocabulary: Vocabulary, reference: Rows) -> CheckResult:
    splits = dict.fromkeys(("train", "validation", "test"), today)
    data = CheckedData(splits, *fit_and_featurize(splits, FeatureOptions(), vocabulary))  # type: ignore[arg-type]
    return check_drift(replace(data, reference=reference, vocabulary=vocabulary), CheckOptions())


def test_the_champions_words_keep_their_meaning_under_todays_vocabulary() -> None:
    theirs, today = (Vocabulary(pa.array(words), "words") for words in (["a", "b", "c", "d"], ["d", "x", "a"]))
    tokens = Sequences.from_lists([[1, 4, 5], [2, 3, 2]])

    found = _translated(tokens, theirs, today)

    # a and d have ranks today; what neither knew stays unknown; b and c are words of their own.
    assert [found.row(index).tolist() for index in range(2)] == [[3, 1, 4], [5, 6, 5]]


def test_a_week_like_the_one_before_has_not_drifted_though_each_has_its_own_rare_words() -> None:
    (before, theirs), (today, vocabulary) = week(1), week(2)

    result = drift(today, vocabulary, replace(before, tokens=_translated(before.tokens, theirs, vocabulary)))

    assert result.verdict == "pass", result.evidence
    assert abs(float(result.measured["domain_auc"]) - 0.5) < 0.06
    # With one unknown word in place of all those that today's vocabulary does not have, the weeks would be told apart.
    unknown = np.append(vocabulary.ranks_of_table(theirs.words), vocabulary.oov_rank)[before.tokens.values - 1]
    naive = replace(before, tokens=Sequences(unknown, before.tokens.offsets))
    assert drift(today, vocabulary, naive).verdict == "fail"


def test_all_checks_are_recorded_in_their_order_and_the_probe_is_a_stage_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, splits: dict[Split, Rows]
) -> None:
    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path))
    monkeypatch.delenv("RETRAIN_DATABASE_URL", raising=False)
    settings = Settings.from_environment()
    settings.prepare()
    snapshot = write_snapshot(settings.snapshots, splits, line="test", origin="", reason="", sha256="", split_seed=1)
    bench = Bench(MetricsStore(settings.database_url))
    run_id = bench.start_run()
    bench.store.record_snapshot(run_id, snapshot)
    matrices_id = featurize.fn(run_id, snapshot, RunOptions())

    results = validate.fn(run_id, snapshot, Contents(220), matrices_id, RunOptions())

    run = bench.reader.run(run_id)
    names = [check.name for check in DATA_CHECKS]
    assert [result.name for result in results] == [check["name"] for check in run["checks"]] == names
    assert [stage["name"] for stage in run["stages"]] == ["featurize", "validate", "probe"]
