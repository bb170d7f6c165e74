"""How often the promotion rule promotes by luck, and how often it misses a better model.

Simulated models of known quality, the project's real rule. Prints the tables of docs/statistics.md and writes the
figures behind them:

    python -m benchmarks.weekly_retrains
"""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
import scipy
from rich.box import MARKDOWN
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.promotion_lines import RULES
from benchmarks.simulated_models import ACCURACY, SHARED
from benchmarks.simulated_years import DECLINES, GAINS, SHOWN_WEEKS, Year, declining_year, equal_year
from storage.options import GateOptions
from tasks.evaluation.bounds import exact_interval, normal_quantile
from tasks.promotion.ledger import alpha_for

RESULTS = Path(__file__).parent / "results" / "weekly_retrains.json"


@dataclass(frozen=True)
class Figure:
    """A mean over years, with a 95 % interval: exact (Clopper–Pearson) for shares, else normal.

    Attributes:
        largest: Of any year.
    """

    value: float
    standard_error: float
    lower: float
    upper: float
    largest: float
    years: int


Figures = Mapping[str, Figure]


def simulate(seed: int, years: int, num_rows: int, workers: int) -> dict[str, Figure]:
    """All figures by name.

    Two candidates a week are simulated beside one in every second year, and a declining year beside every tenth.
    """
    jobs = [*range(years), *range(-max(2, years // 10), 0)]
    # Not forked: a process that has threads must not be.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        results = pool.map(_simulate_year, repeat(seed), jobs, repeat(num_rows))
        return summarize(list(track(results, "simulating", len(jobs), console=Console(stderr=True))))


def _simulate_year(seed: int, number: int, num_rows: int) -> Year:
    """Year `number`; the declining ones have numbers below 0."""
    random = np.random.default_rng([seed, abs(number), number < 0])
    if number < 0:
        return declining_year(random, num_rows)
    return equal_year(random, num_rows, candidates=(1,) if number % 2 else (1, 2))


def summarize(years: Sequence[Year]) -> dict[str, Figure]:
    """Mean of each figure over the years that have it; what is true or false in a year becomes a share."""
    names = {name: None for year in years for name in year}
    return {name: _figure([year[name] for year in years if name in year]) for name in names}


def _figure(values: Sequence[float]) -> Figure:
    number, mean, largest = len(values), float(np.mean(values)), float(max(values))
    error = float(np.std(values, ddof=1)) / math.sqrt(number)
    half = normal_quantile(0.975) * error
    interval = mean - half, mean + half
    if isinstance(values[0], bool):
        interval = exact_interval(int(sum(values)), number)
    return Figure(mean, error, *interval, largest, number)


def tables(figures: Figures) -> list[Table]:
    """What docs/statistics.md shows, as Markdown."""
    return [_luck_table(figures), _power_table(figures), _decline_table(figures)]


def _luck_table(figures: Figures) -> Table:
    headings = [f"{of}, {number} a week" for number in (1, 2) for of in ("years with a promotion", "promotions a year")]
    table = Table("all models equal", *headings, box=MARKDOWN)
    for rule in RULES:
        cells = []
        for number in (1, 2):
            name = f"equal/{number} a week/{rule}"
            cells += [_share(figures[f"{name}/any"]), _mean(figures[f"{name}/promotions"])]
        table.add_row(rule, *cells)
    return table


def _power_table(figures: Figures) -> Table:
    weeks = [f"week {week}" for week in SHOWN_WEEKS]
    table = Table("promoted when it comes in", *weeks, "week 1, McNemar at 0.05", box=MARKDOWN)
    alphas = [alpha_for(week - 1, GateOptions().comparison_alpha) for week in SHOWN_WEEKS]
    table.add_row("(α of that comparison)", *(f"{alpha:.2g}" for alpha in alphas), "0.05")
    for gain in GAINS:
        names = [f"power/{gain}/{column}" for column in (*weeks, "McNemar")]
        table.add_row(f"better by {gain} points", *(_share(figures[name]) for name in names))
    equal = (_share(figures[f"equal/non-inferiority/{week}"]) for week in weeks)
    table.add_row("equal, non-inferiority", *equal, "")
    return table


def _decline_table(figures: Figures) -> Table:
    headings = ("promotions a year", "mean fall in points", "largest fall", "years with a fall above 0.5 points")
    table = Table("each 0.2 points worse than", "high-water mark", *headings, box=MARKDOWN)
    for decline in DECLINES:
        for mark in ("with", "without"):
            name = f"decline/worse than {decline}/{mark} mark"
            fall = figures[f"{name}/fall in points"]
            cells = _mean(figures[f"{name}/promotions"]), _mean(fall), f"{fall.largest:.1f}"
            table.add_row(decline, mark, *cells, _share(figures[f"{name}/beyond margin"]))
    return table


def _share(figure: Figure) -> str:
    return f"{100 * figure.value:.1f} % [{100 * figure.lower:.1f}, {100 * figure.upper:.1f}]"


def _mean(figure: Figure) -> str:
    return f"{figure.value:.2f} [{figure.lower:.2f}, {figure.upper:.2f}]"


def markdown(figures: Figures) -> str:
    """The tables as text."""
    console = Console(width=250, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(*tables(figures), sep="")
    lines = (line.rstrip() for line in capture.get().splitlines())
    return "\n".join(lines).strip("\n")


def read_figures(path: Path = RESULTS) -> dict[str, Figure]:
    """The figures of an earlier simulation."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {name: Figure(**figure) for name, figure in stored["figures"].items()}


@click.command()
@click.option("--years", default=1000, show_default=True, type=click.IntRange(3), help="Simulated years of 52 weeks.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0), help="The same seed, the same figures.")
@click.option("--rows", default=25_000, show_default=True, type=click.IntRange(200), help="Rows of the test set.")
@click.option("--output", default=RESULTS, type=click.Path(path_type=Path, dir_okay=False), help="JSON file to write.")
def main(years: int, workers: int, seed: int, rows: int, output: Path) -> None:
    """Simulate years of weekly retrains, print the tables, write the figures.

    Example: python -m benchmarks.weekly_retrains --years 40 --output few.json
    """
    start = time.monotonic()
    figures = simulate(seed, years, rows, workers)
    seconds = round(time.monotonic() - start)
    record = {
        "seed": seed,
        "years": years,
        "rows": rows,
        "true_accuracy": ACCURACY,
        "shared_variance": SHARED,
        "seconds": seconds,
        "workers": workers,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
        "figures": {name: asdict(figure) for name, figure in figures.items()},
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    click.echo(markdown(figures))
    click.echo(f"\n{years} years in {seconds} s; figures in {output}")


if __name__ == "__main__":
    main()
