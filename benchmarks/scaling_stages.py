"""What the benchmark of growth runs: a corpus of any size, and each stage by itself, with the code of a real run.

The corpus is the embedded synthetic one as text, drawn and written in pieces: its ranks become words.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.bundles import Predictions, publish_bundle
from storage.content import staging
from storage.matrices import read_featurized
from storage.metrics.store import MetricsStore
from storage.options import RunOptions, SyntheticOptions
from storage.records import Champion, Contents, RunStart, SnapshotRecord
from storage.settings import Settings
from storage.snapshots import open_snapshot
from tasks.sources.synthetic import MAX_RANK, generate

_PIECE_ROWS = 5_000
_STATE = "scaling.json"


def write_reviews(path: Path, num_rows: int) -> None:
    """Draw reviews and write them with their labels, a bounded number at a time."""
    words = pa.array([f"w{rank}" for rank in range(MAX_RANK + 1)])
    schema = pa.schema({"text": pa.string(), "label": pa.int8()})
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for seed, start in enumerate(range(0, num_rows, _PIECE_ROWS)):
            size = min(_PIECE_ROWS, num_rows - start)
            # The other split is drawn after it, and not used: it is as small as may be.
            drawn = generate(SyntheticOptions(num_train=max(size, 20), num_test=20, seed=seed)).train
            tokens = drawn.tokens.take(np.arange(size))
            spoken = pa.ListArray.from_arrays(tokens.offsets.astype(np.int32), words.take(pa.array(tokens.values)))
            labels = pa.array(drawn.labels[:size], pa.int8())
            writer.write_table(pa.table({"text": pc.binary_join(spoken, " "), "label": labels}, schema=schema))


def options_for(reviews: Path) -> RunOptions:
    """Options under which a file of any size may be read."""
    return RunOptions.parse(source=str(reviews), data={"max_uncompressed_bytes": 2**40, "max_rows": 10**9})


def run_stage(name: str, reviews: Path) -> dict[str, float]:
    """Run one stage in this process, after those before it; seconds of wall and of CPU time, imports not among them."""
    settings = Settings.from_environment()
    settings.prepare()
    stage = STAGES[name](settings, options_for(reviews))
    started, worked = time.perf_counter(), time.process_time()
    stage()
    return {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - worked}


def _ingest(settings: Settings, options: RunOptions) -> Callable[[], None]:
    from tasks.ingest import ingest

    run_id = _start_run(settings)

    def stage() -> None:
        snapshot, contents = ingest.fn(run_id, options)
        found = {"snapshot": dataclasses.asdict(snapshot), "contents": dataclasses.asdict(contents)}
        _remember(settings, {"run_id": run_id, **found})

    return stage


def _featurize(settings: Settings, options: RunOptions) -> Callable[[], None]:
    from tasks.featurize import featurize

    state = _recalled(settings)
    snapshot = SnapshotRecord(**state["snapshot"])
    return lambda: _remember(settings, {**state, "matrices": featurize.fn(state["run_id"], snapshot, options)})


def _check(settings: Settings, options: RunOptions) -> Callable[[], None]:
    from tasks.validate import validate

    state = _recalled(settings)
    snapshot, contents = SnapshotRecord(**state["snapshot"]), Contents(**state["contents"])

    def stage() -> None:
        results = validate.fn(state["run_id"], snapshot, contents, state["matrices"], options)
        _remember(settings, {**state, "checks": [dataclasses.asdict(result) for result in results]})

    return stage


def _score(settings: Settings, options: RunOptions) -> Callable[[], None]:
    from tasks.scoring.champion import Scorer
    from tasks.scoring.files import score_parts
    from tasks.sources.resolve import open_texts

    scorer = Scorer(settings, _untrained(settings, _recalled(settings)))
    output = settings.home / "scores.parquet"
    parts = open_texts(options, settings).parts
    return lambda: _remember(settings, {"scored": score_parts(scorer, parts, output, options.data).num_rows})


STAGES: Mapping[str, Callable[[Settings, RunOptions], Callable[[], None]]] = {
    "ingest": _ingest,
    "featurization": _featurize,
    "checks": _check,
    "scoring": _score,
}


def _untrained(settings: Settings, state: Mapping[str, Any]) -> Champion:
    """A bundle of the small model as it is before its training: it costs what a trained one costs."""
    from tasks.training.runtime import prepare_keras

    prepare_keras()
    from tasks.models import build_model

    made = read_featurized(settings.matrices, state["matrices"])
    model = build_model("baseline_avgpool", num_words=made.encoder["num_words"], num_features=len(made.scaler["mean"]))
    nothing = Predictions(pa.array([], pa.string()), np.empty(0, np.uint8), np.empty(0, np.float32))
    with staging(settings.bundles) as folder:
        model.save(folder / "model.keras")
        digest = publish_bundle(
            folder,
            encoder=made.encoder,
            scaler=made.scaler,
            predictions=nothing,
            manifest={"line": "scaling"},
            vocabulary=open_snapshot(settings.snapshots, state["snapshot"]["id"]).vocabulary(),
        )
    snapshot_id, now = state["snapshot"]["id"], datetime.now(UTC)
    return Champion("scaling", 1, "untrained", "baseline_avgpool", digest, snapshot_id, "promotion", 1, "", now)


def _start_run(settings: Settings) -> str:
    start = RunStart("check", "-", "command line", {}, 7, False, {}, None)
    return MetricsStore(settings.database_url).start_run(start)


def _remember(settings: Settings, state: Mapping[str, Any]) -> None:
    (settings.home / _STATE).write_text(json.dumps(state), encoding="utf-8")


def _recalled(settings: Settings) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((settings.home / _STATE).read_text(encoding="utf-8"))
    return state
