"""Years of 52 weekly retrains on one test set: who was promoted, and what that was worth.

Years are independent of each other; within one, all rules see the same models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.promotion_lines import LEDGER, LENIENT, NON_INFERIORITY, RULES, Line, by_ledger, by_mcnemar
from benchmarks.simulated_models import ACCURACY, DataSet, Model

WEEKS = 52
SHOWN_WEEKS = (1, 2, 4, 13, 26, 52)
GAINS = (0.5, 1.0, 2.0)
"""By how many points of accuracy the better model is better."""
LOSS = 0.002
"""By how much, as a share, a model of a declining year is worse than another: 0.2 points."""
WEEKS_OF_NEW_ROWS = 4
THE_WEEK_BEFORE, THE_CHAMPION = "the week before", "the champion"
NEW_ROWS = f"the champion, new test rows every {WEEKS_OF_NEW_ROWS} weeks"
DECLINES = (THE_WEEK_BEFORE, THE_CHAMPION, NEW_ROWS)

Year = dict[str, float]
"""What came of a year, by name; true or false where it is asked whether something happened."""


def equal_year(random: np.random.Generator, num_rows: int, *, candidates: Sequence[int]) -> Year:
    """A year of models of equal quality under every rule.

    In some weeks better models knock beside them, to see whether they would be let in. They never serve.

    Args:
        random: Draws rows and models.
        num_rows: Of the test set.
        candidates: How many a week, for each of which there is a line under every rule.
    """
    data = DataSet.draw(random, num_rows)
    first = data.train(ACCURACY)
    lines = {(number, rule): Line(first) for number in candidates for rule in RULES}
    year: Year = {}
    for week in range(1, WEEKS + 1):
        if week in SHOWN_WEEKS:
            year |= _power(data, lines[1, LEDGER], week)
        served = lines[1, NON_INFERIORITY].promotions
        challengers = [data.train(ACCURACY) for _ in range(max(candidates))]
        for (number, rule), line in lines.items():
            lines[number, rule] = RULES[rule](line, challengers[:number])
        if week in SHOWN_WEEKS:
            year[f"equal/non-inferiority/week {week}"] = lines[1, NON_INFERIORITY].promotions > served
    for (number, rule), line in lines.items():
        year[f"equal/{number} a week/{rule}/promotions"] = line.promotions
        year[f"equal/{number} a week/{rule}/any"] = line.promotions > 0
    return year | _simulated(first, challengers[0])


def declining_year(random: np.random.Generator, num_rows: int) -> Year:
    """A year of ever worse models in non-inferiority mode, with and without the high-water mark.

    New test rows start the ledger afresh, so that losses are easier to let through: there the mark is needed.
    """
    data = dict.fromkeys(DECLINES, DataSet.draw(random, num_rows))
    first = data[THE_CHAMPION].train(ACCURACY)
    lines = {(decline, held): Line(first) for decline in DECLINES for held in (True, False)}
    for week in range(1, WEEKS + 1):
        if week > 1 and week % WEEKS_OF_NEW_ROWS == 1:
            data[NEW_ROWS] = DataSet.draw(random, num_rows)
            for held in (True, False):
                lines[NEW_ROWS, held] = _scored_anew(lines[NEW_ROWS, held], data[NEW_ROWS])
        # Both lines of a decline meet the same model, as long as their champions are equally good.
        trained: dict[tuple[str, float], Model] = {}
        for (decline, held), line in lines.items():
            better = ACCURACY - (week - 1) * LOSS if decline == THE_WEEK_BEFORE else line.champion.true_accuracy
            key = decline, better - LOSS
            if key not in trained:
                trained[key] = data[decline].train(better - LOSS)
            lines[decline, held] = by_ledger(line, [trained[key]], LENIENT, hold_mark=held)
    return _falls(lines)


def _falls(lines: Mapping[tuple[str, bool], Line]) -> Year:
    year: Year = {}
    for (decline, held), line in lines.items():
        name = f"decline/worse than {decline}/{'with' if held else 'without'} mark"
        fall = ACCURACY - line.champion.true_accuracy
        year[f"{name}/promotions"] = line.promotions
        year[f"{name}/fall in points"] = 100 * fall
        # What is lost is a multiple of 0.2 points, the margin 0.5: rounding cannot matter.
        year[f"{name}/beyond margin"] = fall > LENIENT.accuracy_loss_margin
    return year


def _scored_anew(line: Line, data: DataSet) -> Line:
    """The same champion and mark on new test rows, which have seen no comparison yet."""
    champion = data.train(line.champion.true_accuracy)
    mark = data.train(line.mark.true_accuracy) if line.mark else None
    return replace(line, champion=champion, mark=mark, spent=0)


def _power(data: DataSet, line: Line, week: int) -> Year:
    """Whether a better model that comes now would be promoted; in week 1 also by a plain McNemar test."""
    year: Year = {}
    for gain in GAINS:
        better = data.train(ACCURACY + gain / 100)
        year[f"power/{gain}/week {week}"] = by_ledger(line, [better]).champion is better
        if week == 1:
            year[f"power/{gain}/McNemar"] = by_mcnemar(line, [better]).champion is better
    return year


def _simulated(first: Model, second: Model) -> Year:
    return {
        "simulated/accuracy": first.test.confusion.accuracy,
        "simulated/AUC": first.test.auc,
        "simulated/discordance": float(np.mean(first.correct != second.correct)),
    }
