"""The pictures of a page, drawn once."""

from __future__ import annotations

from dataclasses import dataclass

from storage.bundles import Predictions
from tasks.evaluation.bounds import placements
from tasks.evaluation.curves import can_be_drawn, precision_recall_curve, reliability, roc_curve
from tasks.evaluation.slices import by_length, by_rating
from tasks.reporting.contents import ReportContents
from tasks.reporting.panels import (
    Look,
    draw_learning,
    draw_precision_recall,
    draw_reliability,
    draw_roc,
    draw_scores,
    draw_slices,
    looks_of,
)
from tasks.reporting.pictures import Picture
from tasks.reporting.scores import majority_share, scores_on_test
from tasks.reporting.sheets import sliced


@dataclass(frozen=True)
class Drawn:
    """All pictures that there is something to draw for.

    Attributes:
        scores: The accuracies with their bounds.
        learning: The losses, a picture a model.
        roc: All models in one.
        precision_recall: All models in one.
        reliability: Calibration, a picture a model.
        lengths: The accuracy by length.
        ratings: The accuracy by rating.
    """

    scores: Picture | None = None
    learning: tuple[Picture, ...] = ()
    roc: Picture | None = None
    precision_recall: Picture | None = None
    reliability: tuple[Picture, ...] = ()
    lengths: Picture | None = None
    ratings: Picture | None = None


def draw(contents: ReportContents) -> Drawn:
    """Draw what a run with models has to show; nothing where nothing was trained."""
    if not contents.candidates:
        return Drawn()
    scores = scores_on_test(contents.candidates, contents.decisions, contents.checks)
    looks = _looks(contents)
    bins = {name: reliability(said.labels, said.probabilities) for name, said in _drawable(contents).items()}
    drawn = map(draw_learning, contents.candidates)
    roc, precision_recall = draw_curves(contents)
    return Drawn(
        scores=draw_scores(scores, majority_share(contents.candidates[0].test.confusion), looks, "Test accuracy"),
        learning=tuple(picture for picture in drawn if picture),
        roc=roc,
        precision_recall=precision_recall,
        reliability=tuple(draw_reliability(name, of, looks[name]) for name, of in bins.items()),
        lengths=draw_slices(sliced(contents.answers, by_length), looks, "words of the review"),
        ratings=draw_slices(sliced(contents.answers, by_rating), looks, "rating"),
    )


def draw_curves(contents: ReportContents) -> tuple[Picture | None, Picture | None]:
    """ROC and precision–recall of all models; None where none has predictions of both classes."""
    if not contents.candidates:
        return None, None
    looks, answers = _looks(contents), _drawable(contents)
    curves = {name: roc_curve(said.labels, said.probabilities) for name, said in answers.items()}
    aucs = {name: placements(said.labels, said.probabilities).auc for name, said in answers.items()}
    precisions = {name: precision_recall_curve(said.labels, said.probabilities) for name, said in answers.items()}
    confusion = contents.candidates[0].test.confusion
    share = confusion.num_positive / max(1, confusion.num_rows)
    return draw_roc(curves, aucs, looks), draw_precision_recall(precisions, share, looks)


def _looks(contents: ReportContents) -> dict[str, Look]:
    scores = scores_on_test(contents.candidates, contents.decisions, contents.checks)
    named = [(score.name, score.role) for score in scores] + [(one.name, one.role) for one in contents.answers]
    return looks_of(named)


def _drawable(contents: ReportContents) -> dict[str, Predictions]:
    said = {one.name: one.predictions for one in contents.answers}
    return {name: of for name, of in said.items() if can_be_drawn(of.labels, of.probabilities)}
