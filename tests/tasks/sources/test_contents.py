from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import SourceError
from storage.options import ColumnOptions, DataOptions
from tasks.sources.base import RawRows
from tasks.sources.contents import CheckedRows, Refusal, read_labelled, read_unlabelled

Values = Sequence[str | None]


@dataclass(frozen=True)
class InMemory:
    """A source of texts that has its rows at hand, and hands them over three at a time."""

    columns: Mapping[str, Values]
    faults: Mapping[int, str] = field(default_factory=dict)
    batch_rows: int = 3
    origin: str = "reviews.csv"
    sha256: str = ""

    def column_names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def batches(self, columns: Sequence[str]) -> Iterator[RawRows]:
        num_rows = len(next(iter(self.columns.values())))
        for begin in range(0, num_rows, self.batch_rows):
            rows = range(begin, min(begin + self.batch_rows, num_rows))
            yield RawRows(
                places=[f"row {row + 1}" for row in rows],
                columns={
                    name: [None if row in self.faults else self.columns[name][row] for row in rows] for name in columns
                },
                faults={row - begin: self.faults[row] for row in rows if row in self.faults},
            )


def labelled(source: InMemory, data: DataOptions | None = None, **columns: object) -> list[CheckedRows]:
    return list(read_labelled(source, ColumnOptions.model_validate(columns), data or DataOptions()))


def texts(batches: list[CheckedRows]) -> list[str]:
    return [text for rows in batches for text in rows.texts.to_pylist()]


def labels(batches: list[CheckedRows]) -> list[int]:
    return [int(label) for rows in batches if rows.labels is not None for label in rows.labels]


def refusals(batches: list[CheckedRows]) -> list[Refusal]:
    return [refusal for rows in batches for refusal in rows.refusals]


def reason(**values: str | None) -> str:
    """Why the middle one of three rows is refused; the other two are good ones."""
    good = {"text": "good", "label": "1", "split": "train", "rating": "9"}
    roles = {"text", "label", *values}
    source = InMemory({role: [good[role], values.get(role, good[role]), good[role]] for role in roles - {"id"}})
    source = InMemory({**source.columns, "id": ["a", values.get("id", "b"), "c"]})
    batches = labelled(source, DataOptions(max_text_length=10), label_from="rating" if "rating" in values else "label")
    [refusal] = refusals(batches)
    assert refusal.position == 1
    assert refusal.place == "row 2"
    assert [int(position) for rows in batches for position in rows.positions] == [0, 2]
    return refusal.reason


# Usable rows.


def test_well_formed_rows_give_exactly_their_texts_labels_splits_and_ids() -> None:
    source = InMemory({
        "id": ["a", "b", "c", "d"],
        "text": ["good", " bad\n", "café 😀", "so, so"],
        "label": ["1", "0", "pos", "NEGATIVE"],
        "split": ["train", "Test", "dev", " Training "],
        "other": ["", "", "", ""],
    })  # fmt: skip
    first, second = labelled(source)
    assert first.texts.to_pylist() == ["good", " bad\n", "café 😀"]
    assert first.labels is not None
    assert first.labels.dtype == np.uint8
    assert first.labels.tolist() == [1, 0, 1]
    assert first.splits == ["train", "test", "validation"]
    assert first.ids == ["a", "b", "c"]
    assert first.positions.dtype == np.int64
    assert second.positions.tolist() == [3]
    assert second.splits == ["train"]
    assert (first.refusals, first.num_neutral) == ((), 0)


def test_a_source_without_splits_and_ids_has_none() -> None:
    [rows] = labelled(InMemory({"text": ["good"], "label": ["1"]}))
    assert rows.splits is None
    assert rows.ids is None


def test_columns_may_be_called_otherwise() -> None:
    source = InMemory({"body": ["good"], "sentiment": ["1"], "fold": ["test"], "key": ["a"]})
    [rows] = labelled(source, text="body", label="sentiment", split="fold", id="key")
    assert (rows.texts.to_pylist(), rows.splits, rows.ids) == (["good"], ["test"], ["a"])


@pytest.mark.parametrize("label", ["1", "1.0", "1.00", "1.", " 1 ", "pos", "Pos", "POSITIVE", "positive\n", "True"])
def test_a_label_is_known_in_any_case_with_blanks_and_as_a_float(label: str) -> None:
    assert labels(labelled(InMemory({"text": ["good"], "label": [label]}))) == [1]


@pytest.mark.parametrize(("label", "expected"), [("4", 1), ("4.0", 1), ("gut", 1), ("Schlecht", 0), ("0.0", 0)])
def test_labels_may_be_other_words(label: str, expected: int) -> None:
    source = InMemory({"text": ["good"], "label": [label]})
    assert labels(labelled(source, negative_labels="schlecht,0.0", positive_labels="4.0,gut")) == [expected]


@pytest.mark.parametrize(
    ("rating", "label"),
    [("1", 0), ("4", 0), ("4.0", 0), ("4.01", None), ("6.99", None), ("7", 1), ("10", 1), ("-3", 0), (" 8 ", 1)],
)
def test_ratings_make_labels_and_those_between_the_bounds_are_neutral(rating: str, label: int | None) -> None:
    batches = labelled(InMemory({"text": ["good", "x"], "rating": ["9", rating]}), label_from="rating")
    assert labels(batches)[1:] == ([] if label is None else [label])
    assert sum(rows.num_neutral for rows in batches) == (label is None)
    assert refusals(batches) == []


@pytest.mark.parametrize("word", ["train", "TRAINING", "validation", "Valid", "val", "dev", "test", "testing "])
def test_a_split_has_more_than_one_word(word: str) -> None:
    [rows] = labelled(InMemory({"text": ["good"], "label": ["1"], "split": [word]}))
    assert rows.splits in (["train"], ["validation"], ["test"])


@pytest.mark.parametrize("length", [9, 10])
def test_a_text_may_have_the_longest_length(length: int) -> None:
    source = InMemory({"text": ["x" * length], "label": ["1"]})
    assert texts(labelled(source, DataOptions(max_text_length=10))) == ["x" * length]


# Refused rows.


@pytest.mark.parametrize("text", [None, "", " ", "\n\t\u3000"])
def test_a_row_without_text_is_refused(text: str | None) -> None:
    assert reason(text=text) == "it has no text"


def test_a_text_longer_than_the_longest_is_refused() -> None:
    assert (
        reason(text="x" * 11) == "its text has 11 characters, more than the 10 that are allowed (data.max_text_length)"
    )


@pytest.mark.parametrize("name", ["text", "id"])
def test_characters_that_cannot_be_stored_are_refused(name: str) -> None:
    assert reason(**{name: "a\0b"}) == f"its {name} holds a NUL character"
    assert reason(**{name: "é\ud800"}) == f"its {name} holds half of a surrogate pair, which is no character"


@pytest.mark.parametrize("label", ["2", "-1", "10", "0.5", "yes", "nan", "wahr", "posit", "1 0"])
def test_an_unknown_label_is_refused_with_what_is_allowed(label: str) -> None:
    assert reason(label=label) == (
        f"its label is {label!r}: expected one of 0, neg, negative, false (negative) or 1, pos, "
        "positive, true (positive)"
    )


@pytest.mark.parametrize("value", [None, "", "  "])
@pytest.mark.parametrize("name", ["label", "rating", "split", "id"])
def test_a_missing_value_of_a_column_that_is_there_is_refused(name: str, value: str | None) -> None:
    assert reason(**{name: value}) == f"it has no {name}"


@pytest.mark.parametrize(
    "rating", ["nan", "inf", "-Infinity", "1e3", "1_0", "8/10", "five", "٣", "1,5", "9" * 400, "0x8"]
)
def test_a_rating_that_is_no_number_is_refused(rating: str) -> None:
    assert reason(rating=rating).endswith("expected a number")
    assert len(reason(rating=rating)) < 100


@pytest.mark.parametrize("word", ["trian", "holdout", "0", "train,test"])
def test_an_unknown_split_is_refused(word: str) -> None:
    assert reason(split=word) == f"its split is {word!r}: expected train, validation or test"


def test_the_second_row_of_an_id_is_refused_wherever_it_stands() -> None:
    ids = ["a", "b", "a", "c", "b"]
    batches = labelled(InMemory({"text": ["x"] * 5, "label": ["1"] * 5, "id": ids}))
    assert [(refusal.position, refusal.reason) for refusal in refusals(batches)] == [
        (2, "an earlier row has its id 'a' too"),
        (4, "an earlier row has its id 'b' too"),
    ]


def test_a_refused_row_does_not_take_an_id_away() -> None:
    batches = labelled(InMemory({"text": ["", "good"], "label": ["1", "1"], "id": ["a", "a"]}))
    assert [row_id for rows in batches for row_id in rows.ids or []] == ["a"]


def test_an_id_may_not_be_a_text() -> None:
    assert "its id has 1,001 characters" in reason(id="x" * 1001)


def test_a_fault_of_the_reader_is_a_refusal() -> None:
    source = InMemory({"text": ["good", "x"], "label": ["1", "1"]}, faults={1: "3 fields, the header has 2"})
    assert refusals(labelled(source)) == [Refusal(1, "row 2", "3 fields, the header has 2", "")]


@pytest.mark.parametrize(("text", "shown"), [("x" * 300, "x" * 200), ("a\ud800b", "a?b"), (None, "")])
def test_a_refusal_shows_the_beginning_of_the_text(text: str | None, shown: str) -> None:
    source = InMemory({"text": ["good", text], "label": ["1", "unknown"]})
    assert [refusal.text for refusal in refusals(labelled(source))] == [shown]


def test_a_long_label_is_shown_by_its_beginning() -> None:
    assert len(reason(label="x" * 10_000)) < 200


# Sources of which nothing can be used.


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        (
            ["body", "label"],
            {},
            "has no column 'text': its columns are 'body', 'label'. Name the one of the texts with ",
        ),
        (["body", "label"], {}, "columns.text, as in --set columns.text=body, or in the settings file."),
        (["text"], {}, "has no column 'label': its columns are 'text'."),
        (["text", "label"], {"label_from": "rating"}, "has no column 'rating'"),
        (["text", "label"], {"text": "Text"}, "has no column 'Text'"),
    ],
)
def test_a_missing_column_is_named_with_those_that_are_there(
    columns: list[str], options: dict[str, str], said: str
) -> None:
    source = InMemory({name: ["x"] for name in columns})
    with pytest.raises(SourceError) as caught:
        list(read_labelled(source, ColumnOptions.model_validate(options), DataOptions()))
    assert said in str(caught.value)


def test_a_source_without_rows_is_refused() -> None:
    with pytest.raises(SourceError, match=r"reviews\.csv has no rows"):
        labelled(InMemory({"text": [], "label": []}))


def test_a_source_of_which_every_row_is_refused_ends_in_the_first_three_reasons() -> None:
    batches = read_labelled(
        InMemory({"text": ["", "x", "x", "x"], "label": ["1", "2", "", "3"]}), ColumnOptions(), DataOptions()
    )
    assert [len(next(batches).refusals), len(next(batches).refusals)] == [3, 1]
    with pytest.raises(SourceError) as caught:
        next(batches)
    message = str(caught.value)
    assert message.startswith("none of the 4 rows of reviews.csv can be used. row 1: it has no text; row 2: its label")
    assert message.endswith("row 3: it has no label.")


def test_a_source_of_neutral_rows_is_refused() -> None:
    with pytest.raises(SourceError, match="2 ratings lie between"):
        labelled(InMemory({"text": ["x", "x"], "rating": ["5", "6"]}), label_from="rating")


# Rows to score.


def test_rows_to_score_need_no_labels_and_ignore_labels_and_splits() -> None:
    source = InMemory({"text": ["good", ""], "label": ["unknown", "1"], "split": ["no", "no"], "id": ["a", "b"]})
    [rows] = list(read_unlabelled(source, ColumnOptions(), DataOptions()))
    assert rows.texts.to_pylist() == ["good"]
    assert (rows.labels, rows.splits, rows.ids) == (None, None, ["a"])
    assert [refusal.reason for refusal in rows.refusals] == ["it has no text"]


def test_rows_to_score_keep_their_ids_missing_and_repeated_ones_too() -> None:
    source = InMemory({"text": ["good", "bad", "fine", ""], "id": ["a", "a", None, "a"]})
    batches = list(read_unlabelled(source, ColumnOptions(), DataOptions()))
    assert [one for rows in batches for one in rows.ids or ()] == ["a", "a", None]
    assert [refusal.id for rows in batches for refusal in rows.refusals] == ["a"]


@pytest.mark.parametrize("label_from", ["label", "rating"])
def test_rows_to_score_may_be_texts_alone(label_from: str) -> None:
    columns = ColumnOptions.model_validate({"label_from": label_from})
    [rows] = list(read_unlabelled(InMemory({"text": ["good"]}), columns, DataOptions()))
    assert rows.ids is None


# Laws.

any_value = (
    st.none() | st.sampled_from(["", "1", "0", "5", "pos", "train", "test", "x" * 30, "a\0", "é\ud800"]) | st.text()
)


any_row = st.tuples(any_value, any_value, any_value, any_value)


@given(
    st.lists(any_row, min_size=1, max_size=15),
    st.sets(st.integers(0, 14)),
    st.sampled_from(["label", "rating"]),
    st.integers(1, 5),
)
def test_every_row_is_usable_refused_or_neutral_and_the_order_is_kept(
    rows: list[tuple[str | None, ...]], torn: set[int], label_from: str, batch_rows: int
) -> None:
    # Every other row is a good one, so that there is always one to use.
    good = [("a good review", "1" if label_from == "label" else "9", "train", f"id {at}") for at in range(len(rows))]
    mixed = [row for pair in zip(rows, good, strict=True) for row in pair]
    source = InMemory(
        {name: [row[at] for row in mixed] for at, name in enumerate(("text", label_from, "split", "id"))},
        faults={2 * at: "torn" for at in torn if at < len(rows)},
        batch_rows=batch_rows,
    )
    batches = labelled(source, DataOptions(max_text_length=20), label_from=label_from)
    used = [int(position) for batch in batches for position in batch.positions]
    refused = [refusal.position for refusal in refusals(batches)]
    neutral = sum(batch.num_neutral for batch in batches)
    assert len(used) + len(refused) + neutral == len(mixed)
    assert not set(used) & set(refused)
    assert used == sorted(used)
    assert refused == sorted(refused)
    assert texts(batches) == [mixed[position][0] for position in used]
    ids = [row_id for batch in batches for row_id in batch.ids or []]
    assert ids == [mixed[position][3] for position in used]
    assert len(set(ids)) == len(ids)
    for batch in batches:
        assert batch.labels is not None
        assert batch.splits is not None
        assert len(batch.texts) == len(batch.labels) == len(batch.splits) == len(batch.positions)


def test_memory_is_bounded_by_a_batch() -> None:
    class Endless(InMemory):
        def batches(self, columns: Sequence[str]) -> Iterator[RawRows]:
            for _ in range(50):
                text = ["a long review " * 70 + str(number) for number in range(1000)]
                label = ["1" if number % 2 else "unknown" for number in range(1000)]
                yield RawRows([f"row {number}" for number in range(1000)], {"text": text, "label": label})

    tracemalloc.start()
    batches = read_labelled(Endless({"text": [], "label": []}), ColumnOptions(), DataOptions())
    assert sum(len(rows.texts) for rows in batches) == 25_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000


@pytest.mark.parametrize(
    ("rating", "read"),
    [
        *(("7", 7), (" 10 ", 10), ("4.0", 4), ("0", 0), ("100", 100), ("4.5", None), ("101", None), ("-1", None)),
        *(("five", None), ("nan", None), ("", None), (None, None)),
    ],
)
def test_a_rating_beside_a_label_is_kept_if_it_is_one_and_refuses_no_row(rating: str | None, read: int | None) -> None:
    (rows,) = labelled(InMemory({"text": ["good"], "label": ["1"], "rating": [rating]}))
    assert rows.ratings == [read]
    assert rows.refusals == ()


def test_ratings_that_give_the_labels_are_kept_too_without_those_of_neutral_rows() -> None:
    (rows,) = labelled(InMemory({"text": ["good", "x", "bad"], "rating": ["9", "5", "1"]}), label_from="rating")
    assert rows.ratings == [9, 1]


def test_where_there_is_no_such_column_no_rating_is_known() -> None:
    (rows,) = labelled(InMemory({"text": ["good"], "label": ["1"]}))
    assert rows.ratings is None
