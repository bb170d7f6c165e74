"""The page of a run: one HTML file that opens from disk, asks for nothing else, and runs no script.

Whatever a review, a source or a person has named is escaped by Jinja2. Nothing on the page tells when it was made: the
same store and the same bundles give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from storage.errors import OptionError
from storage.settings import Settings
from tasks.reporting.contents import ReportContents, gather
from tasks.reporting.markdown import MARKS
from tasks.reporting.view import view_of

_TONES = {
    **{"pass": "good", "fail": "bad", "warn": "warn", "off": "", "not applicable": "", "waived": "warn"},
    **{"promoted": "good", "would promote": "good", "rejected": "bad", "would reject": "bad"},
    **{"completed": "good", "skipped": "", "rejected data": "bad", "failed": "bad", "cancelled": "", "crashed": "bad"},
    **{"healthy": "good", "degraded": "bad", "drifted": "warn", "too few rows": ""},
    **{"shown": "bad", "likely": "warn", "possible": "", "ruled out": "good"},
    **{"promotion": "good", "rollback": "warn", "forced replacement": "warn", "put back": "warn"},
}
_MAX_NAME = 80
_BREAK = re.compile(r"\s*(<br\s*/?>\s*)+", re.IGNORECASE)


def report_file(where: Settings, run_id: str) -> Path:
    """Where the page of a run is, or will be."""
    return where.reports / f"{run_id}.html"


def trend_file(where: Settings, line: str) -> Path:
    """Where the page of a line is, or will be."""
    return where.reports / trend_name(line)


def trend_name(line: str) -> str:
    """The file of a line's page: the line's name, made fit for a file."""
    name = re.sub(r"[^a-z0-9]+", "-", line.lower()).strip("-")[:_MAX_NAME]
    # Lines that differ in what a file's name cannot hold have pages of their own.
    told_apart = "" if name and name == line else f"-{hashlib.sha256(line.encode()).hexdigest()[:8]}"
    return f"trend-{name}{told_apart}.html"


def write_report(where: Settings, run_name: str, output: Path | None = None) -> Path:
    """Write the page of a run that has ended, from the store and the bundles alone.

    Args:
        where: Where they are.
        run_name: The run's id, the start of it, or `latest`.
        output: The file; by default one below the folder of the reports.

    Raises:
        NotFoundError: No run, or more than one, is meant by that name.
        OptionError: The run is still running, or the file cannot be written.
    """
    contents = gather(where, run_name)
    if contents.run.state == "running":
        raise OptionError(f"the run {contents.run.id} is still running: its report is written when it has ended.")
    path = output or report_file(where, contents.run.id)
    write_page(path, report_page(contents))
    return path


def write_page(path: Path, page: str) -> None:
    """Whoever has the page open meanwhile has the old one or the new one, never half of one.

    Raises:
        OptionError: The file cannot be written.
    """
    try:
        _write_whole(path, page)
    except OSError as error:
        raise OptionError(f"the report {path} cannot be written: {error.strerror}.") from error


def _write_whole(path: Path, page: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def report_page(contents: ReportContents) -> str:
    """The page, as HTML. It leads to the page of its line, which lies beside it."""
    line = contents.run.line
    return render("report.html", {**view_of(contents), "trend": None if line == "-" else trend_name(line)})


def render(template: str, values: Mapping[str, Any]) -> str:
    """Fill in one of the templates; every value is escaped."""
    environment = Environment(
        loader=PackageLoader("tasks.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(tones=_TONES, marks=MARKS)
    environment.filters["plain"] = plain_text
    return environment.get_template(template).render(values)


def plain_text(text: str) -> str:
    """A review as a person reads it: the line breaks of HTML, which many reviews hold, are line breaks."""
    return _BREAK.sub("\n", text).strip()
