"""Views with plain names over the tables: what people ask for most, without a join.

They are plain SQL that SQLite and PostgreSQL read alike. The newest rows, or those of one line, are found by an index,
however many runs there are: where a view says CROSS JOIN, SQLite looks up the runs first and the rest of those that are
shown, without knowing how large the tables are; PostgreSQL, which does know, takes it as any other join.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from storage.records import MODEL_NAMES


@dataclass(frozen=True)
class View:
    """A query with a name.

    Attributes:
        name: What it is called in the database.
        description: What one row of it is, in a sentence.
        columns: What each column holds, in their order.
        sql: The query.
    """

    name: str
    description: str
    columns: Mapping[str, str]
    sql: str


# What several views show alike.
_RUN = {
    "run_id": "The run.",
    "line": "Whose data the run worked on, and what its champion is champion of.",
    "started_at": "When the run began, UTC.",
}
_MODEL = {"candidate_id": "The candidate: its run's id, a slash and the model's name.", "model": "The model's name."}


def _side_by_side() -> View:
    """Columns of each known model beside those of the others."""
    shown = {
        "accuracy": "Test accuracy of `{}`, a share.",
        "auc": "Test AUC of `{}`.",
        "verdict": "What this run decided about `{}`; empty where it decided nothing.",
    }
    return View(
        "run_overview",
        "A run, with all models side by side.",
        {
            **_RUN,
            "flow": "Which flow it is a run of.",
            "state": "Whether it is running, or how it ended.",
            "trigger": "What started it.",
            "slot": "The due time of a schedule that it is for.",
            "dry_run": "Whether it only tells what it would decide.",
            "seconds": "Wall time; empty while it is running, or if it died.",
            "snapshot_id": "The dataset that it used.",
            "test_id": "The test rows of that dataset.",
            **{f"{model}_{name}": words.format(model) for model in MODEL_NAMES for name, words in shown.items()},
            "message": "How it ended, in a sentence.",
        },
        f"""
SELECT r.id AS run_id, r.line, r.started_at, r.flow, r.state, r.trigger, r.slot, r.dry_run, r.seconds, r.snapshot_id,
  s.test_id,{"".join(_of_model(model) for model in MODEL_NAMES)}
  r.message
FROM runs r
LEFT JOIN snapshots s ON s.id = r.snapshot_id""".strip(),
    )


def _of_model(model: str) -> str:
    """Subqueries rather than joins: each is asked of the shown runs alone, whatever the planner makes of the rest."""
    candidate = f"FROM candidates c JOIN {{}} WHERE c.run_id = r.id AND c.model = '{model}'"
    metric = candidate.format("metrics m ON m.candidate_id = c.id AND m.split = 'test' AND m.scope = 'overall'")
    decision = candidate.format("decisions d ON d.candidate_id = c.id AND d.run_id = c.run_id")
    return f"""
  (SELECT m.value {metric} AND m.name = 'accuracy') AS {model}_accuracy,
  (SELECT m.value {metric} AND m.name = 'auc') AS {model}_auc,
  (SELECT d.verdict {decision}) AS {model}_verdict,""".rstrip()


def _test_metric(name: str, alias: str, candidate: str) -> str:
    return (
        f"JOIN metrics {alias} ON {alias}.candidate_id = {candidate} AND {alias}.split = 'test'"
        f" AND {alias}.name = '{name}' AND {alias}.scope = 'overall'"
    )


_LEADERBOARD = View(
    "leaderboard",
    "A candidate with its test scores. Order it by one of them; hold against each other what has the same `test_id`.",
    {
        "line": _RUN["line"],
        "test_id": "The test rows of its decision: scores on others cannot be compared; empty without a decision.",
        **_MODEL,
        "accuracy": "Test accuracy, a share.",
        "accuracy_lower": "Lower end of its interval.",
        "accuracy_upper": "Upper end of its interval.",
        "auc": "Test AUC.",
        "verdict": "What its own run decided about it; empty where nothing was.",
        "bundle": "Digest of its bundle.",
        "started_at": _RUN["started_at"],
    },
    f"""
SELECT r.line, d.test_id, c.id AS candidate_id, c.model, accuracy.value AS accuracy, accuracy.lower AS accuracy_lower,
  accuracy.upper AS accuracy_upper, auc.value AS auc, d.verdict, c.bundle, r.started_at
FROM candidates c
JOIN runs r ON r.id = c.run_id
{_test_metric("accuracy", "accuracy", "c.id")}
LEFT {_test_metric("auc", "auc", "c.id")}
LEFT JOIN decisions d ON d.run_id = c.run_id AND d.candidate_id = c.id""".strip(),
)

_SERVED = View(
    "served",
    "A time during which one model served a line.",
    {
        "line": "The line that it served.",
        "position": "Its place among the line's champions, from 1.",
        **_MODEL,
        "served_from": "When it began to serve, UTC.",
        "served_until": "When the next one took its place, UTC; empty of the one that serves now.",
        "succession": "How it came to serve: `promotion`, `forced replacement` or `rollback`.",
        "decided_by": "The run that decided so; after a rollback, another one than that which trained it.",
        "bundle": "Digest of its bundle.",
        "snapshot_id": "The dataset that it was trained on.",
        "reason": "Why it came to serve, in a sentence.",
    },
    """
SELECT h.line, h.position, h.candidate_id, c.model, h.promoted_at AS served_from, next.promoted_at AS served_until,
  h.succession, d.run_id AS decided_by, c.bundle, r.snapshot_id, h.reason
FROM champions h
LEFT JOIN champions next ON next.line = h.line AND next.previous = h.position
JOIN candidates c ON c.id = h.candidate_id
JOIN runs r ON r.id = c.run_id
JOIN decisions d ON d.id = h.decision_id""".strip(),
)

_REJECTIONS = View(
    "rejections",
    "A candidate that was rejected, or would have been, with the first gate that it failed and the first suspect.",
    {
        "decision_id": "The decision.",
        **_RUN,
        **_MODEL,
        "verdict": "`rejected`, or `would reject` in a dry run.",
        "gate": "The first gate that it failed.",
        "value": "What that gate measured; empty where nothing could be measured.",
        "bound": "What it was held against.",
        "words": "What the gate said, in a sentence.",
        "failed_gates": "How many gates it failed.",
        "cause": "The first suspected cause; empty where there is none.",
        "standing": "How sure that is: `shown`, `likely`, `possible` or `ruled out`.",
        "evidence": "What speaks for it.",
        "remedy": "What to do about it.",
    },
    """
SELECT d.id AS decision_id, d.run_id, r.line, r.started_at, d.candidate_id, c.model, d.verdict, g.name AS gate, g.value,
  g.bound, g.words,
  (SELECT count(*) FROM gates f WHERE f.decision_id = d.id AND f.verdict = 'fail') AS failed_gates, s.cause,
  s.standing, s.evidence, s.remedy
FROM runs r
CROSS JOIN decisions d
JOIN candidates c ON c.id = d.candidate_id
LEFT JOIN gates g ON g.decision_id = d.id AND g.verdict = 'fail'
  AND g.position = (SELECT min(f.position) FROM gates f WHERE f.decision_id = d.id AND f.verdict = 'fail')
LEFT JOIN diagnoses s ON s.decision_id = d.id AND s.position = 0
WHERE d.run_id = r.id AND d.verdict IN ('rejected', 'would reject')""".strip(),
)

_METRIC_HISTORY = View(
    "metric_history",
    "A measured number of a candidate, at the time of its run: name a metric, a split and a scope to get a trend.",
    {
        **_RUN,
        **_MODEL,
        "split": "The rows that it was measured on: `validation` or `test`.",
        "name": "The metric, such as `accuracy` or `recall`.",
        "scope": "`overall`, `class 0` or `class 1`.",
        "value": "The number.",
        "lower": "Lower end of its two-sided interval, where there is one.",
        "upper": "Upper end of it.",
        "confidence": "The interval's confidence, such as 0.95.",
    },
    """
SELECT c.run_id, r.line, r.started_at, m.candidate_id, c.model, m.split, m.name, m.scope, m.value, m.lower, m.upper,
  m.confidence
FROM runs r
CROSS JOIN candidates c
CROSS JOIN metrics m
WHERE c.run_id = r.id AND m.candidate_id = c.id""".strip(),
)

_WARNINGS = View(
    "warnings",
    "A check that warned or failed.",
    {
        **_RUN,
        "flow": "Which flow it was a run of.",
        "subject": "What was checked: `data`, `champion`, or the name of the trained model.",
        "name": "The check.",
        "verdict": "`warn` or `fail`.",
        "bound": "What it was held against.",
        "evidence": "What it found, in a sentence.",
        "offending_rows": "Ids of up to 20 rows that it found, as JSON.",
    },
    """
SELECT k.run_id, r.line, r.started_at, r.flow, k.subject, k.name, k.verdict, k.bound, k.evidence, k.offending_rows
FROM runs r
CROSS JOIN checks k
WHERE k.run_id = r.id AND k.verdict IN ('warn', 'fail')""".strip(),
)

_STAGE_COSTS = View(
    "stage_costs",
    "What one step of a run cost.",
    {
        **_RUN,
        "flow": "Which flow it was a run of.",
        "device": "What trained the models: a GPU's or the CPU's name; empty where nothing was trained.",
        "stage": "The step.",
        "position": "Its place among the steps that the run finished, from 0.",
        "seconds": "Wall time.",
        "peak_memory_bytes": "Peak memory, up to the step's end, of the process that did the work.",
    },
    """
SELECT t.run_id, r.line, r.started_at, r.flow, r.device, t.name AS stage, t.position, t.seconds, t.peak_memory_bytes
FROM runs r
CROSS JOIN stages t
WHERE t.run_id = r.id""".strip(),
)

_SPENT = "(SELECT sum(used.alpha) FROM comparisons used WHERE used.test_id = t.test_id)"
_LEDGER = View(
    "ledger",
    "A test set that has been used to compare challengers with a champion, and the error (α) that this has spent.",
    {
        "test_id": "The test rows.",
        "line": "The line that it was last used for.",
        "comparisons": "How often it has been used.",
        "spent": "The error that all comparisons together may have made.",
        "total": "The error that may be spent on it, as the last comparison was configured.",
        "remaining": "What is left of that.",
        "next_alpha": "What the next comparison may spend.",
        "last_used": "When the last run began that used it, UTC.",
    },
    # Comparison number k, from 0, spends total / ((k + 1)(k + 2)): so the last one tells of what total. The test sets
    # come from the snapshots, and what each has spent is added up for its own row: to group all comparisons is slower.
    f"""
SELECT t.test_id, r.line, k.comparison + 1 AS comparisons, {_SPENT} AS spent,
  k.alpha * (k.comparison + 1) * (k.comparison + 2) AS total,
  k.alpha * (k.comparison + 1) * (k.comparison + 2) - {_SPENT} AS remaining,
  k.alpha * (k.comparison + 1) / (k.comparison + 3) AS next_alpha, r.started_at AS last_used
FROM (SELECT DISTINCT test_id FROM snapshots) t
CROSS JOIN comparisons k
JOIN decisions d ON d.id = k.decision_id
JOIN runs r ON r.id = d.run_id
WHERE k.test_id = t.test_id
  AND k.comparison = (SELECT max(other.comparison) FROM comparisons other WHERE other.test_id = t.test_id)""".strip(),
)

VIEWS: tuple[View, ...] = (
    _side_by_side(),
    _LEADERBOARD,
    _SERVED,
    _REJECTIONS,
    _METRIC_HISTORY,
    _WARNINGS,
    _STAGE_COSTS,
    _LEDGER,
)


def make_views(connection: Connection) -> None:
    """Make all views as they are now, in place of those that are there.

    Args:
        connection: In a transaction, after the tables have been made or upgraded.
    """
    for view in VIEWS:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view.name}")
        connection.exec_driver_sql(f"CREATE VIEW {view.name} AS\n{view.sql}")
