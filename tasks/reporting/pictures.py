"""Pictures of a verdict, drawn into PNG bytes: the same content gives the same bytes.

The colours are those of Okabe and Ito, which people with any kind of colour vision tell apart; shapes and dashes say
the same again. The background is light and opaque, so that a picture reads the same on a dark page.

Source: Okabe & Ito, Color Universal Design (2008).
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from storage.records import Candidate, Epoch
from tasks.reporting.scores import Role, Score

BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#555555"
_LOOKS: dict[Role, tuple[str, str]] = {"model": (BLUE, "o"), "champion": (VERMILLION, "D"), "probe": (GREEN, "s")}
# In inches and dots an inch: twice the 900 pixels of a page would only double the bytes.
_WIDTH, DOTS = 9.0, 144
_MAX_MARKED_EPOCHS = 30


@dataclass(frozen=True)
class Picture:
    """A PNG, and what it shows in words."""

    alt: str
    png: bytes

    def markdown(self) -> str:
        """The picture itself, within the text."""
        return f"![{self.alt}]({self.address})"

    @property
    def address(self) -> str:
        """The picture itself, as the address of an image."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


def draw_accuracies(scores: Sequence[Score], majority: float, title: str = "Test accuracy") -> Picture | None:
    """Each accuracy as a dot with its interval, beside the share of the more frequent label; None without any.

    Args:
        scores: The first one on top. Those that are undefined are left out.
        majority: What one gets right who always says the more frequent label; NaN draws nothing.
        title: What is shown.
    """
    defined = [score for score in scores if math.isfinite(score.value)]
    if not defined:
        return None
    figure, axes = _figure(0.45 * len(defined) + 1.3)
    for place, score in enumerate(defined):
        _draw_score(axes, place, score)
    axes.margins(x=0.12)
    if math.isfinite(majority):
        _draw_majority(axes, majority)
    axes.set_yticks(range(len(defined)), [_short(score.name) for score in defined])
    axes.set_ylim(len(defined) - 0.4, -0.6)
    axes.grid(axis="x", color="#DDDDDD")
    axes.set_xlabel(f"{title}, with exact 95 % bounds")
    return Picture(accuracies_in_words(defined, majority, title), png(figure))


def draw_learning_curves(candidates: Sequence[Candidate]) -> Picture | None:
    """Loss by epoch on training and validation rows, a model beside the other; None without an epoch."""
    trained = [candidate for candidate in candidates if candidate.epochs]
    if not trained:
        return None
    figure = Figure(figsize=(_WIDTH, 3.4), dpi=DOTS, layout="constrained", facecolor="white")
    first: Axes | None = None
    for place, candidate in enumerate(trained, start=1):
        axes = figure.add_subplot(1, len(trained), place, sharey=first)
        first = first or axes
        draw_losses(axes, candidate)
    if first is not None:
        first.set_ylabel("loss, in nats")
    return Picture(curves_in_words(trained), png(figure))


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), dpi=DOTS, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _draw_score(axes: Axes, place: int, score: Score) -> None:
    colour, marker = _LOOKS[score.role]
    if math.isfinite(score.lower) and math.isfinite(score.upper):
        axes.hlines(place, score.lower, score.upper, color=colour, linewidth=2.5)
        for end in (score.lower, score.upper):
            axes.vlines(end, place - 0.12, place + 0.12, color=colour, linewidth=1.5)
    axes.plot([score.value], [place], marker=marker, color=colour, markersize=7, linestyle="none")
    # The numbers stand beside the axes, where no interval can cross them.
    axes.text(1.02, place, str(score), transform=axes.get_yaxis_transform(), va="center", fontsize=10)


def _draw_majority(axes: Axes, majority: float) -> None:
    """A line, or an arrow where it would press all the intervals into dots."""
    low, high = axes.get_xlim()
    words = f"more frequent label {majority:.4f}"
    if low - (high - low) <= majority <= high + (high - low):
        axes.axvline(majority, color=GREY, linestyle="--", linewidth=1.2)
        place, across, align = majority, "data", "left"
    else:
        words = f"← {words}" if majority < low else f"{words} →"
        place, align = (0.0, "left") if majority < low else (1.0, "right")
        across = "axes fraction"
    shift = 4 if align == "left" else -4
    axes.annotate(
        words,
        (place, 1),
        (shift, 4),
        xycoords=(across, "axes fraction"),
        textcoords="offset points",
        ha=align,
        color=GREY,
        fontsize=9,
    )


def draw_losses(axes: Axes, candidate: Candidate) -> None:
    """The loss of a model by epoch, on training and on validation rows."""
    numbers = [epoch.number for epoch in candidate.epochs]
    marker = "." if len(numbers) <= _MAX_MARKED_EPOCHS else ""
    for name, losses, colour, style in (
        ("training", [epoch.loss for epoch in candidate.epochs], BLUE, "-"),
        ("validation", [epoch.validation_loss for epoch in candidate.epochs], VERMILLION, "--"),
    ):
        axes.plot(numbers, losses, color=colour, linestyle=style, marker=marker, label=name)
    kept = _kept(candidate)
    if kept is not None:
        axes.axvline(kept.number, color=GREY, linestyle=":", linewidth=1.2)
        axes.plot(
            [kept.number],
            [kept.validation_loss],
            marker="o",
            markersize=10,
            markerfacecolor="none",
            markeredgecolor=GREY,
            linestyle="none",
            label=f"kept: epoch {kept.number}",
        )
    axes.set_title(candidate.model, fontsize=11)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(color="#DDDDDD")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=9, framealpha=0.9)


def _kept(candidate: Candidate) -> Epoch | None:
    return next((epoch for epoch in candidate.epochs if epoch.number == candidate.best_epoch), None)


def _short(name: str) -> str:
    """A champion's long name on two lines."""
    return name.replace(" of ", "\nof ", 1)


def accuracies_in_words(scores: Sequence[Score], majority: float, title: str) -> str:
    """The scores, for whoever cannot see them."""
    parts = [f"{score.name} {interval_in_words(score)}" for score in scores]
    if math.isfinite(majority):
        parts.append(f"share of the more frequent label {majority:.4f}")
    return f"{title} with exact 95 % bounds: {'; '.join(parts)}"


def interval_in_words(score: Score) -> str:
    """A score with its bounds, as an alternative text may hold it."""
    # Brackets would have to be escaped within an alternative text.
    if not (math.isfinite(score.lower) and math.isfinite(score.upper)):
        return f"{score.value:.4f}"
    return f"{score.value:.4f} ({score.lower:.4f} to {score.upper:.4f})"


def curves_in_words(candidates: Sequence[Candidate]) -> str:
    """Where the losses begin and end, for whoever cannot see them."""
    parts = []
    for candidate in candidates:
        first, last, kept = candidate.epochs[0], candidate.epochs[-1], _kept(candidate)
        words = (
            f"{candidate.model}: epoch {first.number} to {last.number}, training {first.loss:.4f} to {last.loss:.4f}, "
            f"validation {first.validation_loss:.4f} to {last.validation_loss:.4f}"
        )
        parts.append(f"{words}, kept epoch {kept.number} with {kept.validation_loss:.4f}" if kept else words)
    return f"Loss by epoch. {'; '.join(parts)}"


def png(figure: Figure) -> bytes:
    """The bytes of a figure; the same for the same figure."""
    written = io.BytesIO()
    # Without the name and the version of the program that wrote it.
    figure.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()
