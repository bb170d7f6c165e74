from __future__ import annotations

from tasks.reporting.more import more_of
from tests.tasks.reporting.test_page import account, answers
from tests.verdicts import candidate, contents

# Two pictures and the words.
MAX_BYTES = 250_000


def test_the_markdown_tells_of_curves_calibration_slices_mistakes_and_data() -> None:
    told = contents([], [candidate("a")], answers=(answers("a", 0.8),), accounts={"a": account()}, missing=("No <b>.",))

    lines = more_of(told)

    assert [line for line in lines if line.startswith("## ")] == [
        *("## ROC and precision–recall", "## Calibration", "## Slices", "## Mistakes", "## The data")
    ]
    roc, precision_recall = (line for line in lines if line.startswith("!["))
    assert roc.startswith("![ROC curves with pointwise 95 % bounds: a AUC 0.9663, ")
    assert precision_recall.startswith("![Precision by recall with pointwise 95 % bounds: a ")
    assert "<details><summary>The 5 most confident of 77 mistakes of a</summary>" in lines
    (first, *_) = (line for line in lines if line.startswith("- Is "))
    assert first == (
        "- Is **negative**, rated 3; the model says positive with 97.00% (`test/0/ab`). "
        r"Not good.\<br /\>\<br /\>Not bad."
    )
    assert "| rating | reviews | a |" in lines
    assert lines[-1] == r"- No \<b\>."
    assert len("\n".join(lines).encode()) < MAX_BYTES


def test_a_review_of_any_length_is_cut_and_one_without_words_says_nothing() -> None:
    long = more_of(contents([], [candidate("a")], accounts={"a": account("word " * 500)}))
    silent = more_of(contents([], [candidate("a")], accounts={"a": account(None)}))

    (line, *_) = (line for line in long if line.startswith("- Is "))
    assert line.endswith("word…")
    assert len(line) < 500
    (line, *_) = (line for line in silent if line.startswith("- Is "))
    assert line.endswith("(`test/0/ab`).")


def test_of_a_run_without_models_nothing_more_is_told() -> None:
    assert more_of(contents()) == []
