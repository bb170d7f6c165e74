from __future__ import annotations

import json
import math
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from storage.errors import OptionError
from storage.options import CheckOptions, OptionGroup, RunOptions, TrainingOptions
from storage.records import MODEL_NAMES, CheckAction

# option, accepted at both ends, refused beyond them
BOUNDS: list[tuple[str, list[Any], list[Any]]] = [
    ("epochs", [1, 1000], [0, 1001, 1.5, "many"]),
    ("seed", [0, 2**32 - 1], [-1, 2**32]),
    ("sample_size", [0, 1], [-1]),
    ("data.validation_share", [1e-9, 0.499], [0, 0.5]),
    ("data.test_share", [1e-9, 0.999], [0, 1]),
    ("data.vocabulary_size", [10, 1_000_000], [9, 1_000_001]),
    ("data.max_rows", [1], [0]),
    ("data.max_text_length", [1], [0]),
    ("data.split_seed", [0, 2**32 - 1], [-1, 2**32]),
    ("data.max_uncompressed_bytes", [1], [0]),
    ("synthetic.num_train", [20, 1_000_000], [19, 1_000_001]),
    ("synthetic.num_test", [20, 1_000_000], [19, 1_000_001]),
    ("synthetic.label_noise", [0, 0.499], [-0.001, 0.5]),
    ("features.num_words", [10, 1_000_000], [9, 1_000_001]),
    ("features.start_index", [1], [0]),
    ("features.oov_index", [1], [0]),
    ("features.index_from", [0], [-1]),
    ("features.max_length_percentile", [0.1, 100], [0, 100.1]),
    ("checks.max_refused_share", [0, 0.999], [-0.001, 1]),
    ("checks.min_class_share", [0, 0.5], [-0.001, 0.501]),
    ("checks.max_split_effect", [1e-9, 1], [0, 1.001]),
    ("checks.max_leaked_share", [0, 1], [-0.001, 1.001]),
    ("checks.max_repeated_share", [0, 1], [-0.001, 1.001]),
    ("checks.max_contradicting_share", [0, 1], [-0.001, 1.001]),
    ("checks.near_duplicate_similarity", [0.5, 1], [0.499, 1.001]),
    ("checks.max_degenerate_share", [0, 1], [-0.001, 1.001]),
    ("checks.max_oov_share", [0, 1], [-0.001, 1.001]),
    ("checks.max_association", [0.501, 1], [0.5, 1.001]),
    ("checks.max_probe_gap", [0, 1], [-0.001, 1.001]),
    ("checks.max_drift_effect", [1e-9, 1], [0, 1.001]),
    ("checks.max_drift_auc", [0.501, 1], [0.5, 1.001]),
    ("checks.padding_tolerance", [1e-9], [0, -1e-9]),
    ("checks.reload_tolerance", [1e-9], [0, -1e-9]),
    ("synthetic.seed", [0, 2**32 - 1], [-1, 2**32]),
    ("training.batch_size", [0, 65_536], [-1, 65_537]),
    ("training.learning_rate", [1e-9, 1], [0, 1.001]),
    ("training.clip_norm", [1e-9], [0]),
    ("training.early_stopping_patience", [0, 100], [-1, 101]),
    ("training.plateau_patience", [0, 100], [-1, 101]),
    ("training.timeout_minutes", [0, 0.5], [-0.001]),
    ("gates.chance_alpha", [1e-9, 0.499], [0, 0.5]),
    ("gates.accuracy_margin", [0, 0.5], [-0.001, 0.501]),
    ("gates.auc_margin", [0, 0.5], [-0.001, 0.501]),
    ("gates.inversion_alpha", [1e-9, 0.499], [0, 0.5]),
    ("gates.recall_floor", [0, 1], [-0.001, 1.001]),
    ("gates.validation_gap_margin", [0, 1], [-0.001, 1.001]),
    ("gates.comparison_alpha", [1e-9, 0.499], [0, 0.5]),
    ("gates.accuracy_loss_margin", [0, 0.5], [-0.001, 0.501]),
    ("gates.auc_loss_margin", [0, 0.5], [-0.001, 0.501]),
    ("approval.timeout_minutes", [1, 43_200], [0, 43_201]),
]


def nested(name: str, value: Any) -> dict[str, Any]:
    for part in reversed(name.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def groups() -> list[OptionGroup]:
    options = RunOptions()
    parts = [getattr(options, name) for name in RunOptions.model_fields]
    return [options, *(part for part in parts if isinstance(part, OptionGroup))]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, good, _ in BOUNDS for value in good])
def test_a_value_at_its_bound_is_accepted(name: str, value: Any) -> None:
    found: Any = RunOptions.parse(**nested(name, value))
    for part in name.split("."):
        found = getattr(found, part)

    assert found == value


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, _, bad in BOUNDS for value in bad])
def test_a_value_beyond_its_bound_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"^option '{name}' cannot be {value!r}: .*[^.][.]$"):
        RunOptions.parse(**nested(name, value))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", [name for name, good, _ in BOUNDS if isinstance(good[-1], float) or "." in name])
def test_what_is_not_a_number_is_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=f"^option '{name}' cannot be "):
        RunOptions.parse(**nested(name, value))


@pytest.mark.parametrize("name", ["epoch", "gates.chance_alfa", "data.split_sed"])
def test_a_misspelt_option_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(OptionError) as caught:
        RunOptions.parse(**nested(name, 3))

    assert str(caught.value) == f"option '{name}' cannot be 3: extra inputs are not permitted."


def test_every_bounded_option_is_tried_at_its_bounds() -> None:
    def is_number(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)

    flat = [name for name in RunOptions.model_fields if is_number(getattr(RunOptions(), name))]
    grouped = [
        f"{group}.{name}"
        for group, part in RunOptions()
        if isinstance(part, OptionGroup)
        for name, value in part
        if is_number(value)
    ]

    # Ratings have whatever scale the source gives them.
    scales = {"columns.negative_ratings_to", "columns.positive_ratings_from"}
    assert {name for name, _, _ in BOUNDS} | scales == {*flat, *grouped}


def test_labels_are_words_in_any_case_each_of_one_meaning() -> None:
    columns = RunOptions.parse(columns={"negative_labels": "Bad, POOR", "positive_labels": ["Good"]}).columns
    assert (columns.negative_labels, columns.positive_labels) == (("bad", "poor"), ("good",))
    for wrong in (
        {"negative_labels": "good", "positive_labels": "Good"},
        {"negative_labels": ()},
        {"negative_ratings_to": 5, "positive_ratings_from": 5},
    ):
        with pytest.raises(OptionError):
            RunOptions.parse(columns=wrong)


@pytest.mark.parametrize("action", get_args(CheckAction))
@pytest.mark.parametrize("check", [name for name, value in CheckOptions() if isinstance(value, str)])
def test_every_check_can_fail_warn_or_be_turned_off(check: str, action: str) -> None:
    assert getattr(RunOptions.parse(checks={check: action}).checks, check) == action
    with pytest.raises(OptionError, match=f"^option 'checks.{check}' cannot be 'ignore'"):
        RunOptions.parse(checks={check: "ignore"})


def test_by_default_nothing_is_waived() -> None:
    options = RunOptions()

    assert options.gates.comparison == "superiority"
    assert not options.gates.replace_unscorable_champion
    actions = {name: value for name, value in options.checks if isinstance(value, str)}
    assert {name for name, action in actions.items() if action != "fail"} == {"drift"}


@pytest.mark.parametrize("comparison", ["equality", "", "Superiority"])
def test_an_unknown_kind_of_comparison_is_refused_and_the_known_ones_are_named(comparison: str) -> None:
    assert RunOptions.parse(gates={"comparison": "non-inferiority"}).gates.comparison == "non-inferiority"
    with pytest.raises(OptionError, match="'superiority' or 'non-inferiority'"):
        RunOptions.parse(gates={"comparison": comparison})


def test_an_unknown_model_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(OptionError) as caught:
        RunOptions.parse(models=("baseline_avgpool", "bert"))

    assert "'models.1' cannot be 'bert'" in str(caught.value)
    assert all(name in str(caught.value) for name in MODEL_NAMES)


def test_no_models_are_refused() -> None:
    with pytest.raises(OptionError, match=r"option 'models' cannot be \(\)"):
        RunOptions.parse(models=())


def test_the_same_model_twice_is_refused() -> None:
    with pytest.raises(OptionError, match="models"):
        RunOptions.parse(models=(MODEL_NAMES[0], MODEL_NAMES[0]))


def test_both_models_are_trained_by_default() -> None:
    assert RunOptions().models == MODEL_NAMES == ("baseline_avgpool", "advanced_bilstm_features")


@pytest.mark.parametrize("group", groups(), ids=lambda group: type(group).__name__)
def test_options_cannot_be_changed(group: OptionGroup) -> None:
    name = next(iter(type(group).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(group, name, getattr(group, name))


@pytest.mark.parametrize("group", groups(), ids=lambda group: type(group).__name__)
def test_every_option_is_explained_where_a_form_shows_it(group: OptionGroup) -> None:
    unexplained = [
        name
        for name, field in type(group).model_fields.items()
        if not field.description and not isinstance(getattr(group, name), OptionGroup)
    ]

    assert unexplained == []


def test_what_cannot_change_the_weights_does_not_decide() -> None:
    other = TrainingOptions(at_once=True, timeout_minutes=3)
    assert other.what_decides() == TrainingOptions().what_decides()
    assert set(other.what_decides()) == set(TrainingOptions.model_fields) - {"at_once", "timeout_minutes"}
    assert TrainingOptions(batch_size=7).what_decides() != TrainingOptions().what_decides()


def test_options_come_back_from_json_as_they_were() -> None:
    options = RunOptions.parse(epochs=3, models=(MODEL_NAMES[1],), gates={"recall_floor": 0.25}, dry_run=True)

    assert RunOptions.parse(**json.loads(options.model_dump_json())) == options
    assert options.gates.recall_floor == 0.25
    assert options != RunOptions()
