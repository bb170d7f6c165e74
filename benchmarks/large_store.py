"""A store of very many runs, as twenty lines that are retrained every day would fill it in some years.

Nothing is trained, and no rule decides: rows of believable numbers and lengths are made and inserted in bulk, under all
constraints and triggers of the tables. The same number and seed give the same store.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import insert

from storage.metrics.engine import writing_engine
from storage.metrics.store import MetricsStore
from storage.metrics.tables import Base
from storage.options import RunOptions
from storage.records import MODEL_NAMES
from tasks.checks import DATA_CHECKS, MODEL_CHECKS
from tasks.promotion.ledger import alpha_for

LINES = tuple(f"reviews-{number:02}" for number in range(1, 21))
FIRST, LAST = datetime(2021, 11, 24, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)
SHARES = {"retrain": 60, "monitor": 25, "score": 5, "check": 5, "housekeeping": 4, "rollback": 1}
"""Of a hundred runs, how many are of which flow."""
ENDS = {"completed": 90, "skipped": 3, "rejected data": 3, "failed": 2, "cancelled": 1, "crashed": 1}
"""Of a hundred retrainings, how many end how."""
EPOCHS = 6
RUNS_OF_A_SNAPSHOT, SNAPSHOTS_OF_A_TEST_SET = 10, 5
_RUNS_AT_ONCE = 1000
_GATES = (
    "all checks passed",
    "reload",
    "above chance",
    "informed about both classes",
    "not inverted or misaligned",
    "AUC above chance",
    "recall of class 0",
    "recall of class 1",
    "validation agrees with test",
    "better than the probe",
    "better than the champion",
    "AUC not below the champion's",
    "not below the high-water mark",
    "AUC not below the high-water mark's",
    "best of its run",
    "approved by a person",
)
_STAGES = (
    *("ingest", "validate", "featurize"),
    *(f"{step} {model}" for step in ("train", "evaluate") for model in MODEL_NAMES),
    "promote",
)
_CAUSES = ("alignment", "split", "scaling", "labels of test", "padding mask", "learning rate")
_WORDS = (
    "measured 0.0312 on 25,000 rows, at most 0.0345 at 99.9%; allowed: 0.2, so that what was found is well below what "
    "would stop a run, as in the run before"
)
_OPTIONS = RunOptions().model_dump(mode="json")
_VERSIONS = {"keras": "3.15.0", "numpy": "2.4.0", "python": "3.11.2", "scikit-learn": "1.9.0", "tensorflow": "2.21.0"}

Row = dict[str, Any]


@dataclass
class _Line:
    """How a line stands between two runs."""

    name: str
    retrainings: int = 0
    snapshots: int = 0
    served: list[str] = field(default_factory=list)


class _Rows:
    """Rows of all tables, run after run."""

    def __init__(self, seed: int) -> None:
        self.of: dict[str, list[Row]] = defaultdict(list)
        self._random = Random(seed)
        self._lines = {name: _Line(name) for name in LINES}
        self._comparisons: Counter[str] = Counter()

    def add_run(self, number: int, at: datetime) -> None:
        line = self._lines[self._random.choice(LINES)]
        (flow,) = self._random.choices(list(SHARES), list(SHARES.values()))
        if flow in ("monitor", "rollback") and not line.served:
            flow = "retrain"
        run: Row = {
            **{"id": f"{at:%Y%m%d-%H%M%S}-{number:06x}", "flow": flow, "line": line.name, "state": "completed"},
            **{"trigger": "schedule", "slot": f"{flow}/{line.name} {at:%Y-%m-%dT%H:%M:%SZ}", "dry_run": False},
            **{"snapshot_id": None, "source_reason": None, "options": _OPTIONS, "seed": 7, "versions": _VERSIONS},
            **{"fingerprint": f"{number:064x}", "git_commit": f"{number // 500:040x}", "device": None},
            **{"message": _WORDS, "started_at": at, "finished_at": at + timedelta(seconds=400), "seconds": 400.0},
            **{"host": "trainer", "boot_id": "boot", "process_id": 4242, "process_started": 1.0},
        }
        self.of["runs"].append(run)
        if flow == "retrain":
            self._retrain(run, line)
        elif flow == "monitor":
            self._observe(run, line)
        elif flow == "rollback":
            self._decide(run, line, self._random.choice(line.served), "rollback", promoted=True)
        else:
            self._add_stages(run, (flow,))

    def _retrain(self, run: Row, line: _Line) -> None:
        (run["state"],) = self._random.choices(list(ENDS), list(ENDS.values()))
        run["snapshot_id"], test_id = self._snapshot(line, run["started_at"])
        failing = "label balance" if run["state"] == "rejected data" else ""
        self._add_checks(run, "data", [check.name for check in DATA_CHECKS], failing)
        if run["state"] != "completed":
            self._add_stages(run, _STAGES[:2])
            return
        run["device"] = "NVIDIA H100 80GB HBM3"
        self._add_stages(run, _STAGES)
        quality = self._random.gauss(0.88, 0.004)
        promoted = not line.served or self._random.random() < 0.04
        for number, model in enumerate(MODEL_NAMES):
            failing = "convergence" if self._random.random() < 0.02 else ""
            self._add_checks(run, model, [check.name for check in MODEL_CHECKS], failing)
            candidate_id = self._candidate(run, model, quality + 0.01 * number)
            self._decide(run, line, candidate_id, "promotion", promoted=promoted and number == 1, test_id=test_id)

    def _snapshot(self, line: _Line, at: datetime) -> tuple[str, str]:
        """The line's snapshot of now, and its test set."""
        of_line = line.name[-2:]
        line.retrainings += 1
        number = line.retrainings // RUNS_OF_A_SNAPSHOT
        snapshot_id = f"{of_line}{number:062x}"
        test_id = f"{of_line}{number // SNAPSHOTS_OF_A_TEST_SET:062x}"
        if number == line.snapshots:
            line.snapshots += 1
            self.of["snapshots"].append(
                {
                    **{"id": snapshot_id, "test_id": test_id, "line": line.name, "origin": f"{line.name}.parquet"},
                    **{"source_sha256": f"{number:064x}", "num_train": 20_000, "num_validation": 5_000},
                    **{"num_test": 25_000, "split_seed": 2025, "content_version": 1, "vocabulary": "v" * 64},
                    "created_at": at,
                }
            )
        return snapshot_id, test_id

    def _add_stages(self, run: Row, names: tuple[str, ...]) -> None:
        self.of["stages"] += [
            {"run_id": run["id"], "name": name, "position": position, "peak_memory_bytes": 1_500_000_000 + position}
            | {"seconds": self._random.uniform(1, 120)}
            for position, name in enumerate(names)
        ]

    def _add_checks(self, run: Row, subject: str, names: list[str], failing: str) -> None:
        for position, name in enumerate(names):
            verdict = "fail" if name == failing else "warn" if name == "leakage" else "pass"
            self.of["checks"].append(
                {
                    **{"run_id": run["id"], "subject": subject, "name": name, "position": position},
                    **{"verdict": verdict, "action": "warn" if name == "drift" else "fail"},
                    **{"measured": {"share": 0.0312, "rows": 25_000}, "bound": "at most 0.2", "evidence": _WORDS},
                    "offending_rows": [f"test/{row}" for row in range(20)] if verdict != "pass" else [],
                }
            )

    def _candidate(self, run: Row, model: str, quality: float) -> str:
        candidate_id = f"{run['id']}/{model}"
        self.of["candidates"].append(
            {
                **{"id": candidate_id, "run_id": run["id"], "model": model, "bundle": f"{run['id']:>064}"},
                **{"device": run["device"], "num_parameters": 3_202_049, "best_epoch": 4, "training_seconds": 120.0},
                **{"training_key": f"{candidate_id:>064}", "reused_from": "", "created_at": run["started_at"]},
            }
        )
        self.of["epochs"] += [
            {
                **{"candidate_id": candidate_id, "epoch": epoch, "loss": 0.7 / epoch, "accuracy": 1 - 0.5 / epoch},
                **{"validation_loss": 0.7 / epoch, "validation_accuracy": quality, "learning_rate": 1e-3},
                "seconds": 20.0,
            }
            for epoch in range(1, EPOCHS + 1)
        ]
        for split, rows in (("validation", 5_000), ("test", 25_000)):
            self._add_metrics(candidate_id, split, quality, rows)
        return candidate_id

    def _add_metrics(self, candidate_id: str, split: str, quality: float, rows: int) -> None:
        of = {"candidate_id": candidate_id, "split": split}
        right = round(quality * rows / 2)
        wrong = rows // 2 - right
        counts = {"true_negatives": right, "false_positives": wrong, "false_negatives": wrong, "true_positives": right}
        self.of["confusion_matrices"].append(of | counts)
        shares = [("accuracy", "overall"), ("auc", "overall"), ("brier", "overall"), ("log_loss", "overall")]
        classes = [(name, f"class {label}") for label in (0, 1) for name in ("f1", "precision", "recall", "support")]
        for name, scope in (*shares, *classes):
            value = rows / 2 if name == "support" else min(1.0, self._random.gauss(quality, 0.002))
            bounded = name in ("accuracy", "auc", "precision", "recall")
            lower, upper, confidence = (value - 0.01, value + 0.01, 0.95) if bounded else (None, None, None)
            bounds = {"value": value, "lower": lower, "upper": upper, "confidence": confidence}
            self.of["metrics"].append({**of, "name": name, "scope": scope, **bounds})

    def _decide(
        self, run: Row, line: _Line, candidate_id: str, kind: str, *, promoted: bool, test_id: str = ""
    ) -> None:
        decision_id = f"{run['id']}/{candidate_id.split('/')[-1]}"
        failed = "" if promoted else self._random.choice(_GATES[8:14])
        self.of["decisions"].append(
            {
                **{"id": decision_id, "run_id": run["id"], "candidate_id": candidate_id, "kind": kind},
                **{"verdict": "promoted" if promoted else "rejected", "reason": _WORDS, "test_id": test_id},
                "decided_at": run["finished_at"],
            }
        )
        self.of["gates"] += [
            {"decision_id": decision_id, "name": name, "position": position, "value": 0.88, "bound": 0.55}
            | {"verdict": "fail" if name == failed else "pass", "words": _WORDS}
            for position, name in enumerate(_GATES)
        ]
        if not promoted:
            self._suspect(decision_id)
        if kind == "promotion" and line.served:
            self._compare(decision_id, line, test_id)
        if promoted:
            self._succeed(decision_id, line, candidate_id, kind, run["finished_at"])

    def _suspect(self, decision_id: str) -> None:
        causes = self._random.sample(_CAUSES, len(_CAUSES))
        self.of["diagnoses"] += [
            {"decision_id": decision_id, "cause": cause, "position": position, "evidence": _WORDS, "remedy": _WORDS}
            | {"standing": "ruled out" if position else "likely"}
            for position, cause in enumerate(causes)
        ]

    def _compare(self, decision_id: str, line: _Line, test_id: str) -> None:
        index = self._comparisons[test_id]
        self._comparisons[test_id] += 1
        p_value = self._random.random()
        self.of["comparisons"].append(
            {
                **{
                    "test_id": test_id,
                    "comparison": index,
                    "decision_id": decision_id,
                    "alpha": alpha_for(index, 0.05),
                },
                **{"champion_id": line.served[-1], "num_rows": 25_000, "only_challenger": 900, "only_champion": 880},
                **{"p_value": p_value, "difference": 0.0008, "lower": -0.002, "upper": 0.004, "auc_difference": 0.001},
                **{"auc_lower": -0.001, "auc_upper": 0.003, "auc_standard_error": 0.001},
            }
        )

    def _succeed(self, decision_id: str, line: _Line, candidate_id: str, kind: str, at: datetime) -> None:
        position = len(line.served) + 1
        line.served.append(candidate_id)
        self.of["champions"].append(
            {
                **{"line": line.name, "position": position, "previous": position - 1, "decision_id": decision_id},
                **{"candidate_id": candidate_id, "succession": kind, "mark": position, "reason": _WORDS},
                "promoted_at": at,
            }
        )

    def _observe(self, run: Row, line: _Line) -> None:
        self._add_stages(run, ("monitor",))
        self._add_checks(run, "champion", ["accuracy", "drift", "predictions"], "")
        accuracy = self._random.gauss(0.88, 0.005)
        self.of["observations"].append(
            {
                **{"run_id": run["id"], "line": line.name, "position": len(line.served)},
                **{"candidate_id": line.served[-1], "num_rows": 3_000, "num_new": 2_000, "accuracy": accuracy},
                **{"lower": accuracy - 0.01, "upper": accuracy + 0.01, "auc": 0.95, "promoted_accuracy": 0.88},
                **{"predicted_positive": 0.5, "positive": 0.5, "verdict": "healthy", "reason": _WORDS},
                "observed_at": run["finished_at"],
            }
        )


def fill(url: str, num_runs: int, seed: int = 7) -> dict[str, int]:
    """Make a store at a URL where there is none yet, and fill it.

    Returns:
        How many rows each table got.
    """
    MetricsStore(url)
    engine = writing_engine(url)
    counts: Counter[str] = Counter()
    for rows in _batches(num_runs, seed):
        with engine.begin() as connection:
            for table in Base.metadata.sorted_tables:
                if rows[table.name]:
                    connection.execute(insert(table), rows[table.name])
                    counts[table.name] += len(rows[table.name])
        rows.clear()
    return dict(counts)


def _batches(num_runs: int, seed: int) -> Iterator[dict[str, list[Row]]]:
    """Rows by table of some runs at a time; the same dict each time, to be emptied."""
    made = _Rows(seed)
    pause = (LAST - FIRST) / num_runs
    for number in range(num_runs):
        made.add_run(number, FIRST + number * pause)
        if (number + 1) % _RUNS_AT_ONCE == 0 or number + 1 == num_runs:
            yield made.of
