from __future__ import annotations

from storage.options import GateOptions, RunOptions
from tasks.reporting.options import Difference, chosen, differences, flattened


def test_options_are_named_as_the_command_line_names_them() -> None:
    flat = flattened(RunOptions(epochs=3, gates=GateOptions(recall_floor=0.6)).model_dump(mode="json"))
    assert flat["epochs"] == 3
    assert flat["gates.recall_floor"] == 0.6


def test_only_what_is_not_alike_differs() -> None:
    found = differences({"a": 1, "b": 2, "c": 0}, {"d": 0, "b": 3, "a": 1})
    assert found == (Difference("b", 2, 3), Difference("c", 0, None), Difference("d", None, 0))


def test_what_was_chosen_is_what_is_not_as_by_default() -> None:
    options = RunOptions(source="imdb", gates=GateOptions(recall_floor=0.6)).model_dump(mode="json")
    assert chosen(options) == {"source": "imdb", "gates.recall_floor": 0.6}
    assert chosen(RunOptions().model_dump(mode="json")) == {}
    assert chosen({"line": "imdb", "to": 3}) == {"line": "imdb", "to": 3}
