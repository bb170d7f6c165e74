"""What one value of a row says: a text, a label, a split, an id; or why it cannot be used. Rows are not known here."""

from __future__ import annotations

import re

from storage.options import ColumnOptions
from storage.records import Split

NEGATIVE, POSITIVE, NEUTRAL = 0, 1, -1

_SPLIT_WORDS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# float() takes more than a rating: "nan", "1_0", digits of other alphabets.
_NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})", re.ASCII)
_WHOLE = re.compile(r"([+-]?\d+)\.0*", re.ASCII)
_LONGEST_ID, _QUOTED = 1000, 40
_HIGHEST_RATING = 100


class RefusedError(Exception):
    """Why a row cannot be used: the end of a sentence about it. Caught in `contents`."""


class Labels:
    """What stands for a negative and for a positive review."""

    def __init__(self, columns: ColumnOptions) -> None:
        """Take the words, or the bounds of ratings, from the options."""
        self._columns = columns
        self._words = {
            **{_plain(word): NEGATIVE for word in columns.negative_labels},
            **{_plain(word): POSITIVE for word in columns.positive_labels},
        }

    def read(self, value: str | None) -> int:
        """0, 1, or -1 for a rating between the bounds, from a label or from a rating, as the options have it.

        Raises:
            RefusedError: It is missing, or unknown.
        """
        what = self._columns.label_from
        if value is None or not value.strip():
            raise RefusedError(f"it has no {what}")
        return self._from_rating(value) if what == "rating" else self._from_label(value)

    def _from_label(self, label: str) -> int:
        value = self._words.get(_plain(label))
        if value is None:
            raise RefusedError(
                f"its label is {quoted(label)}: expected one of {', '.join(self._columns.negative_labels)} (negative) "
                f"or {', '.join(self._columns.positive_labels)} (positive)"
            )
        return value

    def _from_rating(self, rating: str) -> int:
        if not _NUMBER.fullmatch(rating.strip()):
            raise RefusedError(f"its rating is {quoted(rating)}: expected a number")
        value = float(rating)
        if value <= self._columns.negative_ratings_to:
            return NEGATIVE
        return POSITIVE if value >= self._columns.positive_ratings_from else NEUTRAL


def split_of(word: str | None) -> Split:
    """The split that a word names, in any case.

    Raises:
        RefusedError: It is missing, or unknown.
    """
    if word is None or not word.strip():
        raise RefusedError("it has no split")
    split = _SPLIT_WORDS.get(word.strip().casefold())
    if split is None:
        raise RefusedError(f"its split is {quoted(word)}: expected train, validation or test")
    return split


def rating_of(value: str | None) -> int | None:
    """A rating that is a whole number from 0 to 100; else None. Here it only tells reviews apart, and refuses none."""
    if value is None or not _NUMBER.fullmatch(value.strip()):
        return None
    rating = float(value)
    return int(rating) if rating.is_integer() and 0 <= rating <= _HIGHEST_RATING else None


def check_text(text: str | None, max_length: int) -> str:
    """The text, as it is.

    Raises:
        RefusedError: It is missing, blank, longer than `max_length` characters, or cannot be stored.
    """
    if text is None or not text or text.isspace():
        raise RefusedError("it has no text")
    if len(text) > max_length:
        raise RefusedError(
            f"its text has {len(text):,} characters, more than the {max_length:,} that are allowed "
            "(data.max_text_length)"
        )
    _check_characters(text, "text")
    return text


def check_id(value: str | None) -> str:
    """The id, as it is.

    Raises:
        RefusedError: It is missing, blank, too long to be one, or cannot be stored.
    """
    if value is None or not value or value.isspace():
        raise RefusedError("it has no id")
    if len(value) > _LONGEST_ID:
        raise RefusedError(f"its id has {len(value):,} characters, more than the {_LONGEST_ID:,} that are allowed")
    _check_characters(value, "id")
    return value


def storable(text: str) -> str:
    """A text with a question mark for each character that UTF-8 has no bytes for."""
    return text.encode(errors="replace").decode()


def quoted(value: str) -> str:
    """The beginning of a value, for a message."""
    return repr(value if len(value) <= _QUOTED else f"{value[:_QUOTED]}…")


def _plain(label: str) -> str:
    """A label without its case and the blanks around it; `1.0` is `1`."""
    label = label.strip().casefold()
    whole = _WHOLE.fullmatch(label)
    return whole.group(1) if whole else label


def _check_characters(value: str, what: str) -> None:
    if "\0" in value:
        raise RefusedError(f"its {what} holds a NUL character")
    if not value.isascii() and storable(value) != value:
        raise RefusedError(f"its {what} holds half of a surrogate pair, which is no character")
