"""Small pictures of a page, one beside the other on a desk and one below the other on a phone.

Each is about as wide as a phone in print of readable size. Looks and colours are those of `pictures`; whose line it is
is said by its dashes and its marker too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from storage.records import Candidate
from tasks.evaluation.curves import Bin, Curve, calibration_error
from tasks.evaluation.slices import Slice
from tasks.reporting.pictures import (
    BLUE,
    DOTS,
    GREEN,
    GREY,
    VERMILLION,
    Picture,
    accuracies_in_words,
    curves_in_words,
    draw_losses,
    png,
)
from tasks.reporting.scores import Role, Score

_PURPLE, _ORANGE, _BLACK = "#CC79A7", "#E69F00", "#000000"
# In inches; a phone's 360 pixels show ten points of it in eleven pixels.
_WIDTH = 4.6
_NAME, _SMALL = 9.5, 8.5
_ON_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}


@dataclass(frozen=True)
class Look:
    """Colour, marker and dashes of one model, the same in all pictures of a page."""

    colour: str
    marker: str
    dashes: str


_MODELS = (Look(BLUE, "o", "-"), Look(_PURPLE, "^", "--"), Look(_ORANGE, "v", "-."), Look(_BLACK, "P", ":"))
_OTHERS: Mapping[Role, Look] = {"champion": Look(VERMILLION, "D", ":"), "probe": Look(GREEN, "s", "-.")}


def looks_of(names: Sequence[tuple[str, Role]]) -> dict[str, Look]:
    """A look for each name: models take the first ones in their order."""
    models = list(dict.fromkeys(name for name, role in names if role == "model"))
    taken = {name: _MODELS[place % len(_MODELS)] for place, name in enumerate(models)}
    return {name: _OTHERS.get(role, taken.get(name, _MODELS[0])) for name, role in names}


def draw_scores(scores: Sequence[Score], majority: float, looks: Mapping[str, Look], title: str) -> Picture | None:
    """Each accuracy with its interval below its name; None without any that is defined."""
    defined = [score for score in scores if math.isfinite(score.value)]
    if not defined:
        return None
    figure, axes = _figure(0.52 * len(defined) + 0.8)
    for place, score in enumerate(defined):
        _draw_score(axes, place, score, looks[score.name])
    axes.margins(x=0.08)
    low, high = axes.get_xlim()
    # Far away, it would press the intervals into dots; the table has the number.
    if low - (high - low) <= majority <= high:
        axes.axvline(majority, color=GREY, linestyle="--", linewidth=1.2)
    axes.set_ylim(len(defined) - 0.6, -0.75)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="#DDDDDD")
    axes.set_xlabel(f"{title}, with exact 95 % bounds")
    return Picture(accuracies_in_words(defined, majority, title), png(figure))


def draw_learning(candidate: Candidate) -> Picture | None:
    """The losses of one model by epoch; None without an epoch."""
    if not candidate.epochs:
        return None
    figure, axes = _figure(3.2)
    draw_losses(axes, candidate)
    axes.set_ylabel("loss, in nats")
    return Picture(curves_in_words([candidate]), png(figure))


def draw_roc(curves: Mapping[str, Curve], aucs: Mapping[str, float], looks: Mapping[str, Look]) -> Picture | None:
    """Recall over false positives, with pointwise bounds; None without a curve."""
    if not curves:
        return None
    figure, axes = _figure(4.2)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    for name, curve in curves.items():
        _draw_curve(axes, curve, looks[name], f"{name}, AUC {aucs[name]:.4f}")
    axes.set(xlabel="negative reviews called positive", ylabel="positive reviews found (recall)", xlim=(0, 1))
    axes.set_ylim(0, 1.01)
    axes.legend(fontsize=_SMALL, loc="lower right")
    _percent(axes.xaxis, axes.yaxis)
    said = "; ".join(f"{name} AUC {aucs[name]:.4f}, {_roc_point(curve)}" for name, curve in curves.items())
    return Picture(f"ROC curves with pointwise 95 % bounds: {said}", png(figure))


def draw_precision_recall(curves: Mapping[str, Curve], share: float, looks: Mapping[str, Look]) -> Picture | None:
    """Precision over recall, with pointwise bounds, above the share of positive reviews; None without a curve."""
    if not curves:
        return None
    figure, axes = _figure(4.2)
    axes.axhline(share, color=GREY, linestyle=":", linewidth=1)
    for name, curve in curves.items():
        _draw_curve(axes, curve, looks[name], name)
    lowest = min(share, *(float(curve.y.min()) for curve in curves.values()))
    axes.set(xlabel="positive reviews found (recall)", ylabel="right among those called positive (precision)")
    axes.set_xlim(0, 1)
    axes.set_ylim(max(0.0, lowest - 0.05), 1.01)
    axes.legend(fontsize=_SMALL, loc="lower left")
    _percent(axes.xaxis, axes.yaxis)
    said = "; ".join(f"{name} {_precision_points(curve)}" for name, curve in curves.items())
    return Picture(f"Precision by recall with pointwise 95 % bounds: {said}", png(figure))


def draw_reliability(name: str, bins: list[Bin], look: Look) -> Picture:
    """What is said against what is seen, above how often it is said."""
    figure = Figure(figsize=(_WIDTH, 4.6), dpi=DOTS, layout="constrained", facecolor="white")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    filled = [one for one in bins if one.num_rows]
    said = np.array([one.said for one in filled])
    seen = np.array([one.seen for one in filled])
    beyond = np.abs(np.array([[one.seen - one.lower, one.upper - one.seen] for one in filled]).T)
    above.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    # No line from bin to bin: where there are few reviews, it would say more than they do.
    above.errorbar(
        said, seen, beyond, color=look.colour, marker=look.marker, linestyle="none", capsize=3, linewidth=1.4
    )
    above.set(ylabel="share that is positive", title=name, xlim=(0, 1), ylim=(-0.02, 1.02))
    below.bar([one.begin + 0.05 for one in bins], [one.num_rows for one in bins], width=0.09, color=look.colour)
    below.set(xlabel="probability of positive, as the model says", ylabel="reviews")
    for axes in (above, below):
        _tidy(axes)
    above.title.set_fontsize(11)
    _percent(below.xaxis, above.yaxis)
    words = "; ".join(f"says {one.said:.0%}, is {one.seen:.0%} of {one.num_rows:,}" for one in filled)
    error = calibration_error(bins)
    return Picture(f"Calibration of {name}, expected calibration error {error:.4f}: {words}", png(figure))


def draw_slices(slices: Mapping[str, Sequence[Slice]], looks: Mapping[str, Look], what: str) -> Picture | None:
    """The accuracy of each model on each slice; None without a slice.

    Args:
        slices: Of each model, the same ones.
        looks: Of each model.
        what: What the slices differ by, as the axis says.
    """
    if not any(slices.values()):
        return None
    figure, axes = _figure(3.4)
    first = next(iter(slices.values()))
    for number, (name, parts) in enumerate(slices.items()):
        shift = (number - (len(slices) - 1) / 2) * min(0.2, 0.6 / len(slices))
        values = np.array([[one.accuracy, one.accuracy - one.lower, one.upper - one.accuracy] for one in parts]).T
        axes.errorbar(
            np.arange(len(parts)) + shift, values[0], np.abs(values[1:]),
            color=looks[name].colour, marker=looks[name].marker, linestyle="none", capsize=3, label=name,
        )  # fmt: skip
    axes.set_xticks(range(len(first)), [one.name for one in first], fontsize=_SMALL)
    axes.set(xlabel=what, ylabel="test accuracy")
    # Beside the axes, where no interval can be hidden by it.
    figure.legend(fontsize=_SMALL, loc="outside upper center", ncols=2, frameon=False)
    _percent(axes.yaxis)
    said = "; ".join(
        f"{name} {', '.join(f'{one.name}: {one.accuracy:.4f}' for one in parts)}" for name, parts in slices.items()
    )
    return Picture(f"Test accuracy by {what} with exact 95 % bounds: {said}", png(figure))


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), dpi=DOTS, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    _tidy(axes)
    return figure, axes


def _tidy(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.grid(color="#DDDDDD")
    axes.spines[["top", "right"]].set_visible(False)


def _percent(*axes: Any) -> None:
    for axis in axes:
        axis.set_major_formatter(PercentFormatter(1))


def _draw_score(axes: Axes, place: int, score: Score, look: Look) -> None:
    if math.isfinite(score.lower) and math.isfinite(score.upper):
        axes.hlines(place, score.lower, score.upper, color=look.colour, linewidth=2.5)
        for end in (score.lower, score.upper):
            axes.vlines(end, place - 0.12, place + 0.12, color=look.colour, linewidth=1.5)
    axes.plot([score.value], [place], marker=look.marker, color=look.colour, markersize=7, linestyle="none")
    # The table says of which run a champion is; here its numbers need the room.
    name = score.name.partition(" of ")[0]
    # On white, since the line of the majority may run through it.
    style: dict[str, Any] = {
        "transform": axes.get_yaxis_transform(),
        "va": "center",
        "fontsize": _NAME,
        "bbox": _ON_WHITE,
    }
    axes.text(0, place - 0.3, name, **style)
    axes.text(1, place - 0.3, str(score), ha="right", **style)


def _draw_curve(axes: Axes, curve: Curve, look: Look, label: str) -> None:
    axes.fill_between(curve.x, curve.lower, curve.upper, color=look.colour, alpha=0.15, linewidth=0)
    axes.plot(curve.x, curve.y, color=look.colour, linestyle=look.dashes, linewidth=1.6, label=label)


def _roc_point(curve: Curve) -> str:
    place = int(np.searchsorted(curve.x, 0.1, side="right")) - 1
    return (
        f"finds {curve.y[place]:.1%} ({curve.lower[place]:.1%} to {curve.upper[place]:.1%}) of the positive reviews "
        f"where it calls {curve.x[place]:.1%} of the negative ones positive"
    )


def _precision_points(curve: Curve) -> str:
    places = [min(int(np.searchsorted(curve.x, recall)), len(curve.x) - 1) for recall in (0.5, 0.9)]
    return ", ".join(
        f"{curve.y[place]:.1%} ({curve.lower[place]:.1%} to {curve.upper[place]:.1%}) "
        f"at a recall of {curve.x[place]:.0%}"
        for place in places
    )
