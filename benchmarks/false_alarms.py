"""How often a check fails where nothing is wrong.

Clean reviews, drawn anew each time: synthetic corpora of other seeds and, where a file in Keras' layout is given,
random samples of real reviews; of each, validation is drawn with another seed, and the draw before it stands in for the
champion's reviews. Then models that are trained on clean reviews, and bootstrap resamples of their test rows.

    python -m benchmarks.false_alarms --imdb imdb.npz

A bootstrap of the reviews themselves, with replacement, is no clean data: a third of its rows repeat others, which the
check of leakage is there to refuse.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache, partial
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.progress import track

from storage.bundles import Predictions
from storage.options import CheckOptions, DataOptions, FeatureOptions, SyntheticOptions, TrainingOptions
from storage.records import CheckResult, Split
from storage.snapshots import Rows
from tasks.checks import DATA_CHECKS, MODEL_CHECKS, run_checks
from tasks.checks.base import CheckedData, CheckedModel
from tasks.evaluation.bounds import exact_interval
from tasks.evaluation.metrics import evaluate
from tasks.features.matrices import fit_and_featurize
from tasks.sources.base import Reviews
from tasks.sources.keras_imdb import read_imdb
from tasks.sources.splits import split_rows
from tasks.sources.synthetic import generate
from tasks.training.runtime import prepare_keras

RESULTS = Path(__file__).parent / "results" / "false_alarms.json"
TRAIN_ROWS, TEST_ROWS = 2000, 1000
# Enough for the averaging model to learn.
MODEL_ROWS = SyntheticOptions(num_train=3000, num_test=1500)
MODEL_TRAINING = TrainingOptions(batch_size=64, learning_rate=0.002)
MODEL_EPOCHS = 12
# The words that make the labels are among the most frequent; with fewer rows of the embedding, training takes seconds.
MODEL_FEATURES = FeatureOptions(num_words=2000)

Verdicts = list[tuple[str, str]]


def clean_draw(imdb: Path | None, number: int) -> dict[Split, Rows]:
    """A clean data set: the synthetic corpus of another seed, or a random sample of real reviews.

    Args:
        imdb: A file in Keras' layout; None for the synthetic corpus.
        number: Which draw.
    """
    options = DataOptions(split_seed=number)
    if imdb is None:
        corpus = SyntheticOptions(num_train=TRAIN_ROWS, num_test=TEST_ROWS, seed=number)
        return split_rows(generate(corpus), options, 0)
    return split_rows(_real(imdb), options, TRAIN_ROWS)


@cache
def _real(imdb: Path) -> Reviews:
    return read_imdb(imdb, line="imdb", reason="", max_bytes=2**30)


def data_verdicts(imdb: Path | None, number: int) -> Verdicts:
    """What each check of the data says of a clean draw, the draw before it being the champion's."""
    splits = clean_draw(imdb, number)
    matrices, encoder, scaler = fit_and_featurize(splits, FeatureOptions())
    data = CheckedData(splits, matrices, encoder, scaler, reference=clean_draw(imdb, number - 1)["train"])
    # There is no file that rows could be refused of; and drift only warns by default: here, its failures are counted.
    checks = [check for check in DATA_CHECKS if check.option != "contents"]
    return _verdicts(run_checks(checks, data, CheckOptions(drift="fail")))


def model_verdicts(resamples: int, number: int) -> tuple[Verdicts, Verdicts]:
    """What each check says of a model trained on clean reviews, and of bootstrap resamples of its test rows."""
    model = _trained(number)
    random = np.random.default_rng(number)
    # Nothing is published here: whether a bundle can be loaded back is the subject of the system tests.
    checks = [check for check in MODEL_CHECKS if check.option != "reload"]
    of_model = _verdicts(run_checks(checks, model, CheckOptions()))
    check = next(check for check in MODEL_CHECKS if check.option == "degenerate_predictions")
    resampled = (_resampled(model, random) for _ in range(resamples))
    return of_model, _verdicts(check.run(one, CheckOptions()) for one in resampled)


def _trained(number: int) -> CheckedModel:
    prepare_keras()
    from tasks.features.batching import logits, predict, without_sigmoid
    from tasks.training.loop import train_model
    from tasks.training.progress import LineProgress

    splits = split_rows(generate(replace_seed(MODEL_ROWS, number)), DataOptions(split_seed=number), 0)
    matrices, encoder, _ = fit_and_featurize(splits, MODEL_FEATURES)
    trained = train_model(
        "baseline_avgpool",
        matrices["train"],
        matrices["validation"],
        MODEL_TRAINING,
        epochs=MODEL_EPOCHS,
        seed=number,
        num_words=encoder.num_words,
        progress=LineProgress(),
    )
    test, validation = matrices["test"], matrices["validation"]
    say = partial(predict, trained.model)
    probabilities = say(test.sequences, test.features)
    return CheckedModel(
        matrix=test,
        predictions=Predictions(test.sequence_ids, test.labels, probabilities),
        validation=evaluate("validation", validation.labels, say(validation.sequences, validation.features)),
        test=evaluate("test", test.labels, probabilities),
        epochs=trained.epochs,
        max_epochs=MODEL_EPOCHS,
        predict=say,
        logits=partial(logits, without_sigmoid(trained.model)),
        reload=lambda positions: probabilities[positions],
    )


def replace_seed(options: SyntheticOptions, seed: int) -> SyntheticOptions:
    """The same corpus of another seed."""
    return options.model_copy(update={"seed": seed})


def _resampled(model: CheckedModel, random: np.random.Generator) -> CheckedModel:
    """Test rows drawn with replacement."""
    rows = random.integers(0, len(model.matrix), len(model.matrix))
    labels, probabilities = model.predictions.labels[rows], model.predictions.probabilities[rows]
    predictions = Predictions(model.predictions.row_ids.take(pa.array(rows)), labels, probabilities)
    return replace(model, predictions=predictions, test=evaluate("test", labels, probabilities))


def _verdicts(results: Iterable[CheckResult]) -> Verdicts:
    return [(result.name, result.verdict) for result in results]


def tally(verdicts: Iterable[Verdicts]) -> dict[str, dict[str, Any]]:
    """By check: how many draws, how many failures and warnings, and the failures' 95 % interval (Clopper–Pearson)."""
    counts: dict[str, Counter[str]] = {}
    for one in verdicts:
        for name, verdict in one:
            counts.setdefault(name, Counter())[verdict] += 1
    result = {}
    for name, counted in counts.items():
        draws = counted.total()
        lower, upper = exact_interval(counted["fail"], draws)
        result[name] = {
            "draws": draws,
            "failures": counted["fail"],
            "warnings": counted["warn"],
            "lower": lower,
            "upper": upper,
        }
    return result


def study(imdb: Path | None, draws: int, models: int, workers: int) -> dict[str, dict[str, Any]]:
    """All tallies, by what was drawn."""
    # A fork would share TensorFlow's threads with its parent.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:

        def watched(name: str, jobs: Iterable[Any], total: int) -> Sequence[Any]:
            return list(track(jobs, name, total, console=Console(stderr=True)))

        numbers = range(1, draws + 1)
        sources: dict[str, Path | None] = {"synthetic reviews": None}
        if imdb is not None:
            sources["real reviews"] = imdb
        result = {
            name: tally(watched(name, pool.map(data_verdicts, repeat(path), numbers), draws))
            for name, path in sources.items()
        }
        each = -(-draws // models)
        of_models = watched("models", pool.map(model_verdicts, repeat(each), range(1, models + 1)), models)
    result["trained models"] = tally(one for one, _ in of_models)
    result["resampled test rows"] = tally([pair] for _, many in of_models for pair in many)
    return result


def markdown(found: dict[str, dict[str, Any]]) -> str:
    """The tallies as a table in Markdown."""
    lines = ["| drawn | check | draws | failures | true share at most (95 %) | warnings |", "|---|---|---|---|---|---|"]
    for source, checks in found.items():
        for name, of in checks.items():
            numbers = f"{of['draws']} | {of['failures']} | {of['upper']:.1%} | {of['warnings']}"
            lines.append(f"| {source} | {name} | {numbers} |")
    return "\n".join(lines) + "\n"


positive = click.IntRange(min=1)


@click.command()
@click.option("--imdb", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Real reviews, .npz.")
@click.option("--draws", type=positive, default=200, show_default=True, help="Clean data sets of each kind.")
@click.option("--models", type=positive, default=200, show_default=True, help="Models to train.")
@click.option("--workers", type=positive, default=2, show_default=True, help="Processes.")
def main(imdb: Path | None, draws: int, models: int, workers: int) -> None:
    """Count the failures of every check on clean data."""
    found = study(imdb, draws, models, workers)
    settings = {"draws": draws, "models": models, "train_rows": TRAIN_ROWS, "test_rows": TEST_ROWS}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"settings": settings, "found": found}, indent=2) + "\n", encoding="utf-8")
    click.echo(markdown(found))


if __name__ == "__main__":
    main()
