"""The page of a run that watches: how the champion does today, beside how it did when it was promoted."""

from __future__ import annotations

import math

from storage.records import Observation, Watched
from tasks.evaluation.bounds import exact_interval
from tasks.reporting.markdown import check_list, code, escaped, table
from tasks.reporting.pictures import draw_accuracies
from tasks.reporting.scores import Score, with_bounds
from tasks.reporting.verdict import heading


def champion_page(run_id: str, watched: Watched, headline: str) -> str:
    """What a run of the monitor found, in markdown."""
    seen = watched.observation
    scores = _scores(watched)
    majority = math.nan if seen.positive is None else max(seen.positive, 1 - seen.positive)
    picture = draw_accuracies(scores, majority, "Accuracy")
    shares = (seen.predicted_positive, seen.positive)
    rows = [(f"accuracy {score.name}", str(score)) for score in scores]
    rows += [
        ("AUC today", with_bounds(seen.auc)),
        ("predicted positive / positive", " / ".join("-" if share is None else f"{share:.1%}" for share in shares)),
    ]
    lines = [
        *heading(headline),
        "",
        f"Run {code(run_id)} watched {code(seen.candidate_id)}, number {seen.position} of line "
        f"**{escaped(seen.line)}**, on {seen.num_new:,} new of {seen.num_rows:,} labelled reviews.",
        *(["", picture.markdown()] if picture else []),
        *table(("", "measured"), rows),
        *check_list("Checks of the champion", watched.results),
    ]
    return "\n".join(lines) + "\n"


def _scores(watched: Watched) -> list[Score]:
    """Today's accuracy, where there is one, above that at promotion."""
    seen = watched.observation
    promoted = Score("at promotion", "champion", seen.promoted_accuracy, *_promoted_bounds(watched))
    return [*_today(seen), promoted]


def _today(seen: Observation) -> list[Score]:
    if seen.accuracy is None or seen.lower is None or seen.upper is None:
        return []
    return [Score("today", "model", seen.accuracy, seen.lower, seen.upper)]


def _promoted_bounds(watched: Watched) -> tuple[float, float]:
    """The interval of the test rows at promotion; NaN where the run had no row to hold against them."""
    measured = next((result.measured for result in watched.results if "promoted_rows" in result.measured), {})
    rows = int(measured.get("promoted_rows", 0))
    return exact_interval(round(watched.observation.promoted_accuracy * rows), rows)
