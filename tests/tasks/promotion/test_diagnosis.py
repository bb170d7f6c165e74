from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from storage.options import GateOptions
from storage.records import CheckResult, Standing, Suspect
from tasks.promotion.diagnosis import diagnose
from tasks.promotion.rule import Assessment, decide
from tests.tasks.promotion.conftest import (
    ADVANCED,
    BASELINE,
    BETTER,
    RELOADED,
    WORSE,
    balanced,
    check,
    evaluation,
    failed,
    validation,
)

ORDER = get_args(Standing)
OF_TEST_ALONE = ["alignment", "split", "scaling", "labels of test", "leakage"]
OF_BOTH = ["padding mask", "too few epochs", "learning rate", "threshold or output", "reviews"]

# The checks that clear a cause, by the cause.
CLEARING = {
    "alignment": ("train/test alignment", "row alignment"),
    "split": ("split",),
    "scaling": ("consistent scaler",),
    "labels of test": ("probe",),
    "leakage": ("leakage",),
    "padding mask": ("padding",),
    "too few epochs": ("convergence",),
    "learning rate": ("convergence",),
    "threshold or output": ("degenerate predictions",),
    "reviews": ("label balance", "degenerate reviews", "label association"),
}
AT_CHANCE = Assessment("run/weak", validation(0.502), evaluation(balanced(12_520, 25_000), 0.503), (RELOADED,), None)


def why(assessment: Assessment, options: GateOptions = GateOptions()) -> dict[str, Suspect]:
    """The diagnosis of a rejection, by cause, in its order."""
    (decision,) = decide([assessment], options)
    assert not decision.promote
    by_cause = {suspect.cause: suspect for suspect in decision.diagnosis}
    assert len(by_cause) == len(decision.diagnosis)
    return by_cause


def causes(found: dict[str, Suspect], standing: Standing) -> list[str]:
    return [cause for cause, suspect in found.items() if suspect.standing == standing]


def with_checks(assessment: Assessment, *checks: CheckResult) -> Assessment:
    return replace(assessment, checks=(*checks, RELOADED))


def passing(*names: str) -> tuple[CheckResult, ...]:
    return tuple(check(name) for name in names)


ALL_PASS = passing(*dict.fromkeys(name for names in CLEARING.values() for name in names))


# The notebook's case: validation 0.8756, test 0.4904.


def test_without_checks_the_notebooks_collapse_points_to_alignment_split_and_scaling_first() -> None:
    found = why(with_checks(ADVANCED))
    assert list(found)[:3] == ["alignment", "split", "scaling"]
    assert causes(found, "likely") == OF_TEST_ALONE[:4]
    # Rows that stand in train too flatter validation; they do not bring test down to guessing.
    assert causes(found, "possible") == ["leakage"]
    assert causes(found, "ruled out") == [*OF_BOTH, "bundle"]
    assert causes(found, "shown") == []


def test_the_evidence_of_the_notebooks_case_is_its_numbers() -> None:
    found = why(with_checks(ADVANCED))
    numbers = "validation accuracy is 0.8756 on 2,500 rows, test accuracy is 0.4904 on 25,000 rows"
    for cause in (*OF_TEST_ALONE, *OF_BOTH):
        assert numbers in found[cause].evidence
    for cause in OF_BOTH:
        assert "it would hit validation as well" in found[cause].evidence


def test_a_gap_without_a_collapse_makes_leakage_as_likely_as_the_rest() -> None:
    found = why(replace(with_checks(BASELINE), validation=validation(0.95)))
    assert causes(found, "likely") == OF_TEST_ALONE


@pytest.mark.parametrize("cause", OF_TEST_ALONE)
def test_checks_that_pass_clear_their_cause_and_no_other(cause: str) -> None:
    found = why(with_checks(ADVANCED, *passing(*CLEARING[cause])))
    assert found[cause].standing == "ruled out"
    assert all(f"{name!r} passed: {name} was measured" in found[cause].evidence for name in CLEARING[cause])
    suspected = [*causes(found, "likely"), *causes(found, "possible")]
    assert suspected == [other for other in OF_TEST_ALONE if other != cause]


@pytest.mark.parametrize(
    ("cause", "name"), [(cause, name) for cause, names in CLEARING.items() for name in names if name != "convergence"]
)
@pytest.mark.parametrize("assessment", [ADVANCED, AT_CHANCE], ids=["test alone", "both alike"])
def test_a_check_that_fails_shows_its_cause_first_whatever_the_pattern(
    assessment: Assessment, cause: str, name: str
) -> None:
    found = why(with_checks(assessment, *passing("split", "padding"), check(name, "fail", "3 rows are wrong")))
    first = next(iter(found.values()))
    assert (first.cause, first.standing, first.evidence) == (cause, "shown", "3 rows are wrong")


def test_of_a_causes_two_checks_one_that_fails_is_enough() -> None:
    found = why(with_checks(ADVANCED, check("train/test alignment"), check("row alignment", "fail", "shuffled")))
    assert (found["alignment"].standing, found["alignment"].evidence) == ("shown", "shuffled")


def test_a_check_that_was_turned_off_clears_nothing() -> None:
    found = why(with_checks(ADVANCED, check("split", "off"), check("padding", "off")))
    assert found["split"].standing == "likely"
    assert "passed" not in found["padding mask"].evidence


@pytest.mark.parametrize(
    ("cause", "name", "evidence"),
    [
        ("labels of test", "probe", "too few rows to probe: each class of train needs 20, of 21 rows"),
        ("labels of test", "probe", "too few rows to tell test from chance; accuracy of a linear model: test 0.5"),
        (
            "threshold or output",
            "degenerate predictions",
            "a test set of 10 rows says nothing of a model's predictions",
        ),
        ("threshold or output", "degenerate predictions", "all 9 test rows are of class 1: nothing can be said of it"),
        ("reviews", "label association", "nothing could be measured: no split has rows of both labels"),
        ("padding mask", "padding", "there are no test rows to pad"),
    ],
)
def test_a_check_that_had_too_little_to_measure_is_no_evidence(cause: str, name: str, evidence: str) -> None:
    """It neither makes a cause more likely nor clears it: the scores alone speak, as if it had not been made."""
    for assessment in (ADVANCED, AT_CHANCE):
        assert why(with_checks(assessment, check(name, "warn", evidence))) == why(with_checks(assessment))


@pytest.mark.parametrize(
    ("assessment", "standing"), [(ADVANCED, "likely"), (AT_CHANCE, "possible")], ids=["fits", "does not fit"]
)
def test_a_warning_weighs_as_much_as_it_fits_the_pattern(assessment: Assessment, standing: Standing) -> None:
    found = why(with_checks(assessment, check("split", "warn", "a little lopsided")))
    assert (found["split"].standing, found["split"].evidence) == (standing, "a little lopsided")


# At chance on both splits.


def test_a_model_at_chance_on_both_splits_points_to_the_mask_the_epochs_and_the_learning_rate() -> None:
    found = why(with_checks(AT_CHANCE))
    assert list(found)[:3] == ["padding mask", "too few epochs", "learning rate"]
    assert causes(found, "likely") == OF_BOTH
    assert causes(found, "ruled out") == [*OF_TEST_ALONE, "bundle"]
    for cause in OF_TEST_ALONE:
        assert "it would spare validation" in found[cause].evidence
        assert "validation accuracy is 0.5020" in found[cause].evidence


@pytest.mark.parametrize(
    ("verdict", "evidence", "standings"),
    [
        ("fail", "too few epochs: still falling in the last of 2", ("shown", "ruled out")),
        ("fail", "learning rate too high: best in epoch 1 of 5", ("ruled out", "shown")),
        ("warn", "validation loss was still falling in the last of 5 allowed epochs", ("likely", "ruled out")),
        ("warn", "validation loss was best in epoch 1 of 5, and higher in all others", ("ruled out", "likely")),
        ("fail", "the validation loss of 2 of 5 epochs is not finite", ("ruled out", "shown")),
        ("fail", "no epoch was recorded", ("shown", "shown")),
        ("pass", "validation loss was best in epoch 3 of 5", ("ruled out", "ruled out")),
    ],
)
def test_what_the_check_of_convergence_says_tells_epochs_and_learning_rate_apart(
    verdict: str, evidence: str, standings: tuple[Standing, Standing]
) -> None:
    found = why(with_checks(AT_CHANCE, replace(check("convergence"), verdict=verdict, evidence=evidence)))  # type: ignore[arg-type]
    assert (found["too few epochs"].standing, found["learning rate"].standing) == standings
    for cause, standing in zip(("too few epochs", "learning rate"), standings, strict=True):
        if standing != "ruled out":
            assert found[cause].evidence == evidence
        elif verdict != "pass":
            assert found[cause].evidence == "the check 'convergence' found another cause"


# Nothing that a check knows.


@pytest.mark.parametrize(
    ("assessment", "cause"),
    [(ADVANCED, "another population"), (AT_CHANCE, "weak model")],
    ids=["test alone", "both alike"],
)
def test_where_every_check_passed_something_else_is_possible(assessment: Assessment, cause: str) -> None:
    found = why(with_checks(assessment, *ALL_PASS))
    assert next(iter(found)) == cause
    assert causes(found, "possible") == [cause]
    assert set(causes(found, "ruled out")) == set(found) - {cause}
    assert "every check passed" in found[cause].evidence


def test_a_model_that_a_linear_one_beats_is_weak() -> None:
    beaten = with_checks(BASELINE, *ALL_PASS[:3], check("probe", test_accuracy=0.89))
    found = why(beaten, GateOptions(beat_probe=True))
    assert causes(found, "likely") == OF_BOTH


def test_a_bundle_that_is_another_model_is_shown() -> None:
    changed = replace(RELOADED, verdict="fail", evidence="3 of 256 rows differ")
    found = why(replace(BASELINE, checks=(check("split"), changed)))
    assert causes(found, "shown") == ["bundle"]
    assert found["bundle"].evidence == "3 of 256 rows differ"


def test_a_failure_that_no_cause_explains_is_shown_as_the_gate_tells_it() -> None:
    found = why(replace(BASELINE, checks=()))
    assert causes(found, "shown") == ["all checks passed", "reload"]
    assert found["reload"].evidence == "the bundle was not loaded back"
    found = why(with_checks(BASELINE, *ALL_PASS, check("spelling", "fail", "nobody can spell")))
    assert causes(found, "shown") == ["all checks passed"]
    assert "nobody can spell" in found["all checks passed"].evidence


# No fault at all.


@pytest.mark.parametrize("checks", [(), ALL_PASS], ids=["no checks", "all checks"])
@pytest.mark.parametrize("options", [GateOptions(), GateOptions(comparison="non-inferiority")])
def test_to_lose_only_to_the_champion_is_no_fault(checks: tuple[CheckResult, ...], options: GateOptions) -> None:
    found = why(replace(with_checks(BASELINE, *checks), comparison=WORSE), options)
    assert next(iter(found)) == "no better than the champion"
    assert causes(found, "shown") == ["no better than the champion"]
    assert causes(found, "likely") == causes(found, "possible") == []
    assert "1,300 rows against 1,600" in found["no better than the champion"].evidence
    assert "nothing has to be repaired" in found["no better than the champion"].remedy


@pytest.mark.parametrize("mark", [WORSE, replace(BETTER, auc_difference=-0.05)], ids=["in accuracy", "in the AUC"])
def test_to_fall_short_of_the_mark_alone_is_no_fault(mark: object) -> None:
    found = why(replace(BASELINE, comparison=BETTER, mark=mark))  # type: ignore[arg-type]
    assert causes(found, "shown") == ["no better than the champion"]


@pytest.mark.parametrize("assessment", [ADVANCED, AT_CHANCE], ids=["test alone", "both alike"])
def test_a_broken_model_that_loses_to_the_champion_too_has_to_be_repaired(assessment: Assessment) -> None:
    alone, losing = why(assessment), why(replace(assessment, comparison=WORSE))
    assert list(alone.values()) == list(losing.values())
    assert not any("nothing has to be repaired" in suspect.remedy for suspect in losing.values())


def test_a_failed_check_is_not_excused_by_a_lost_comparison() -> None:
    found = why(replace(with_checks(BASELINE, check("padding", "fail", "logits move")), comparison=WORSE))
    assert causes(found, "shown") == ["padding mask"]


def test_a_sound_model_whose_sister_is_preferred_has_no_fault() -> None:
    decisions = decide(
        [BASELINE, replace(BASELINE, candidate_id="run/sister", validation=validation(0.834))], GateOptions()
    )
    loser, winner = decisions
    assert failed(loser) == ["best of its run"]
    (first,) = loser.diagnosis
    assert (first.cause, first.standing) == ("no better than its sister", "shown")
    assert "run/sister" in first.evidence
    assert winner.diagnosis == ()


def test_a_champion_that_cannot_be_scored_is_what_has_to_be_repaired() -> None:
    found = why(replace(BASELINE, comparison="its bundle is damaged"))
    assert causes(found, "shown") == ["champion cannot be scored"]
    suspect = found["champion cannot be scored"]
    assert "its bundle is damaged" in suspect.evidence
    assert "retrain rollback" in suspect.remedy
    assert "replace_unscorable_champion" in suspect.remedy


@pytest.mark.parametrize("is_forced", [False, True])
def test_a_damaged_champion_is_told_where_its_mark_is_not_reached_as_well(is_forced: bool) -> None:
    """To force the replacement would be of no use, and the champion that stays is not sound."""
    options = GateOptions(replace_unscorable_champion=is_forced)
    found = why(replace(BASELINE, comparison="its bundle is damaged", mark=WORSE), options)
    assert causes(found, "shown") == ["champion cannot be scored", "no better than the champion"]
    assert "its bundle is damaged" in found["champion cannot be scored"].evidence
    assert "retrain rollback" in found["champion cannot be scored"].remedy
    assert "against run/old" in found["no better than the champion"].evidence
    assert not any("nothing has to be repaired" in suspect.remedy for suspect in found.values())
    assert not any("gates.replace_unscorable_champion" in suspect.remedy for suspect in found.values())


# Every diagnosis.


@pytest.mark.parametrize(
    "assessment",
    [
        ADVANCED,
        AT_CHANCE,
        with_checks(ADVANCED, *ALL_PASS),
        with_checks(AT_CHANCE, *ALL_PASS),
        with_checks(ADVANCED, check("leakage", "fail"), check("padding", "warn"), check("split")),
        replace(BASELINE, comparison=WORSE),
        replace(BASELINE, comparison="gone"),
        replace(BASELINE, checks=()),
    ],
    ids=["test", "both", "test, cleared", "both, cleared", "mixed", "lost", "unscored", "unchecked"],
)
def test_every_suspect_has_evidence_and_a_remedy_and_the_strongest_come_first(assessment: Assessment) -> None:
    suspects = list(why(assessment).values())
    assert suspects
    standings = [ORDER.index(suspect.standing) for suspect in suspects]
    assert standings == sorted(standings)
    assert suspects[0].standing != "ruled out"
    for suspect in suspects:
        assert suspect.evidence
        assert suspect.remedy
        assert "\n" not in suspect.evidence + suspect.remedy


def test_without_a_failed_gate_nothing_is_suspected() -> None:
    assert diagnose((), BASELINE.validation, BASELINE.test, ()) == ()
