"""How fast everything is: runs the parts, each in a process of its own, and makes one table of their figures.

    python -m benchmarks.performance --reviews imdb_reviews.parquet

The file has columns `split`, `text` and `label`. The table is docs/performance.md; a test holds that it is what
`--page-only` makes of the files that the parts left in benchmarks/results.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.figures import Figure, markdown

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
PAGE = ROOT / "docs" / "performance.md"

PARTS = {
    "training": True,
    "training_gpu": True,
    "tokenization": True,
    "featurization": True,
    "scoring": True,
    "whole_run": True,
    "start_up": False,
    "scaling": False,
    "accuracy": True,
}
"""The parts in the order of the table, each a module of this folder, and whether it takes `--reviews`."""

APART = {"training_gpu", "accuracy"}
"""Parts that need a GPU, or hours: they are run where `--only` names them."""

PICTURES = {
    "scaling": "![Time and memory of each stage against the number of reviews, on logarithmic axes](scaling.png)"
}
"""What a part's section shows."""

_SAME = ("processor", "cores", "python")
_HEAD = """# How fast it is

Each figure stands beside that of a reference, where there is one: the notebook's way of doing the same, or another
library's. Both ran in turns, in one process environment and within the same minutes, and the ratio is the median of
the ratios of neighbouring runs, so that it holds for a slower machine, too. A target is the largest ratio that is
wanted or, without a reference, the largest figure.

`python -m benchmarks.performance --reviews imdb_reviews.parquet` repeats everything but what needs a GPU
(`training_gpu`) or hours (`accuracy`); `--only PART` repeats one part. This page is made by
`python -m benchmarks.performance --page-only` from
[`benchmarks/results/performance.json`](../benchmarks/results/performance.json).
"""


def run_part(name: str, reviews: Path | None, results: Path) -> int:
    """Run a part in a process of its own, which writes to this one's terminal; returns its exit status."""
    given = ["--reviews", str(reviews)] if PARTS[name] else []
    command = [sys.executable, "-m", f"benchmarks.{name}", *given, "--output", str(results / f"{name}.json")]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def collect(results: Path) -> dict[str, Any]:
    """What the parts left in their files, by part; a part that has none is left out."""
    stored = {name: results / f"{name}.json" for name in PARTS}
    read = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in stored.items() if path.is_file()}
    return {name: {key: one[key] for key in ("machine", "settings", "figures")} for name, one in read.items()}


def page(collected: dict[str, Any]) -> str:
    """The page in Markdown: the table, what it was measured on, and a section for each part."""
    figures = [Figure.from_json(value) for one in collected.values() for value in one["figures"]]
    measured = [_machine(name, one["machine"]) for name, one in collected.items()]
    sections = [part for name, one in collected.items() for part in _section(name, one)]
    table = ["| part | measured | processor | cores | Python | with |", "|---|---|---|--:|---|---|", *measured]
    parts = [_HEAD, "## Figures", "", markdown(figures), "## Machine", "", *table, "", *sections]
    return "\n".join(parts).rstrip("\n") + "\n"


def _machine(name: str, machine: dict[str, Any]) -> str:
    versions = [f"{key} {value}" for key, value in machine.items() if key not in ("date", *_SAME)]
    cells = [name, *(str(machine.get(key, "")) for key in ("date", *_SAME)), ", ".join(versions)]
    return f"| {' | '.join(cells)} |"


def _section(name: str, stored: dict[str, Any]) -> Sequence[str]:
    settings = ", ".join(f"{key.replace('_', ' ')} {_words(value)}" for key, value in stored["settings"].items())
    shown = [PICTURES[name], ""] if name in PICTURES else []
    title = f"## {name.replace('_', ' ').capitalize()}"
    return (title, "", description(name), "", f"Measured with {settings}.", "", *shown)


def _words(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def description(name: str) -> str:
    """What a part measures and how to repeat it: what its module says of itself, which is read and not run."""
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


@click.command()
@click.option("--only", type=click.Choice(list(PARTS)), multiple=True, help="Run this part; may be given repeatedly.")
@click.option(
    "--reviews",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A Parquet file with columns split, text and label, for the parts that read reviews.",
)
@click.option("--page-only", is_flag=True, help="Run nothing: write the page of the figures that are there.")
@click.option("--results", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder of figures.")
@click.option("--output", default=PAGE, type=click.Path(dir_okay=False, path_type=Path), help="Where the page goes.")
def main(only: tuple[str, ...], reviews: Path | None, page_only: bool, results: Path, output: Path) -> None:
    """Measure everything, and write the page."""
    asked = only or PARTS.keys() - APART
    chosen = [] if page_only else [name for name in PARTS if name in asked]
    if reviews is None and any(PARTS[name] for name in chosen):
        raise click.UsageError("these parts read reviews: name a Parquet file of them with --reviews.")
    results.mkdir(exist_ok=True)
    failed = [name for name in chosen if run_part(name, reviews and reviews.resolve(), results.resolve()) != 0]
    collected = collect(results)
    stored = json.dumps(collected, indent=2, ensure_ascii=False)
    (results / "performance.json").write_text(stored + "\n", encoding="utf-8")
    output.write_text(page(collected), encoding="utf-8")
    click.echo(markdown(Figure.from_json(value) for one in collected.values() for value in one["figures"]))
    if failed:
        raise click.ClickException(f"{', '.join(failed)} failed: the figures of these are earlier ones, or missing.")


if __name__ == "__main__":
    main()
