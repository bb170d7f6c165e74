from __future__ import annotations

from dataclasses import replace

from storage.records import CheckResult, Observation, Watched
from tasks.reporting.champion import champion_page

SEEN = Observation("imdb", 2, "r0/a", 300, 200, 0.7, 0.63, 0.76, 0.75, 0.9, 0.45, 0.5, "degraded", "accuracy fell")
ACCURACY = CheckResult(
    "accuracy since promotion", "fail", {"promoted_rows": 1000}, "at most 0.05 lost", "at least 0.09 are lost"
)
DRIFT = CheckResult("drift", "warn", {"effect": 0.3}, "effect size at most 0.2", "longer | than before", action="warn")
HEADLINE = "the champion of imdb has degraded: accuracy fell"


def page(seen: Observation = SEEN, *results: CheckResult) -> list[str]:
    return champion_page("r1", Watched(seen, results or (ACCURACY, DRIFT), "imdb"), HEADLINE).splitlines()


def test_the_page_says_how_the_champion_does_and_then_on_what() -> None:
    assert page()[:4] == [
        "# the champion of imdb has degraded",
        "accuracy fell.",
        "",
        "Run `r1` watched `r0/a`, number 2 of line **imdb**, on 200 new of 300 labelled reviews.",
    ]


def test_today_stands_beside_the_promotion_with_exact_bounds() -> None:
    lines = page()

    picture = next(line for line in lines if line.startswith("!["))
    assert picture.startswith(
        "![Accuracy with exact 95 % bounds: today 0.7000 (0.6300 to 0.7600); at promotion 0.9000 (0.8797 to 0.9179); "
        "share of the more frequent label 0.5000](data:image/png;base64,"
    )
    assert "| accuracy today | 0.7000 [0.6300, 0.7600] |" in lines
    assert "| accuracy at promotion | 0.9000 [0.8797, 0.9179] |" in lines
    assert "| AUC today | 0.7500 |" in lines
    assert "| predicted positive / positive | 45.0% / 50.0% |" in lines


def test_what_was_measured_of_drift_stands_below() -> None:
    lines = page()
    assert lines[lines.index("## Checks of the champion") + 2 :] == [
        "- ✗ fail **accuracy since promotion**: at least 0.09 are lost. *Bound: at most 0.05 lost.*",
        r"- ! warn **drift**: longer \| than before. *Bound: effect size at most 0.2.*",
    ]


def test_without_a_new_row_only_the_promotion_is_known() -> None:
    nothing = replace(
        SEEN, num_new=0, accuracy=None, lower=None, upper=None, auc=None, predicted_positive=None, positive=None
    )
    lines = page(nothing, replace(ACCURACY, verdict="warn", measured={"rows": 0}))

    assert not [line for line in lines if line.startswith("| accuracy today")]
    assert "| accuracy at promotion | 0.9000 |" in lines
    assert "| AUC today | - |" in lines
    assert "| predicted positive / positive | - / - |" in lines
