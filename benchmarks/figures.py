"""The rows of the table that all benchmarks of speed share: what was measured, beside what it is measured against."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Figure:
    """One row.

    Attributes:
        name: What was measured, and on how much.
        unit: Of `ours` and `reference`, such as `s`.
        ours: The project's number.
        reference: The same of what it is compared with; None where there is nothing.
        against: What that is, in words.
        ratio: Ours over the reference: the median of the ratios of neighbouring runs, which need not be the ratio of
            the two medians.
        target: Largest ratio that is wanted or, without a reference, the largest `ours`; None where nobody set one.
    """

    name: str
    unit: str
    ours: float
    reference: float | None = None
    against: str | None = None
    ratio: float | None = None
    target: float | None = None

    @classmethod
    def of_turns(
        cls, name: str, ours: Sequence[float], reference: Sequence[float], *, against: str, target: float | None = None
    ) -> Figure:
        """Compare the seconds of runs that took turns, so that whatever slows the machine slows both of a pair.

        Args:
            name: What was measured.
            ours: Of each of the project's runs, `(pairs,)`.
            reference: Of the run beside it, `(pairs,)`.
            against: What that is.
            target: Largest ratio that is wanted.
        """
        ratio = float(np.median(np.divide(ours, reference)))
        return cls(name, "s", float(np.median(ours)), float(np.median(reference)), against, ratio, target)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Figure:
        """Build from what `to_json` gave."""
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        """Plain values; numbers keep four digits, more than any repetition gives again."""
        return {key: _rounded(value) if isinstance(value, float) else value for key, value in asdict(self).items()}

    @property
    def reached(self) -> bool | None:
        """Whether the target is met; None where there is none. A NaN meets nothing."""
        if self.target is None:
            return None
        measured = self.ours if self.reference is None else self.ratio
        return measured is not None and measured <= self.target


def markdown(figures: Iterable[Figure]) -> str:
    """The table in Markdown."""
    lines = ["| what | ours | reference | against | ratio | target | reached |", "|---|--:|--:|---|--:|--:|---|"]
    lines += [f"| {' | '.join(_cells(figure))} |" for figure in figures]
    return "\n".join(lines) + "\n"


def write_result(
    path: Path,
    *,
    machine: Mapping[str, Any],
    settings: Mapping[str, Any],
    found: Mapping[str, Any],
    figures: Iterable[Figure],
) -> None:
    """Write what a part of the benchmark found, where `benchmarks.performance` looks for it.

    Args:
        path: The file, in JSON.
        machine: What it was measured on.
        settings: What the part was asked for.
        found: All that it measured, in the part's own shape.
        figures: Its rows of the common table.
    """
    rows = [figure.to_json() for figure in figures]
    result = {"machine": dict(machine), "settings": dict(settings), "found": dict(found), "figures": rows}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def read_figures(path: Path) -> list[Figure]:
    """The rows that a part has left in its file."""
    return [Figure.from_json(value) for value in json.loads(path.read_text(encoding="utf-8"))["figures"]]


def _cells(figure: Figure) -> tuple[str, ...]:
    bound = "" if figure.target is None else f"≤ {figure.target:g}"
    if figure.target is not None and figure.reference is None:
        bound = f"{bound} {figure.unit}"
    return (
        figure.name,
        f"{_number(figure.ours)} {figure.unit}",
        "" if figure.reference is None else f"{_number(figure.reference)} {figure.unit}",
        figure.against or "",
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        bound,
        {True: "yes", False: "**no**", None: ""}[figure.reached],
    )


def _number(value: float) -> str:
    """Three digits, and all of a larger number's."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
