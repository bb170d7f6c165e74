"""Runs of simulated models, written down as real ones are, at any time.

The models are simulated (`benchmarks.simulated_models`) and the checks said in advance. Evaluations, comparisons, the
rule with its diagnoses, and all writing are the project's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from unittest.mock import patch

import numpy as np

from benchmarks.example_clock import clock, hasty_engine
from benchmarks.example_findings import SECONDS, SECONDS_OF_A_RUN, SHUFFLED, epochs, findings
from benchmarks.simulated_models import DataSet
from storage.metrics.reader import MetricsReader
from storage.metrics.store import MetricsStore
from storage.options import GateOptions, MonitorOptions, RunOptions
from storage.records import (
    MODEL_NAMES,
    Candidate,
    CheckResult,
    Comparison,
    Decision,
    FlowName,
    Gate,
    Observation,
    RunStart,
    RunState,
    SnapshotRecord,
    Stage,
)
from storage.slots import slot_name
from tasks.checks import DATA_CHECKS, MODEL_CHECKS
from tasks.evaluation.bounds import Floats, exact_interval
from tasks.evaluation.metrics import evaluate, predicted_labels
from tasks.evaluation.paired import compare_accuracy, compare_auc
from tasks.promotion.gates import RELOAD
from tasks.promotion.ledger import alpha_for
from tasks.promotion.rule import Assessment, decide

NUM_ROWS = 24_986
"""Of the test split. A round number would put means of accuracies between two digits, where databases round apart."""
GAIN_OF_A_SNAPSHOT = 0.006
"""By how much more reviews make the models better, as a share."""
_QUALITY = {"baseline_avgpool": 0.862, "advanced_bilstm_features": 0.868}
_PARAMETERS = {"baseline_avgpool": 3_202_049, "advanced_bilstm_features": 3_427_585}
_VERSIONS = {"keras": "3.15.0", "numpy": "2.4.1", "python": "3.11.2", "scikit-learn": "1.9.0", "tensorflow": "2.21.0"}


def _identity(name: str) -> str:
    """What stands in the place of a hash of content."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


@dataclass
class _Line:
    """A line with its data of now, and how good the models are that were trained on it so far."""

    name: str
    data: DataSet
    snapshot: SnapshotRecord
    better: float = 0.0
    qualities: dict[str, float] = field(default_factory=dict)
    answers: dict[tuple[str, str], Floats] = field(default_factory=dict)

    def answer(self, candidate_id: str) -> Floats:
        """What a candidate says of the test rows of now, `(rows,)`: the same whenever it is asked."""
        key = candidate_id, self.snapshot.test_id
        if key not in self.answers:
            self.answers[key] = self.data.score(self.data.test, self.qualities[candidate_id])
        return self.answers[key]


class ExampleRuns:
    """Writes runs into a new store."""

    def __init__(self, url: str, seed: int = 3) -> None:
        """Make the store, with nothing in it."""
        with patch("storage.metrics.store.writing_engine", hasty_engine):
            self._store = MetricsStore(url)
        self._reader = MetricsReader(url)
        self._random = np.random.default_rng(seed)
        self._numbers = count(1)
        self._lines: dict[str, _Line] = {}

    def new_data(self, line: str, at: datetime, number: int) -> None:
        """From here on, the line's runs use their dataset number so and so, from 0; each makes the models better."""
        name = f"{line} {at:%Y-%m}"
        rows = {"train": 20_000 + 5_000 * number, "validation": 2_500, "test": NUM_ROWS}
        source = (f"{line}.parquet", "it was named", _identity(f"source of {name}"))
        record = SnapshotRecord(_identity(name), _identity(f"test of {name}"), line, *source, rows, 2025, 1)
        better = GAIN_OF_A_SNAPSHOT * number
        former = self._lines.get(line)
        qualities = former.qualities if former else {}
        self._lines[line] = _Line(line, DataSet.draw(self._random, NUM_ROWS), record, better, qualities)

    def _start(self, at: datetime, flow: FlowName, line: str, *, is_scheduled: bool) -> str:
        start = RunStart(
            flow=flow,
            line=line,
            trigger="schedule" if is_scheduled else "command line",
            options=RunOptions(source=line if line != "-" else "auto").model_dump(mode="json"),
            seed=7 if flow == "retrain" else None,
            dry_run=False,
            versions=_VERSIONS,
            git_commit=hashlib.sha1(f"{at:%Y-%m}".encode()).hexdigest(),
            slot=slot_name(f"{flow}/weekly", at) if is_scheduled else None,
        )
        with clock(at, next(self._numbers)):
            return self._store.start_run(start)

    def end_early(self, at: datetime, state: RunState, message: str) -> None:
        """A scheduled retraining that trains nothing."""
        line = self._lines["imdb"]
        run_id = self._start(at, "retrain", "-", is_scheduled=True)
        with clock(at + timedelta(seconds=31)):
            self._store.record_snapshot(run_id, line.snapshot)
            self._stages(run_id, "ingest")
            if state in ("rejected data", "failed"):
                self._store.record_checks(
                    run_id, findings(DATA_CHECKS, ["leakage"], ["label balance"] if state == "rejected data" else [])
                )
                self._stages(run_id, "validate")
            self._store.finish_run(run_id, state, message, 31.0)

    def retrain(
        self, name: str, at: datetime, *, is_scheduled: bool = True, broken: bool = False, unsteady: bool = False
    ) -> None:
        """One retraining; of a broken one, the test labels belong to other rows, as in the notebook.

        The checks that see it were told to warn only, so that it comes before the rule.
        """
        line = self._lines[name]
        run_id = self._start(at, "retrain", "-", is_scheduled=is_scheduled)
        is_new = line.snapshot.id not in [run.snapshot_id for run in self._reader.champions(name)] and line.better > 0
        warns = ["leakage", *(["drift"] if is_new else []), *(SHUFFLED if broken else [])]
        checks = findings(DATA_CHECKS, warns, probe=0.5 if broken else 0.846 + line.better)
        with clock(at + timedelta(seconds=SECONDS_OF_A_RUN)):
            self._store.record_snapshot(run_id, line.snapshot)
            self._store.record_fingerprint(run_id, _identity(f"fingerprint of {run_id}"))
            self._stages(run_id, "ingest", "featurize", "validate", "probe")
            self._store.record_checks(run_id, checks)
            candidates = [self._train(run_id, model, line, broken=broken, unsteady=unsteady) for model in MODEL_NAMES]
            decisions = self._decide(run_id, line, candidates, checks)
            self._stages(run_id, "promote")
            promoted = [decision for decision in decisions if decision.promote]
            verdict = f"promoted {promoted[0].candidate_id}" if promoted else "rejected all candidates"
            seconds = SECONDS_OF_A_RUN + round(float(self._random.normal(0, 9)), 3)
            self._store.finish_run(run_id, "completed", verdict, seconds)

    def _stages(self, run_id: str, *names: str) -> None:
        for name in names:
            seconds = SECONDS.get(name, 0.4)
            memory = 2_150_000_000 if name.startswith("train") else 1_180_000_000
            self._store.record_stage(run_id, Stage(name, round(seconds * self._random.uniform(0.95, 1.1), 3), memory))

    def _train(self, run_id: str, model: str, line: _Line, *, broken: bool, unsteady: bool) -> Candidate:
        candidate_id = f"{run_id}/{model}"
        line.qualities[candidate_id] = _QUALITY[model] + line.better + float(self._random.normal(0, 0.0015))
        validation, test = line.data.validation, line.data.test
        said = line.answer(candidate_id)
        if broken:
            self._random.shuffle(said)
        seconds = SECONDS[f"train {model}"]
        fails = ["convergence"] if unsteady and model == MODEL_NAMES[1] else []
        candidate = Candidate(
            id=candidate_id,
            run_id=run_id,
            model=model,
            bundle=_identity(f"bundle of {candidate_id}"),
            device="AMD EPYC 7763 64-Core Processor",
            num_parameters=_PARAMETERS[model],
            best_epoch=1 if fails else 4,
            training_seconds=round(seconds * self._random.uniform(0.95, 1.1), 3),
            epochs=epochs(line.qualities[candidate_id], seconds / 6),
            validation=evaluate(
                "validation", validation.labels, line.data.score(validation, line.qualities[candidate_id])
            ),
            test=evaluate("test", test.labels, said),
            checks=findings(MODEL_CHECKS, fails=fails),
            training_key=_identity(f"training of {candidate_id}"),
        )
        self._stages(run_id, *(f"{what} {model}" for what in ("train", "predict", "evaluate", "predict again")))
        self._store.record_candidate(candidate)
        return candidate

    def _decide(
        self, run_id: str, line: _Line, candidates: Sequence[Candidate], checks: tuple[CheckResult, ...]
    ) -> list[Decision]:
        served = self._reader.champions(line.name)
        champion = served[-1] if served else None
        mark = served[champion.mark - 1] if champion and champion.mark != champion.position else None
        spent = self._reader.num_comparisons(line.snapshot.test_id)
        assessments = []
        # The ledger pays less for each further comparison: the candidate that validation prefers goes first.
        ranked = sorted(candidates, key=lambda candidate: -candidate.validation.confusion.accuracy)
        for candidate in candidates:
            against_champion, against_mark = (
                _compare(line, candidate.id, opponent.candidate_id, spent + ranked.index(candidate))
                if opponent
                else None
                for opponent in (champion, mark)
            )
            said = (*checks, *candidate.checks)
            assessments.append(
                Assessment(candidate.id, candidate.validation, candidate.test, said, against_champion, against_mark)
            )
        decisions = decide(assessments, GateOptions())
        self._store.record_decisions(
            run_id,
            decisions,
            line=line.name,
            test_id=line.snapshot.test_id,
            dry_run=False,
            champion_position=champion.position if champion else 0,
        )
        return decisions

    def roll_back(self, at: datetime, reason: str) -> None:
        """Somebody puts the last other champion of `imdb` back."""
        served = self._reader.champions("imdb")
        former = [champion for champion in served if champion.candidate_id != served[-1].candidate_id][-1]
        run_id = self._start(at, "rollback", "imdb", is_scheduled=False)
        gate = Gate(RELOAD, "pass", 0.0, 1e-4, "largest difference 0 on 256 of its test rows, in a fresh process")
        decision = Decision(former.candidate_id, True, reason, (gate,), succession="rollback")
        with clock(at + timedelta(seconds=12)):
            snapshot = self._reader.snapshot(former.snapshot_id)
            self._store.record_snapshot(run_id, replace(snapshot, reason="the champion was trained on it"))
            self._store.record_decisions(
                run_id,
                [decision],
                line="imdb",
                test_id=snapshot.test_id,
                dry_run=False,
                champion_position=served[-1].position,
            )
            self._store.finish_run(run_id, "completed", f"{former.candidate_id} serves again", 12.4)

    def observe(self, at: datetime, *, is_degraded: bool) -> None:
        """The monitor watches the champion of `imdb`, whose accuracy has fallen where it is degraded."""
        champion = self._reader.champion("imdb")
        assert champion is not None
        run_id = self._start(at, "monitor", "-", is_scheduled=True)
        promoted = self._reader.test_confusion(champion.candidate_id).accuracy
        total = 2_000
        correct = int(self._random.binomial(total, promoted - (0.06 if is_degraded else 0.004)))
        lower, upper = exact_interval(correct, total)
        words = f"accuracy {correct / total:.4f} on {total:,} new rows, {promoted:.4f} at promotion"
        seen = Observation(
            line="imdb",
            position=champion.position,
            candidate_id=champion.candidate_id,
            num_rows=2_140,
            num_new=total,
            accuracy=correct / total,
            lower=lower,
            upper=upper,
            auc=None,
            promoted_accuracy=promoted,
            predicted_positive=0.51,
            positive=0.5,
            verdict="degraded" if is_degraded else "healthy",
            reason=words,
        )
        bound = f"at most {MonitorOptions().max_accuracy_loss} lost since promotion"
        result = CheckResult("accuracy since promotion", "fail" if is_degraded else "pass", {}, bound, words)
        with clock(at + timedelta(seconds=48)):
            self._store.record_observation(run_id, seen, [result])
            self._store.finish_run(run_id, "completed", f"{seen.verdict}: {words}", 48.0)


def _compare(line: _Line, candidate_id: str, champion_id: str, index: int) -> Comparison:
    labels = line.data.test.labels
    first, second = line.answer(candidate_id), line.answer(champion_id)
    accuracy = compare_accuracy(predicted_labels(first) == labels, predicted_labels(second) == labels)
    auc = compare_auc(labels, first, second)
    return Comparison(
        *(champion_id, index, alpha_for(index, GateOptions().comparison_alpha), NUM_ROWS),
        *(accuracy.only_first, accuracy.only_second, accuracy.p_value),
        *(accuracy.difference, accuracy.lower, accuracy.upper),
        *(auc.difference, auc.lower, auc.upper, auc.standard_error),
    )
