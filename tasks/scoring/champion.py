"""Which champion labels new reviews, and its bundle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.bundles import Bundle, load_bundle
from storage.errors import ContentError, NotFoundError, OptionError
from storage.records import Champion
from storage.settings import Settings
from tasks.features.tokenization import split_into_words
from tasks.training.runtime import prepare_keras

NO_WORD = "no word in its text"
# A letter or digit at the very beginning is part of a word, whatever follows.
_BEGINS_WITH_A_WORD = "^[A-Za-z0-9]"


def serving(champions: Sequence[Champion], line: str) -> Champion:
    """The champion that serves on a line now.

    Args:
        champions: All that ever served, of all lines, as the store gives them.
        line: Its name; empty for the only line that has one.

    Raises:
        NotFoundError: Nothing serves there.
        OptionError: There is more than one line, and none was named.
    """
    serves = {champion.line: champion for champion in champions}
    if line:
        if line not in serves:
            others = f"; lines that have one: {', '.join(sorted(serves))}" if serves else ""
            raise NotFoundError(f"no champion serves on the line {line!r}{others}.")
        return serves[line]
    if not serves:
        raise NotFoundError("no champion serves yet: `retrain run` trains one, and promotes it if it passes all gates.")
    if len(serves) > 1:
        raise OptionError(f"several lines have a champion, {', '.join(sorted(serves))}: name one of them with --line.")
    return next(iter(serves.values()))


class Scorer:
    """A champion's bundle, loaded once for many reviews."""

    def __init__(self, settings: Settings, champion: Champion) -> None:
        """Load and verify the bundle.

        Raises:
            ContentError: It is missing or damaged.
        """
        prepare_keras()
        self.champion = champion
        self._bundle: Bundle = load_bundle(settings.bundles, champion.bundle)

    def probabilities(self, texts: pa.StringArray) -> npt.NDArray[np.float32]:
        """Probabilities of label 1, float32 `(rows,)`. Of a text without words, it says nothing about the text.

        Raises:
            ContentError: The champion was trained on word ranks, and cannot read text, or does not give numbers.
        """
        # It imports Keras, which is prepared by now.
        from tasks.evaluation.scoring import score

        found = score(self._bundle, texts)
        if not np.isfinite(found).all():
            raise ContentError(
                f"the champion {self.champion.candidate_id} gives no number for {(~np.isfinite(found)).sum():,} of "
                f"{len(texts):,} reviews: put an earlier one back, with `retrain rollback`."
            )
        return found

    def has_words(self, texts: pa.StringArray) -> npt.NDArray[np.bool_]:
        """Whether the champion finds a word in each text, known to it or not, bool `(rows,)`."""
        found: npt.NDArray[np.bool_] = np.array(pc.match_substring_regex(texts, _BEGINS_WITH_A_WORD), dtype=bool)
        tokenization = (self._bundle.vocabulary or {})["tokenization"]
        words = split_into_words(texts.filter(pa.array(~found)), tokenization)
        found[~found] = np.diff(words.offsets.to_numpy()) > 0
        return found
