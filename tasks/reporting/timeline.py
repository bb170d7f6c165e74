"""Axes whose x is time, and lines of numbers on them with their bounds.

What lies far off all else is drawn at the edge, as an arrow with its number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from tasks.reporting.panels import Look
from tasks.reporting.pictures import DOTS
from tasks.reporting.series import Point, Series, thinned, usual_range

NARROW, WIDE = 4.6, 10.4
"""Inches: half a desk or a phone, and a whole desk."""
SMALL = 8.5
"""Points, of all words but the names of axes."""

# A line through fewer points than this has its bounds as bars; more than so many have small marks, or no numbers.
_MAX_BARS, _MAX_MARKS, _MAX_ARROWS = 5, 80, 4
_MAX_NAME = 32


def figure_of(width: float, height: float, ratios: Sequence[int]) -> tuple[Figure, list[Axes]]:
    """A figure of so many inches with axes above each other, of heights in these ratios, that share their time."""
    figure = Figure(figsize=(width, height), dpi=DOTS, layout="constrained", facecolor="white")
    drawn = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios, squeeze=False)
    rows: list[Axes] = list(drawn[:, 0])
    for axes in rows:
        axes.set_axisbelow(True)
        axes.grid(color="#E3E3E3", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=SMALL)
    return figure, rows


def days(at: datetime) -> float:
    """A moment as Matplotlib counts time: in days since 1970."""
    return at.timestamp() / timedelta(days=1).total_seconds()


def span(*drawn: Series) -> tuple[datetime, datetime]:
    """From the first run to the last one, and the half day in which that decides."""
    times = [point.at for series in drawn for points in series.values() for point in points]
    return min(times), max(times) + timedelta(hours=12)


def show_dates(axes: Axes, begin: datetime, end: datetime) -> None:
    """Let the axes reach from one moment to another, and say so in dates."""
    margin = max((end - begin) * 0.02, timedelta(hours=12))
    axes.set_xlim(days(begin - margin), days(end + margin))
    locator = AutoDateLocator(maxticks=7, tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]


def show_shares(axes: Axes) -> None:
    """Say numbers between 0 and 1 in percent."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))


def show_names(axes: Axes, above: float = 1.0) -> None:
    """What is what, above the axes, each name once."""
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    figure = axes.figure
    columns = 5 if isinstance(figure, Figure) and figure.get_figwidth() > NARROW else 2
    names = [name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…" for name in once]
    legend = axes.legend(
        list(once.values()), names, loc="lower left", bbox_to_anchor=(0, above), ncols=columns, fontsize=SMALL,
        frameon=False, borderpad=0.1, handletextpad=0.5, columnspacing=1.2,
    )  # fmt: skip
    for words in legend.get_texts():
        # A dollar in a model's name begins no formula.
        words.set_parse_math(False)


def draw_lines(axes: Axes, series: Series, looks: Mapping[str, Look]) -> None:
    """A line for each model with the shade of its bounds, where the numbers usually are."""
    low, high = usual_range(series)
    beyond = []
    for name, all_points in series.items():
        points = thinned(all_points)
        usual = [one if low <= one.value <= high else Point(one.at, math.nan) for one in points]
        _draw_line(axes, usual, looks[name], name)
        beyond += [(one, looks[name], one.value < low) for one in points if not low <= one.value <= high]
    show_shares(axes)
    for number, (point, look, is_low) in enumerate(beyond):
        row = number if len(beyond) <= _MAX_ARROWS else 0
        _draw_arrow(axes, point, look, (is_low, row, len(beyond) <= _MAX_ARROWS))


def _draw_line(axes: Axes, points: Sequence[Point], look: Look, name: str) -> None:
    times = [days(one.at) for one in points]
    lowers, uppers = [one.lower for one in points], [one.upper for one in points]
    axes.fill_between(times, lowers, uppers, color=look.colour, alpha=0.18, linewidth=0)
    if len(points) <= _MAX_BARS:
        axes.vlines(times, lowers, uppers, color=look.colour, linewidth=1.2)
    axes.plot(
        times, [one.value for one in points], color=look.colour, marker=look.marker, linestyle=look.dashes,
        markersize=3.5 if len(points) <= _MAX_MARKS else 1.5, linewidth=1, label=name,
    )  # fmt: skip


def _draw_arrow(axes: Axes, point: Point, look: Look, way: tuple[bool, int, bool]) -> None:
    """At the lower edge or the upper one, in a row of its own if it has its number beside it."""
    is_low, row, has_number = way
    arrow, edge, shift = ("▼", 0.03, 12) if is_low else ("▲", 0.97, -12)
    axes.annotate(
        f"{arrow} {100 * point.value:.1f} %" if has_number else arrow, (days(point.at), edge), (-5, shift * row),
        xycoords=axes.get_xaxis_transform(), textcoords="offset points", va="center", color=look.colour,
        fontsize=SMALL,
    )  # fmt: skip


def in_words(what: str, series: Series) -> str:
    """The course of each line, for whoever cannot see it."""
    return f"{what} over time: {'; '.join(f'{name} {_course(points)}' for name, points in series.items())}"


def _course(points: Sequence[Point]) -> str:
    low, high = min(points, key=lambda one: one.value), max(points, key=lambda one: one.value)
    runs = "one run" if len(points) == 1 else f"{len(points)} runs"
    return f"from {_at(points[0])} to {_at(points[-1])} in {runs}, lowest {_at(low)}, highest {_at(high)}"


def _at(point: Point) -> str:
    return f"{point.value:.4f} on {point.at:%Y-%m-%d}"
