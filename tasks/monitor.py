"""Task: hold the champion against the labelled reviews that came since."""

from __future__ import annotations

import logging

import pyarrow as pa
from prefect import runtime, task
from prefect.cache_policies import NO_CACHE

from storage.bundles import Bundle, load_bundle, read_test_predictions
from storage.errors import ContentError, DataRejectedError
from storage.metrics.reader import MetricsReader
from storage.metrics.stages import measured_stage
from storage.metrics.store import MetricsStore
from storage.options import CheckOptions, MonitorRunOptions
from storage.records import Champion, CheckResult, Watched
from storage.settings import Settings
from storage.snapshots import read_content_hashes, read_rows
from tasks.checks import log_results
from tasks.checks.base import Check, CheckedData
from tasks.checks.contents import check_contents
from tasks.checks.drift import check_drift
from tasks.features.encoding import Encoder
from tasks.features.scaler import Scaler
from tasks.features.vocabulary import Vocabulary
from tasks.monitoring.new_rows import Known, NewRows, Probabilities, read_new_rows
from tasks.monitoring.observe import as_kept, check_accuracy, check_predictions, observation
from tasks.scoring.champion import serving
from tasks.sources.again import RETRY_DELAYS, again_if_unavailable
from tasks.sources.resolve import OpenedTexts, open_texts
from tasks.training.runtime import prepare_keras

logger = logging.getLogger(__name__)


@task(
    task_run_name="monitor {options.source}",
    cache_policy=NO_CACHE,
    retries=len(RETRY_DELAYS),
    retry_delay_seconds=RETRY_DELAYS,
    retry_condition_fn=again_if_unavailable(lambda: runtime.deployment.id),
)
def monitor(run_id: str, options: MonitorRunOptions) -> Watched:
    """Measure, and write everything down; the flow decides whether there is reason for an alarm.

    Args:
        run_id: The run.
        options: The source of labelled reviews, the line, and the bounds.

    Raises:
        SourceError: The source cannot be read. A deployment's run tries again where it did not answer.
        NotFoundError: No champion serves.
        OptionError: Several lines have a champion, and none was named.
        DataRejectedError: Too many rows of the source cannot be used.
        ContentError: The champion reads no text, or its bundle or its snapshot is not whole.
    """
    settings = Settings.from_environment()
    store = MetricsStore(settings.database_url)
    with measured_stage(store, run_id, "monitor"):
        reader = MetricsReader(settings.database_url)
        champion = serving(reader.champions(), options.line)
        found = open_texts(options, settings)
        logger.info("SOURCE: %s, because %s", found.origin, found.reason)
        bundle = _bundle(settings, champion)
        new = _new_rows(settings, champion, bundle, found, options, run_id)
        checked = CheckedData(
            rows={"train": new.rows},
            matrices={},
            encoder=Encoder.from_json(bundle.encoder),
            scaler=Scaler.from_json(bundle.scaler),
            # Not the training rows: the vocabulary was made of them, so they alone have no unknown words.
            reference=read_rows(settings.snapshots, champion.snapshot_id, "test"),
            contents=new.contents,
        )
        _check_contents(store, run_id, checked, options.checks)
        promoted = reader.test_confusion(champion.candidate_id)
        accuracy = check_accuracy(promoted, new.rows.labels, new.probabilities, options.monitor)
        drifts: list[CheckResult] = []
        if options.checks.drift != "off":
            before = read_test_predictions(settings.bundles, champion.bundle)
            drifts = [
                check_drift(checked, options.checks),
                check_predictions(before, new.probabilities, options.checks),
            ]
        observed = observation(champion, promoted, new, [accuracy, *drifts], options.monitor)
        results = [accuracy, *as_kept(drifts, options.monitor)]
        store.record_observation(run_id, observed, results)
    log_results(logger, "champion", results)
    return Watched(observed, tuple(results), found.line)


def _bundle(settings: Settings, champion: Champion) -> Bundle:
    prepare_keras()
    bundle = load_bundle(settings.bundles, champion.bundle)
    if bundle.vocabulary is None:
        raise ContentError(
            f"the champion of {champion.line} was trained on word ranks, which come without their words, and cannot "
            "read today's texts: train one on reviews as text, with `retrain run --source`."
        )
    return bundle


def _new_rows(
    settings: Settings,
    champion: Champion,
    bundle: Bundle,
    found: OpenedTexts,
    options: MonitorRunOptions,
    run_id: str,
) -> NewRows:
    # It imports Keras, which is prepared by now.
    from tasks.evaluation.scoring import score

    def probabilities(texts: pa.StringArray) -> Probabilities:
        return score(bundle, texts)

    hashes = read_content_hashes(settings.snapshots, champion.snapshot_id)
    known = Known(Vocabulary.from_json(bundle.vocabulary or {}), hashes)
    return read_new_rows(found.parts, options.data, known, probabilities, settings.quarantine / f"{run_id}.jsonl")


def _check_contents(store: MetricsStore, run_id: str, checked: CheckedData, options: CheckOptions) -> None:
    """What is left of a source that mostly cannot be read is no fair part of today's reviews."""
    result = Check("contents", "contents", check_contents).run(checked, options)
    store.record_checks(run_id, [result])
    log_results(logger, "data", [result])
    if result.verdict == "fail":
        raise DataRejectedError(f"the champion cannot be judged by this data: {result.name}: {result.evidence}")
