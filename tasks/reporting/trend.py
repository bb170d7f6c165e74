"""The page of a line: what all its runs gave over time, and what served when. It stands alone, as the page of a run."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from storage.metrics.trend import LineTrend, TrendReader
from storage.settings import Settings
from tasks.reporting.page import render, trend_file, write_page
from tasks.reporting.trend_view import view_of_trend


def write_trend(where: Settings, line: str, output: Path | None = None) -> Path:
    """Write the page of a line, from the store alone; it leads to the pages of runs that lie beside it.

    Args:
        where: Where the store is.
        line: Its name.
        output: The file; by default one below the folder of the reports.

    Raises:
        NotFoundError: No run of that line has ended.
        OptionError: The file cannot be written.
    """
    trend = TrendReader(where.database_url).trend(line)
    path = output or trend_file(where, line)
    beside = {file.stem for file in path.parent.glob("*.html")}
    write_page(path, trend_page(trend, beside))
    return path


def write_trend_of(where: Settings, run_id: str) -> Path | None:
    """Write the page of a run's line; None, and no page, of a run that never came to know its line."""
    line = TrendReader(where.database_url).line_of(run_id)
    return None if line is None else write_trend(where, line)


def trend_page(trend: LineTrend, beside: Set[str]) -> str:
    """The page, as HTML.

    Args:
        trend: What it tells of.
        beside: The runs whose pages lie in the same folder.
    """
    return render("trend.html", view_of_trend(trend, beside))
