"""Simulated classifiers whose true accuracy is known, on simulated rows. Nothing is trained here.

A row has a label and a tone: how positive it reads beyond its label, which all models see alike. A model adds an error
of its own, and scores

    score = ± strength + tone + error,    tone ~ N(0, SHARED),    error ~ N(0, 1 - SHARED)

with + for label 1. Its true accuracy, over all rows that there could be, is then Φ(strength), and its true AUC
Φ(√2 · strength): parameters, not estimates. Two models of one strength are equal exactly, although on any test set one
of them looks better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from storage.records import ConfusionMatrix, Evaluation, Split
from tasks.evaluation.bounds import Floats, Labels, Placements, auc_standard_error, normal_quantile, placements
from tasks.evaluation.metrics import predicted_labels

ACCURACY = 0.87
"""True accuracy of a model of usual quality; its true AUC is then 0.944."""
SHARED = 0.823
"""Share of the scores' variance that is the rows': two models of usual quality disagree on 10 % of them."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Labels, half of them 1, and tones, `(rows,)`."""

    labels: Labels
    tone: Floats


@dataclass(frozen=True, eq=False)
class Model:
    """A model and what was measured of it.

    Attributes:
        true_accuracy: Over all rows that there could be.
        correct: Whether it is right, `(test rows,)`.
        placements: What DeLong's method needs of it, on test rows.
    """

    true_accuracy: float
    correct: npt.NDArray[np.bool_]
    placements: Placements
    validation: Evaluation
    test: Evaluation


@dataclass(frozen=True, eq=False)
class DataSet:
    """Validation and test rows, drawn once, and the generator that draws the models' errors."""

    validation: Rows
    test: Rows
    random: np.random.Generator

    @classmethod
    def draw(cls, random: np.random.Generator, num_rows: int) -> DataSet:
        """As many test rows as asked for, and a tenth as many validation rows."""
        return cls(_draw_rows(random, num_rows // 10), _draw_rows(random, num_rows), random)

    def train(self, true_accuracy: float) -> Model:
        """A new model of this true accuracy, scored on all rows."""
        validation = self.score(self.validation, true_accuracy)
        test = self.score(self.test, true_accuracy)
        of_validation, of_test = placements(self.validation.labels, validation), placements(self.test.labels, test)
        return Model(
            true_accuracy,
            predicted_labels(test) == self.test.labels,
            of_test,
            evaluation("validation", self.validation.labels, validation, of_validation),
            evaluation("test", self.test.labels, test, of_test),
        )

    def score(self, rows: Rows, true_accuracy: float) -> Floats:
        """Calibrated probabilities of label 1, `(rows,)`, single precision as a network's."""
        strength = normal_quantile(true_accuracy)
        error = self.random.standard_normal(len(rows.labels), dtype=np.float32)
        score = np.where(rows.labels == 1, strength, -strength) + rows.tone + math.sqrt(1 - SHARED) * error
        # The log odds of two normal distributions of variance 1 around ± strength.
        return np.asarray(special.expit((2 * strength * score).astype(np.float32)))


def evaluation(split: Split, labels: Labels, probabilities: Floats, of: Placements) -> Evaluation:
    """What the promotion rule reads of an `Evaluation`; log loss, precision and the rest are left out for speed."""
    counts = np.bincount(2 * labels + predicted_labels(probabilities), minlength=4)
    return Evaluation(split, ConfusionMatrix(*counts.tolist()), of.auc, auc_standard_error(of))


def _draw_rows(random: np.random.Generator, num_rows: int) -> Rows:
    tone = math.sqrt(SHARED) * random.standard_normal(num_rows)
    return Rows((np.arange(num_rows) % 2).astype(np.uint8), tone)
