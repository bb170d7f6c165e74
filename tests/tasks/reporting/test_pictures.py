from __future__ import annotations

import base64
import io
import math
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from storage.records import ConfusionMatrix, Evaluation
from tasks.reporting.pictures import Picture, draw_accuracies, draw_learning_curves
from tasks.reporting.scores import Score, scores_on_test
from tests.verdicts import PROBE, REJECTED, candidate

MAX_BYTES = 150_000
VERMILLION = (0xD5, 0x5E, 0x00)
GREEN = (0x00, 0x9E, 0x73)


def pixels(picture: Picture | None) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Height, width and the four channels; fails where it is no small PNG."""
    assert picture is not None
    assert picture.png.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(picture.png) < MAX_BYTES
    image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = (imread(io.BytesIO(picture.png)) * 255).astype(np.uint8)
    assert image.shape[1] == 1296
    assert (image[..., 3] == 255).all(), "a dark page would show through"
    return image


def shows(picture: Picture | None, colour: tuple[int, int, int]) -> bool:
    return bool((pixels(picture)[..., :3] == colour).all(axis=-1).any())


def test_the_accuracies_stand_in_the_picture_and_in_its_words() -> None:
    scores = scores_on_test([candidate("a"), candidate("c", right=90)], [REJECTED], [PROBE])

    picture = draw_accuracies(scores, 0.5)

    assert shows(picture, VERMILLION)
    assert shows(picture, GREEN)
    assert picture is not None
    assert picture.alt == (
        "Test accuracy with exact 95 % bounds: a 0.8000 (0.7082 to 0.8733); c 0.9000 (0.8238 to 0.9510); "
        "champion: b of r0 0.8300 (0.7418 to 0.8977); linear probe 0.8900 (0.8500 to 0.9200); "
        "share of the more frequent label 0.5000"
    )


def test_without_a_champion_and_a_probe_there_is_one_model() -> None:
    picture = draw_accuracies(scores_on_test([candidate()], [], []), 0.5)

    assert not shows(picture, VERMILLION)
    assert not shows(picture, GREEN)


@pytest.mark.parametrize("majority", [0.01, 0.5, 0.79, 0.99, math.nan])
def test_the_more_frequent_label_may_be_anywhere(majority: float) -> None:
    picture = draw_accuracies(scores_on_test([candidate()], [], []), majority)

    pixels(picture)
    assert picture is not None
    assert ("more frequent label" in picture.alt) == math.isfinite(majority)


def test_an_accuracy_without_bounds_is_a_dot() -> None:
    picture = draw_accuracies([Score("a", "model", 0.8, math.nan, math.nan)], math.nan, "Accuracy")

    pixels(picture)
    assert picture is not None
    assert picture.alt == "Accuracy with exact 95 % bounds: a 0.8000"


def test_an_undefined_accuracy_is_left_out_and_an_undefined_auc_is_no_matter() -> None:
    empty = Evaluation("test", ConfusionMatrix(0, 0, 0, 0), math.nan, math.nan)
    blind = candidate("blind", test=replace(candidate().test, auc=math.nan))

    assert draw_accuracies(scores_on_test([candidate(test=empty)], [], []), math.nan) is None
    pixels(draw_accuracies(scores_on_test([candidate(test=empty), blind], [], []), 0.5))


@pytest.mark.parametrize("epochs", [1, 2, 30, 1000])
def test_any_number_of_epochs_makes_a_small_picture(epochs: int) -> None:
    pixels(draw_learning_curves([candidate("a", epochs=epochs), candidate("c")]))
    pixels(draw_learning_curves([candidate("a", epochs=epochs)]))


def test_the_curves_are_told_in_words_too() -> None:
    picture = draw_learning_curves([candidate("a", epochs=2), candidate("c", epochs=0)])

    assert picture is not None
    assert picture.alt == (
        "Loss by epoch. a: epoch 1 to 2, training 1.0000 to 0.5000, validation 1.1000 to 0.5500, "
        "kept epoch 1 with 1.1000"
    )


def test_without_an_epoch_there_are_no_curves() -> None:
    assert draw_learning_curves([]) is None
    assert draw_learning_curves([candidate(epochs=0)]) is None


def test_the_same_content_gives_the_same_bytes() -> None:
    candidates = [candidate("a"), candidate("c")]

    assert draw_learning_curves(candidates) == draw_learning_curves(candidates)
    scores = scores_on_test(candidates, [REJECTED], [PROBE])
    first = draw_accuracies(scores, 0.5)
    assert first == draw_accuracies(scores, 0.5)
    assert first is not None
    assert b"tEXt" not in first.png
    assert b"tIME" not in first.png


def test_drawing_leaves_nothing_behind() -> None:
    before = dict(mpl.rcParams)

    draw_learning_curves([candidate()])

    assert dict(mpl.rcParams) == before


def test_a_picture_stands_within_markdown() -> None:
    text = Picture("what it shows", b"bytes").markdown()

    assert text == f"![what it shows](data:image/png;base64,{base64.b64encode(b'bytes').decode()})"
