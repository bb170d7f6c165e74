"""What trainings of several ways come to: each beside ours of the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.figures import Figure
from storage.records import ModelName

AGAINST = {
    "bfloat16": "bfloat16 products",
    "plain": "Keras' own layers and Adam, in float32",
    "batch-256": "batches of 256",
    "batch-512": "batches of 512",
    "batch-1024": "batches of 1,024",
}
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Trained:
    """What came of one training.

    Attributes:
        device: What trained, with the backend, as the product names it.
        products: What matrix products were computed in.
        epochs: How many were trained; the weights are those of `best_epoch`, from 1.
        seconds: Wall time of the training.
        accuracy: On the test reviews.
        auc: On the test reviews.
        code: Digest of the product's modules.
    """

    device: str
    model: ModelName
    way: str
    seed: int
    products: str
    epochs: int
    best_epoch: int
    seconds: float
    accuracy: float
    auc: float
    code: str

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What is trained once."""
        return self.device, self.model, self.way, self.seed


@dataclass(frozen=True)
class Difference:
    """Ours minus another way, of the same seeds; the ends of the interval are NaN where there is one seed."""

    mean: float
    lower: float
    upper: float

    @classmethod
    def of_seeds(cls, differences: Sequence[float]) -> Difference:
        """The mean of the seeds' differences, `(seeds,)`, with Student's interval."""
        from scipy.stats import t

        mean, count = float(np.mean(differences)), len(differences)
        if count < 2:
            return cls(mean, math.nan, math.nan)
        half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1) * np.std(differences, ddof=1) / math.sqrt(count))
        return cls(mean, mean - half, mean + half)

    @property
    def points(self) -> str:
        """In points of a hundred, with the interval."""
        if math.isnan(self.lower):
            return f"{100 * self.mean:+.2f}"
        return f"{100 * self.mean:+.2f} ({100 * self.lower:+.2f} to {100 * self.upper:+.2f})"

    @property
    def words(self) -> str:
        """What it shows."""
        if self.lower > 0:
            return "ours is better"
        if self.upper < 0:
            return "ours is worse"
        return "no difference shown" if self.lower <= 0 <= self.upper else "one seed shows nothing"


@dataclass(frozen=True)
class Way:
    """The trainings of one model on one device, one way.

    Attributes:
        trainings: In the order of their seeds, at least one.
        ours: Ours of the same seeds; None for a seed that has none.
    """

    trainings: tuple[Trained, ...]
    ours: tuple[Trained | None, ...]

    @property
    def pairs(self) -> list[tuple[Trained, Trained]]:
        """Ours and this way's, of the seeds that both have; none if this way is ours."""
        both = zip(self.ours, self.trainings, strict=True)
        return [(ours, one) for ours, one in both if ours is not None and ours != one]

    def difference(self, measure: Callable[[Trained], float]) -> Difference | None:
        """Ours minus this way's; None where there is no pair."""
        found = [measure(ours) - measure(one) for ours, one in self.pairs]
        return Difference.of_seeds(found) if found else None


def ways_of(trainings: Iterable[Trained]) -> list[Way]:
    """Group by device, model and way; ways in the order in which they first came."""
    by_seed = {one.key: one for one in trainings}
    grouped: dict[tuple[str, str, str], list[Trained]] = {}
    for one in sorted(by_seed.values(), key=lambda one: (one.device, one.model, one.seed)):
        grouped.setdefault((one.device, one.model, one.way), []).append(one)
    return [
        Way(tuple(group), tuple(by_seed.get((device, model, "ours", one.seed)) for one in group))
        for (device, model, _), group in grouped.items()
    ]


def figures_of(trainings: Iterable[Trained]) -> list[Figure]:
    """Our test accuracy beside that of each other way, of the seeds that both have."""
    return [
        _figure(way.pairs, difference)
        for way in ways_of(trainings)
        if (difference := way.difference(_accuracy)) is not None
    ]


def _figure(pairs: Sequence[tuple[Trained, Trained]], difference: Difference) -> Figure:
    ours, others = (np.array([_accuracy(pair[side]) for pair in pairs]) for side in (0, 1))
    _, other = pairs[0]
    return Figure(
        name=f"{other.model}, test accuracy, {other.way} instead",
        unit="%",
        ours=100 * float(ours.mean()),
        reference=100 * float(others.mean()),
        against=f"{AGAINST[other.way]}, on {other.device}: {difference.points} points, {difference.words}",
        ratio=float(np.median(ours / others)),
    )


def table(trainings: Iterable[Trained]) -> str:
    """A row for each device, model and way in Markdown; what varies, as mean ± standard deviation over the seeds."""
    lines = [
        "| device | model | way | products | seeds | test accuracy, % | test AUC, % | seconds | epochs "
        "| ours minus it: accuracy, points (95 %) | AUC, points (95 %) |",
        "|---|---|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [f"| {' | '.join(_cells(way))} |" for way in ways_of(trainings)]
    return "\n".join(lines) + "\n"


def _cells(way: Way) -> tuple[str, ...]:
    first = way.trainings[0]
    differences = (way.difference(measure) for measure in (_accuracy, _auc))
    return (
        *(first.device, first.model, first.way, first.products, str(len(way.trainings))),
        _spread([100 * one.accuracy for one in way.trainings], 2),
        _spread([100 * one.auc for one in way.trainings], 2),
        _spread([one.seconds for one in way.trainings], 0),
        _spread([one.epochs for one in way.trainings], 1),
        *("" if difference is None else difference.points for difference in differences),
    )


def _spread(values: Sequence[float], digits: int) -> str:
    mean = f"{np.mean(values):,.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def _accuracy(trained: Trained) -> float:
    return trained.accuracy


def _auc(trained: Trained) -> float:
    return trained.auc
