from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from scipy import stats

from benchmarks import promotion_lines
from benchmarks.promotion_lines import LENIENT, Line, by_greater, by_ledger, by_mcnemar
from benchmarks.simulated_models import ACCURACY, DataSet, Model
from benchmarks.simulated_years import GAINS, WEEKS, equal_year
from benchmarks.weekly_retrains import RESULTS, main, markdown, read_figures, summarize
from storage.records import CheckResult
from tasks.evaluation.metrics import evaluate, predicted_labels
from tasks.evaluation.paired import compare_accuracy
from tasks.promotion.ledger import alpha_for

DOCS = Path(__file__).parent.parent.parent / "docs" / "statistics.md"
MANY = 400_000


def data_set(seed: int, rows: int = 25_000) -> DataSet:
    return DataSet.draw(np.random.default_rng(seed), rows)


@pytest.fixture(scope="module")
def large() -> tuple[DataSet, Model]:
    """So many rows that a tenth of a point is seen, and a model of usual quality."""
    data = data_set(1, MANY)
    return data, data.train(ACCURACY)


# The simulated models are what they are said to be.


@pytest.mark.parametrize("gain", [0.0, *GAINS])
def test_a_model_is_better_by_what_is_said_and_an_equal_one_by_nothing(
    large: tuple[DataSet, Model], gain: float
) -> None:
    data, usual = large
    found = compare_accuracy(data.train(ACCURACY + gain / 100).correct, usual.correct)
    error = (found.upper - found.lower) / (2 * 1.96)
    assert error < 0.0006
    assert abs(found.difference - gain / 100) < 3.3 * error


def test_the_usual_model_has_its_accuracy_its_auc_and_its_share_of_disagreement(large: tuple[DataSet, Model]) -> None:
    data, usual = large
    strength = stats.norm.ppf(ACCURACY)
    assert usual.test.confusion.accuracy == pytest.approx(ACCURACY, abs=0.002)
    assert usual.test.auc == pytest.approx(stats.norm.cdf(math.sqrt(2) * strength), abs=0.0015)
    assert np.mean(usual.correct != data.train(ACCURACY).correct) == pytest.approx(0.1, abs=0.002)


def test_validation_rows_are_a_tenth_and_of_the_same_quality(large: tuple[DataSet, Model]) -> None:
    _, usual = large
    assert usual.validation.confusion.num_rows == MANY // 10
    assert usual.validation.confusion.accuracy == pytest.approx(ACCURACY, abs=0.006)


def test_the_rule_reads_what_the_projects_own_evaluation_would_tell_it() -> None:
    data, again = data_set(2, 2000), data_set(2, 2000)
    model = data.train(ACCURACY)
    again.score(again.validation, ACCURACY)
    probabilities = again.score(again.test, ACCURACY)
    assert np.array_equal(predicted_labels(probabilities) == data.test.labels, model.correct)
    assert replace(evaluate("test", data.test.labels, probabilities), metrics=()) == model.test


# Lines follow the rules.


def test_each_candidate_spends_its_share_and_at_most_one_of_a_run_is_promoted() -> None:
    data = data_set(3)
    line = Line(data.train(ACCURACY))
    better = [data.train(ACCURACY + 0.05) for _ in range(3)]
    after = by_ledger(line, better)
    assert (after.spent, after.promotions) == (3, 1)
    assert after.champion in better
    assert by_ledger(after, [data.train(ACCURACY)]) == replace(after, spent=4)


def test_without_a_ledger_the_same_evidence_is_enough_in_every_week() -> None:
    data = data_set(4)
    line = Line(data.train(ACCURACY))
    gained = data.train(ACCURACY + 0.006)
    late = replace(line, spent=51)
    assert by_mcnemar(late, [gained]).champion is by_greater(late, [gained]).champion is gained
    assert by_ledger(line, [gained]).champion is gained
    assert by_ledger(late, [gained]).champion is line.champion


def test_the_mark_stays_until_something_better_comes() -> None:
    data = data_set(9)
    first, equal, better = (data.train(ACCURACY + gain) for gain in (0, 0, 0.05))
    line = by_ledger(Line(first), [equal], LENIENT)
    assert (line.champion, line.mark) == (equal, first)
    assert by_ledger(Line(first), [equal], LENIENT, hold_mark=False).mark is None
    line = by_ledger(line, [better], LENIENT)
    assert (line.champion, line.mark) == (better, None)


def test_a_gate_that_has_nothing_to_do_with_the_champion_stops_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promotion_lines, "_CHECKS", (CheckResult("reload", "fail", {}, "", "other probabilities"),))
    data = data_set(6, 1000)
    with pytest.raises(RuntimeError, match="decided, and only those against the champion should"):
        by_ledger(Line(data.train(ACCURACY)), [data.train(ACCURACY)])


# The simulation as a whole.


def test_a_few_small_years_give_sane_figures(tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    arguments = ["--years", "4", "--rows", "2000", "--workers", "1", "--output", str(output)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    figures = read_figures(output)
    assert markdown(figures) in result.output
    assert all(math.isfinite(figure.value) and figure.standard_error >= 0 for figure in figures.values())
    assert all(figure.lower <= figure.value <= figure.upper for figure in figures.values())
    assert 2 < figures["equal/1 a week/bare `>`/promotions"].value < 6
    assert figures["equal/1 a week/the rule/any"].value <= figures["equal/1 a week/McNemar at 0.05/any"].value
    assert figures["power/2.0/week 1"].value > figures["power/2.0/week 52"].value
    assert figures["simulated/discordance"].value == pytest.approx(0.1, abs=0.01)
    assert json.loads(output.read_text(encoding="utf-8"))["rows"] == 2000


def test_the_same_seed_gives_the_same_year() -> None:
    first, again, other = (equal_year(np.random.default_rng(seed), 2000, candidates=(1,)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_what_is_true_in_some_years_is_a_share_with_an_exact_interval() -> None:
    figures = summarize([{"any": True, "number": 2}, {"any": False, "number": 4}, {"any": False}])
    assert figures["any"].value == pytest.approx(1 / 3)
    assert (figures["any"].lower, figures["any"].upper) == pytest.approx((0.0084, 0.9057), abs=1e-4)
    assert (figures["number"].value, figures["number"].standard_error, figures["number"].years) == (3, 1, 2)


def chance_of_any(alphas: npt.NDArray[np.float64]) -> float:
    """That one of several normal scores, all less the same champion's, passes its own bound."""
    bounds = math.sqrt(2) * stats.norm.isf(alphas)
    champion = np.linspace(-8, 8, 4001)
    none = np.exp(stats.norm.logcdf(champion[:, None] + bounds).sum(axis=1))
    return 1 - float(np.trapezoid(stats.norm.pdf(champion) * none, champion))


@pytest.mark.parametrize(("rule", "expected"), [("the rule", 0.039), ("McNemar at 0.05", 0.475)])
def test_the_stored_simulation_agrees_with_an_integral(rule: str, expected: float) -> None:
    alphas = np.array([alpha_for(index, 0.05) if rule == "the rule" else 0.05 for index in range(WEEKS)])
    assert chance_of_any(alphas) == pytest.approx(expected, abs=0.0005)
    figure = read_figures()[f"equal/1 a week/{rule}/any"]
    assert figure.lower < chance_of_any(alphas) < figure.upper


# What the documentation says is what was simulated.


def test_the_stored_simulation_is_large_enough() -> None:
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert stored["rows"] == 25_000
    spurious = read_figures()["equal/1 a week/the rule/any"]
    assert spurious.years >= 1000
    assert spurious.standard_error <= 0.007
    assert spurious.value <= 0.05


def test_the_tables_of_the_documentation_are_those_of_the_stored_figures() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for table in markdown(read_figures()).split("\n\n"):
        assert table.strip("\n") in text


SENTENCES = {
    "simulated/discordance": "two of them disagree on {} of the rows",
    "equal/1 a week/the rule/any": "The rule promotes at least one model by luck in {} of the years",
    "equal/1 a week/McNemar at 0.05/any": "a plain McNemar test in {}",
    "power/0.5/week 1": "is promoted with a probability of {} at the first comparison on a test set",
    "power/0.5/week 26": "and of {} at the 26th",
    "power/0.5/McNemar": "A plain test at 0.05 finds it with {} in the first week",
    "power/1.0/week 26": "What is better by 1 point is found with {} at the 26th comparison",
    "power/1.0/week 52": "and with {} at the 52nd",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_number_in_the_text_of_the_documentation_is_the_stored_one(name: str) -> None:
    text = " ".join(DOCS.read_text(encoding="utf-8").split())
    assert SENTENCES[name].format(f"{100 * read_figures()[name].value:.1f} %") in text
