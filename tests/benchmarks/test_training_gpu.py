from __future__ import annotations

from benchmarks.figures import read_figures
from benchmarks.training_gpu import RESULTS, WAYS, figures_of

EPOCHS = {
    "ours": [2.0, 2.2, 2.4],
    "ours, float32": [4.4, 4.4, 4.4],
    "ours, grown": [0.6, 0.7, 0.8],
    "torch-by-length": [2.0, 2.0, 2.0],
    "cudnn": [1.1, 1.1, 1.1],
    "torch": [4.4, 4.4, 4.4],
    "notebook": [8.8, 8.8, 8.8],
    "ours, baseline": [0.1, 0.1, 0.1],
    "notebook, baseline": [0.4, 0.4, 0.4],
}


def test_ours_is_held_against_each_other_way() -> None:
    assert EPOCHS.keys() == WAYS.keys()
    figures = figures_of(EPOCHS)

    assert [(figure.against, round(figure.ratio or 0, 2), figure.reached) for figure in figures] == [
        ("a plain loop of PyTorch on the same batches", 1.1, True),
        ("its LSTMs alone on the same batches", 2.0, None),
        ("a plain loop of PyTorch", 0.5, None),
        ("the notebook's way", 0.25, None),
        ("float32", 0.5, None),
        (None, 0.0, True),
        ("the notebook's way", 0.25, None),
    ]
    assert figures[5].ours == 0.7


def test_more_than_a_tenth_slower_than_the_plain_loop_is_too_slow() -> None:
    assert figures_of(EPOCHS | {"ours": [2.3, 2.3, 2.3]})[0].reached is False
    assert figures_of(EPOCHS | {"ours, grown": [2.1, 2.1, 2.1]})[5].reached is False


def test_the_stored_figures_reach_the_targets() -> None:
    stored = read_figures(RESULTS)

    assert len(stored) == len(figures_of(EPOCHS))
    assert all(figure.reached is not False for figure in stored)
