"""Numbers of many runs over time, made few enough to be drawn."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median, quantiles

from storage.metrics.trend import TrendScore

MAX_POINTS = 200
"""Of one line in a picture."""

# Far enough that no usual week is left out, near enough that one broken week does not flatten all others.
_SPANS, _LEAST_SPAN = 6, 0.002


@dataclass(frozen=True)
class Point:
    """A number at a time, with its bounds; NaN where it has none."""

    at: datetime
    value: float
    lower: float = math.nan
    upper: float = math.nan


Series = Mapping[str, Sequence[Point]]
"""Points by the name of a model, oldest first."""


def series_of(scores: Sequence[TrendScore], name: str, scope: str = "overall") -> dict[str, list[Point]]:
    """One metric of each model; the models in the order of their names."""
    found: dict[str, list[Point]] = defaultdict(list)
    for score in scores:
        if (score.name, score.scope) == (name, scope):
            lower, upper = (math.nan if bound is None else bound for bound in (score.lower, score.upper))
            found[score.model].append(Point(score.started_at, score.value, lower, upper))
    return dict(sorted(found.items()))


def group_size(points: Sequence[Point], most: int = MAX_POINTS) -> int:
    """How many points one that is drawn stands for."""
    return max(1, math.ceil(len(points) / most))


def thinned(points: Sequence[Point], most: int = MAX_POINTS) -> list[Point]:
    """At most so many points: each the median of as many that follow each other, with the widest of their bounds.

    Its time is that of the one in the middle. Few points come back as they are.
    """
    size = group_size(points, most)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return list(points) if size == 1 else [_one_for(group) for group in groups]


def usual_range(series: Series) -> tuple[float, float]:
    """Where the numbers usually are: what is beyond would press all others into a line.

    Returns:
        Six times the distance of the quartiles below the lower one, and above the upper one.
    """
    values = [point.value for points in series.values() for point in points]
    if len(values) < 4:
        return -math.inf, math.inf
    first, _, third = quantiles(values, method="inclusive")
    span = max(third - first, _LEAST_SPAN)
    return first - _SPANS * span, third + _SPANS * span


def _one_for(group: Sequence[Point]) -> Point:
    lowers = [point.lower for point in group if not math.isnan(point.lower)]
    uppers = [point.upper for point in group if not math.isnan(point.upper)]
    return Point(
        group[len(group) // 2].at,
        median(point.value for point in group),
        min(lowers, default=math.nan),
        max(uppers, default=math.nan),
    )
