"""From text to words, and from words to numbers in the order in which they are met. No ranks: the vocabulary has those.

Arrow does nearly all of the work, on whole batches. A text gives the same words in every batch.

`words`, for raw reviews in any language that puts spaces between its words: HTML entities become what they stand for,
HTML tags a space; NFC, lower case. A word is a run of letters, digits and marks; an apostrophe inside it stays, and the
typographic ones count as one. Invisible joiners and soft hyphens go. Each symbol (category So: emoji, stars, hearts)
is a word of its own, whatever it touches, for an emoji is a strong hint; its skin tone and its presentation are left
away, so that it is one word and not six. Everything else separates, emoticons made of punctuation included.

`keras`, as the words of Keras' IMDB were made: lower case, its punctuation, tabs and line ends separate, everything
else stays in words: apostrophes, typographic quotes, no-break spaces. Carriage returns separate too, as they did not
there, or a file's line ends would decide what its words are.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections import defaultdict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.options import Tokenization
from storage.sequences import Sequences

_PUNCTUATION = rb"""!"#$%&()*+,-./:;<=>?@[\]^_`{|}~"""
# The ASCII ones. Of `words`, all but letters, digits and the apostrophe.
_SEPARATORS: dict[Tokenization, bytes] = {
    "words": _PUNCTUATION + bytes(range(33)) + b"\x7f",
    "keras": _PUNCTUATION + b"\t\n\r ",
}
_SEPARATORS_BEYOND_ASCII = r"[^\p{L}\p{N}\p{M}\p{So}\x00-\x7F]+"
_ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});"
# Known elements only, bare or with an attribute that has a value: people write "<3", "a < b" and "<sigh>" too.
_ELEMENTS = (
    "a|abbr|b|big|blockquote|br|center|cite|code|del|div|em|font|h[1-6]|hr|i|img|ins|li|ol|p|pre|q|s|small|span|strike"
    "|strong|sub|sup|table|tbody|td|th|thead|tr|tt|u|ul"
)
_TAG = rf"(?i:</?(?:{_ELEMENTS})(?:\s[^<>]*=[^<>]*|\s*/?\s*)>)"
_APOSTROPHES = r"[\x{2019}\x{02BC}\x{FF07}]"
# Soft hyphen, zero-width non-joiner and joiner, word joiner: seen by no reader.
_INVISIBLE = r"[\x{AD}\x{200C}\x{200D}\x{2060}]"
# Of category So, yet no symbols: what stands for an object, and for a character that was lost.
_PLACEHOLDERS = r"[\x{FFFC}\x{FFFD}]"
# A symbol with the marks and skin tones that dress it.
_SYMBOL = r"(\p{So})[\p{M}\x{1F3FB}-\x{1F3FF}]*"


def split_into_words(texts: pa.StringArray, tokenization: Tokenization) -> pa.ListArray:
    """Words of each text, list<string> `(rows, ragged)`: no row and no word is null, no word is empty.

    Args:
        texts: Raw texts, string `(rows,)`, of at most 2 GiB together.
        tokenization: `words` or `keras`, as the module says.

    Raises:
        ValueError: A text is missing.
    """
    if texts.null_count:
        raise ValueError(f"{texts.null_count} of {len(texts)} texts are missing: leave these rows out")
    plain = _one_spelling(_without_markup(texts)) if tokenization == "words" else texts
    rows = pc.split_pattern(_spaced(pc.utf8_lower(plain), _SEPARATORS[tokenization]), " ")
    words = rows.flatten()
    if tokenization == "words":
        words = pc.ascii_trim(words, "'")
    return _without_empty(words, rows.offsets.to_numpy())


def content_hashes(words: pa.ListArray) -> list[str]:
    """BLAKE2b of each row's words joined by one space, UTF-8: 8 bytes, 16 hexadecimal digits."""
    joined = pc.binary_join(words, " ").cast(pa.binary())
    return [hashlib.blake2b(text, digest_size=8).hexdigest() for text in joined.to_pylist()]


class WordTable:
    """Gives each distinct word a number, in the order in which words are first met.

    It grows with the distinct words, not with the texts.
    """

    def __init__(self) -> None:
        """Begin without words."""
        self._numbers: defaultdict[str, int] = defaultdict()
        # A word that is looked up for the first time gets the next number, without a call of Python's for each.
        self._numbers.default_factory = self._numbers.__len__

    def add(self, words: pa.ListArray) -> Sequences:
        """Numbers of the words of each text, from 0, int32 `(rows, ragged)`; new words get the next ones."""
        encoded = words.flatten().dictionary_encode()
        distinct = map(self._numbers.__getitem__, encoded.dictionary.to_pylist())
        numbers = np.fromiter(distinct, np.int32, len(encoded.dictionary))
        return Sequences.from_lengths(numbers[encoded.indices.to_numpy()], np.diff(words.offsets.to_numpy()))

    def __len__(self) -> int:
        """Number of distinct words."""
        return len(self._numbers)

    @property
    def words(self) -> pa.StringArray:
        """The words by number, string `(words,)`."""
        return pa.array(list(self._numbers), pa.string())


def _without_markup(texts: pa.StringArray) -> pa.StringArray:
    """Entities replaced once by what they stand for, then tags by a space: an escaped tag is a tag too."""
    has_entity = pc.match_substring_regex(texts, _ENTITY)
    rows = texts.filter(has_entity).to_pylist()
    found = [re.sub(_ENTITY, lambda entity: html.unescape(entity[0]), text) for text in rows]
    unescaped = pc.replace_with_mask(texts, has_entity, pa.array(found, texts.type))
    return pc.replace_substring_regex(unescaped, _TAG, " ")


def _one_spelling(texts: pa.StringArray) -> pa.StringArray:
    """One spelling of what can be written in several ways, spaces around symbols and for what separates words.

    ASCII needs none of it.
    """
    chosen = pc.invert(pc.string_is_ascii(texts))
    rows = pc.replace_substring_regex(texts.filter(chosen), _INVISIBLE, "")
    rows = pc.replace_substring_regex(rows, _APOSTROPHES, "'")
    rows = pc.replace_substring_regex(rows, _PLACEHOLDERS, " ")
    # Twice: lower case may be composed further.
    rows = _composed(pc.utf8_lower(_composed(rows)))
    rows = pc.replace_substring_regex(rows, _SYMBOL, r" \1 ")
    rows = pc.replace_substring_regex(rows, _SEPARATORS_BEYOND_ASCII, " ")
    return pc.replace_with_mask(texts, chosen, rows)


def _spaced(texts: pa.StringArray, separators: bytes) -> pa.StringArray:
    """The texts, none null, a space in place of each ASCII separator: by bytes, five times as quick as a pattern."""
    _, offsets, data = texts.buffers()
    spaced = data.to_pybytes().translate(bytes.maketrans(separators, b" " * len(separators)))
    return pa.StringArray.from_buffers(len(texts), offsets, pa.py_buffer(spaced), offset=texts.offset)


def _composed(texts: pa.StringArray) -> pa.StringArray:
    """The texts in NFC. By Python, since the NFC of Arrow 18 takes accents off their letters instead."""
    return pa.array([unicodedata.normalize("NFC", text) for text in texts.to_pylist()], texts.type)


def _without_empty(words: pa.StringArray, offsets: npt.NDArray[np.int32]) -> pa.ListArray:
    """Lists of the words that are not empty; `offsets`, int32 `(rows + 1,)`, are those of the rows in `words`."""
    kept = pc.not_equal(words, "")
    before = np.zeros(len(words) + 1, dtype=np.int32)
    np.cumsum(kept.to_numpy(zero_copy_only=False), out=before[1:])
    return pa.ListArray.from_arrays(pa.array(before[offsets - offsets[0]]), words.filter(kept))
