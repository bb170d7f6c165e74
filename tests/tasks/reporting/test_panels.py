from __future__ import annotations

import io
import math

import numpy as np
import pytest
from matplotlib.image import imread

from tasks.evaluation.curves import Bin, precision_recall_curve, reliability, roc_curve
from tasks.evaluation.slices import Slice
from tasks.reporting.panels import (
    draw_learning,
    draw_precision_recall,
    draw_reliability,
    draw_roc,
    draw_scores,
    draw_slices,
    looks_of,
)
from tasks.reporting.pictures import Picture
from tasks.reporting.scores import Role, scores_on_test
from tests.verdicts import PROBE, REJECTED, candidate

NAMES: list[tuple[str, Role]] = [("a", "model"), ("c", "model"), ("champion: b of r0", "champion")]
LOOKS = looks_of([*NAMES, ("linear probe", "probe")])
LABELS = np.array([0, 0, 0, 1, 1], np.uint8)
SAID = np.array([0.1, 0.2, 0.8, 0.7, 0.9], np.float32)
MAX_BYTES = 80_000


def is_small_and_opaque(picture: Picture | None) -> bool:
    assert picture is not None
    assert len(picture.png) < MAX_BYTES
    image = imread(io.BytesIO(picture.png))
    # About as wide as a phone's screen, in its own dots.
    return bool(image.shape[1] == 662 and (image[..., 3] == 1).all())


def test_each_model_has_colour_marker_and_dashes_of_its_own() -> None:
    for part in ("colour", "marker", "dashes"):
        of_models = [getattr(LOOKS[name], part) for name in ("a", "c", "champion: b of r0")]
        assert len(set(of_models)) == 3
    # Named again, such as among the curves, a model looks the same.
    assert looks_of([*NAMES, *NAMES]) == looks_of(NAMES)


def test_the_accuracies_are_all_named_and_undefined_ones_left_out() -> None:
    scores = scores_on_test([candidate("a"), candidate("c")], [REJECTED], [PROBE])

    picture = draw_scores(scores, 0.5, LOOKS, "Test accuracy")

    assert is_small_and_opaque(picture)
    assert picture is not None
    assert all(name in picture.alt for name in LOOKS)
    assert draw_scores([], 0.5, LOOKS, "Test accuracy") is None
    assert is_small_and_opaque(draw_scores(scores, math.nan, LOOKS, "Test accuracy"))


def test_the_losses_of_one_model_are_drawn_unless_it_has_no_epoch() -> None:
    assert is_small_and_opaque(draw_learning(candidate("a")))
    assert draw_learning(candidate("a", epochs=0)) is None


def test_curves_say_where_they_run() -> None:
    roc = draw_roc({"a": roc_curve(LABELS, SAID)}, {"a": 5 / 6}, LOOKS)
    precision = draw_precision_recall({"a": precision_recall_curve(LABELS, SAID)}, 0.4, LOOKS)

    assert is_small_and_opaque(roc)
    assert is_small_and_opaque(precision)
    assert roc is not None
    assert precision is not None
    assert "a AUC 0.8333, finds 50.0% (1.3% to 98.7%) of the positive reviews where it calls 0.0%" in roc.alt
    assert "a 100.0% (2.5% to 100.0%) at a recall of 50%, 66.7% (9.4% to 99.2%) at a recall of 100%" in precision.alt
    assert draw_roc({}, {}, LOOKS) is None
    assert draw_precision_recall({}, 0.5, LOOKS) is None


def test_calibration_says_what_is_said_and_what_is_seen_in_the_bins_that_have_rows() -> None:
    picture = draw_reliability("a", reliability(LABELS, SAID), LOOKS["a"])

    assert is_small_and_opaque(picture)
    assert picture.alt.startswith("Calibration of a, expected calibration error 0.")
    assert picture.alt.endswith("; says 90%, is 100% of 1")
    assert picture.alt.count("says") == 5


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_model_that_always_says_the_same_is_drawn_too(share: float) -> None:
    only = Bin(0.5, 0.6, 10, 0.5, share, 0.0, 1.0)

    assert is_small_and_opaque(draw_reliability("a", [only], LOOKS["a"]))


def test_slices_stand_side_by_side_and_without_any_there_is_no_picture() -> None:
    parts = [Slice("1 to 100", 10, 0.9, 0.55, 1.0), Slice("101 to 900", 10, 0.0, 0.0, 0.3)]

    picture = draw_slices({"a": parts, "c": parts}, LOOKS, "words")

    assert is_small_and_opaque(picture)
    assert picture is not None
    assert picture.alt == (
        "Test accuracy by words with exact 95 % bounds: "
        "a 1 to 100: 0.9000, 101 to 900: 0.0000; c 1 to 100: 0.9000, 101 to 900: 0.0000"
    )
    assert draw_slices({}, LOOKS, "words") is None
    assert draw_slices({"a": []}, LOOKS, "words") is None
