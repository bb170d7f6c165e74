"""The picture of the benchmark of growth: time and memory over the number of reviews, both axes logarithmic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Okabe and Ito's, told apart by colour-blind readers too; markers and line styles say the same again.
_STYLES = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-."), ("#CC79A7", "D", ":"))


def draw(found: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw seconds and peak anonymous memory of each stage."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    seconds, memory = figure.subplots(1, 2)
    for (stage, of), (colour, marker, line) in zip(found.items(), _STYLES, strict=True):
        rows = [int(size) for size in of["costs"]]
        style = {"color": colour, "marker": marker, "linestyle": line, "label": stage, "linewidth": 2}
        seconds.plot(rows, [cost["seconds"] for cost in of["costs"].values()], **style)
        memory.plot(rows, [cost["anonymous"] / 2**20 for cost in of["costs"].values()], **style)
    first, last = rows[0], rows[-1]
    highest = max(of["costs"][str(last)]["seconds"] for of in found.values())
    linear = [2 * highest * first / last, 2 * highest]
    seconds.plot([first, last], linear, color="0.5", linewidth=1, label="linear, for comparison")
    memory.axhline(4096, color="0.5", linewidth=1)
    memory.text(first, 4300, "4 GiB", color="0.35", va="bottom")
    memory.set_ylim(100, 10_000)
    for axes, title in ((seconds, "seconds of wall time"), (memory, "peak anonymous memory, MiB")):
        axes.set(xscale="log", yscale="log", xlabel="reviews", title=title)
        axes.grid(alpha=0.3, which="major")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:,.10g}")
            axis.set_minor_formatter(NullFormatter())
    seconds.legend(frameon=False)
    figure.savefig(path, dpi=110)
