"""The pictures of a line's trend. A model looks the same in all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from matplotlib.axes import Axes

from storage.metrics.trend import Observed, Spent, Tenure
from tasks.reporting.panels import Look
from tasks.reporting.pictures import BLUE, GREEN, GREY, VERMILLION, Picture, png
from tasks.reporting.series import Point, Series, thinned
from tasks.reporting.timeline import (
    NARROW,
    SMALL,
    days,
    draw_lines,
    figure_of,
    in_words,
    show_dates,
    show_names,
    show_shares,
    span,
)

_YELLOW, _ORANGE = "#F0E442", "#E69F00"
# An observation's colour and marker, by its verdict.
_SEEN: Mapping[str, tuple[str, str]] = {
    "healthy": (GREEN, "o"),
    "drifted": (_ORANGE, "^"),
    "degraded": (VERMILLION, "X"),
    "too few rows": (GREY, "s"),
}
_MAX_SPENT, _MAX_NAMED = 10, 5
# A number has room in a bar that is as long as this share of the picture.
_ROOM = 0.025


def draw_trend(
    metric: tuple[str, str], series: Series, looks: Mapping[str, Look], served: Sequence[Tenure], width: float
) -> Picture:
    """A metric of each model with its bounds, promotions marked, and below it what served.

    Args:
        metric: Its name in the store, and as the axis says it.
        series: At least one point.
        looks: Of each model.
        served: What served when.
        width: Inches.
    """
    name, what = metric
    figure, (axes, strip) = figure_of(width, 3.9, (8, 1))
    begin, end = span(series)
    within = [one for one in served if one.served_from <= end and begin <= (one.served_until or end)]
    draw_lines(axes, series, looks)
    for tenure in within:
        if name in tenure.scores:
            _draw_tenure(axes, tenure, tenure.scores[name][0], (begin, end))
    _draw_strip(strip, within, looks, (begin, end))
    axes.set_ylabel(f"{what}, 95 % bounds")
    axes.tick_params(labelbottom=False)
    show_dates(strip, begin, end)
    show_names(axes)
    return Picture(f"{in_words(what, series)}. {_served_in_words(served)}", png(figure))


def draw_recalls(recalls: Mapping[str, Series], looks: Mapping[str, Look]) -> Picture | None:
    """Recall of each class, one above the other; None without any. Each has at least one point."""
    if not recalls:
        return None
    figure, rows = figure_of(NARROW, 1.9 * len(recalls) + 0.4, (1,) * len(recalls))
    for axes, (title, series) in zip(rows, recalls.items(), strict=True):
        draw_lines(axes, series, looks)
        axes.set_title(title, fontsize=SMALL + 1, loc="left")
    for axes in rows[:-1]:
        axes.tick_params(labelbottom=False)
    show_dates(rows[-1], *span(*recalls.values()))
    show_names(rows[0], above=1.16)
    return Picture("; ".join(in_words(title, series) for title, series in recalls.items()), png(figure))


def draw_observations(observed: Sequence[tuple[datetime, Observed]]) -> Picture | None:
    """The champion's accuracy on new rows, beside the one that it was promoted with; None where nothing was measured.

    Args:
        observed: When each was made, and what was seen; oldest first.
    """
    measured = [
        (Point(at, one.accuracy, one.lower, one.upper), one)
        for at, one in observed
        if one.accuracy is not None and one.lower is not None and one.upper is not None
    ]
    if not measured:
        return None
    figure, (axes,) = figure_of(NARROW, 3.4, (1,))
    times, promised = [days(at.at) for at, _ in measured], [one.promoted_accuracy for _, one in measured]
    axes.step(times, promised, where="post", color=GREY, linestyle="--", linewidth=1.2, label="when promoted")
    for verdict in _SEEN:
        _draw_observed(axes, verdict, [point for point, one in measured if one.verdict == verdict])
    axes.set_ylabel("accuracy on new rows, 95 % bounds")
    show_shares(axes)
    show_dates(axes, measured[0][0].at, measured[-1][0].at)
    show_names(axes)
    last = "; ".join(f"{at.at:%Y-%m-%d} {at.value:.4f}, {one.verdict}" for at, one in measured[-_MAX_NAMED:])
    return Picture(f"The champion's accuracy on new rows, {len(measured)} times, the last ones: {last}", png(figure))


def draw_spent(spent: Sequence[Spent]) -> Picture | None:
    """How much of its error each of the last test sets has spent; None without a comparison."""
    last = spent[-_MAX_SPENT:][::-1]
    if not last:
        return None
    figure, (axes,) = figure_of(NARROW, 0.42 * len(last) + 0.9, (1,))
    places = range(len(last))
    axes.barh(places, [one.total for one in last], height=0.62, color="#E3E7EB")
    axes.barh(places, [one.spent for one in last], height=0.62, color=BLUE)
    for place, one in zip(places, last, strict=True):
        axes.text(0, place, f" {one.comparisons} ×", va="center", fontsize=SMALL, color="white")
    axes.set_yticks(places, [f"{one.test_id[:8]}\n{one.last_used:%Y-%m-%d}" for one in last], fontsize=SMALL)
    axes.set_ylim(len(last) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("α spent (blue) of what may be")
    said = "; ".join(
        f"{one.test_id[:8]}, last used {one.last_used:%Y-%m-%d}: {one.spent:.4f} of {one.total:.4g}" for one in last
    )
    return Picture(f"Error that comparisons have spent, by test set: {said}", png(figure))


def draw_times(minutes: Sequence[Point]) -> Picture | None:
    """How long runs took; None without one."""
    if not minutes:
        return None
    figure, (axes,) = figure_of(NARROW, 2.6, (1,))
    points = thinned(minutes)
    times, values = [days(one.at) for one in points], [one.value for one in points]
    axes.plot(times, values, color=GREY, marker=".", markersize=4, linewidth=0.8)
    axes.set_ylim(0, 1.15 * max(values) or 1)
    axes.set_ylabel("minutes a run")
    show_dates(axes, points[0].at, points[-1].at)
    return Picture(in_words("Minutes a run", {"retraining": minutes}), png(figure))


def _draw_tenure(axes: Axes, tenure: Tenure, value: float, shown: tuple[datetime, datetime]) -> None:
    """A bar at the accuracy that a champion was tested with, for as long as it served, and how it came to serve."""
    begin, end = days(max(tenure.served_from, shown[0])), days(tenure.served_until or shown[1])
    label = "champion, as tested when trained"
    axes.hlines(value, begin, end, color="#000000", alpha=0.22, linewidth=6, zorder=1.5, label=label)
    if tenure.served_from < shown[0]:
        return
    marker, size, label = ("<", 8, "put back") if tenure.succession == "rollback" else ("*", 13, "promoted")
    axes.plot(
        [begin], [value], marker=marker, markersize=size, color=_YELLOW, markeredgecolor="black", linestyle="none",
        zorder=5, label=label,
    )  # fmt: skip


def _draw_strip(
    strip: Axes, served: Sequence[Tenure], looks: Mapping[str, Look], shown: tuple[datetime, datetime]
) -> None:
    """A bar for each time in office, with the champion's number where there is room for it."""
    first, last = days(shown[0]), days(shown[1])
    for tenure in served:
        begin, end = max(days(tenure.served_from), first), days(tenure.served_until or shown[1])
        colour = looks[tenure.model].colour if tenure.model in looks else GREY
        strip.barh(0, end - begin, left=begin, color=colour, height=0.8, edgecolor="white", linewidth=1.2)
        if end - begin > _ROOM * (last - first):
            place, number = (begin + end) / 2, str(tenure.position)
            strip.text(place, 0, number, fontsize=SMALL, color="white", ha="center", va="center", fontweight="bold")
    strip.set_ylim(-0.5, 0.5)
    strip.set_yticks([0], ["serves"], fontsize=SMALL)
    strip.grid(visible=False)
    strip.spines["left"].set_visible(False)


def _draw_observed(axes: Axes, verdict: str, points: Sequence[Point]) -> None:
    if not points:
        return
    colour, marker = _SEEN[verdict]
    axes.vlines([days(one.at) for one in points], [one.lower for one in points], [one.upper for one in points],
                color=colour, linewidth=1.2)  # fmt: skip
    axes.plot(
        [days(one.at) for one in points], [one.value for one in points], color=colour, marker=marker, markersize=6.5,
        markeredgecolor="white", markeredgewidth=0.7, linestyle="none", label=verdict,
    )  # fmt: skip


def _served_in_words(served: Sequence[Tenure]) -> str:
    if not served:
        return "Nothing served"
    last = [f"number {one.position}, {one.model}, from {one.served_from:%Y-%m-%d}" for one in served[-_MAX_NAMED:]]
    return f"What served: {'; '.join(last)}"
