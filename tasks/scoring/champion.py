"""Which champion labels new reviews, and its bundle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.bundles import Bundle, load_bundle
from storage.errors import NotFoundError, OptionError
from storage.records import Champion
from storage.settings import Settings
from tasks.training.runtime import prepare_keras


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
        """Probabilities of label 1, float32 `(rows,)`.

        Raises:
            ContentError: The champion was trained on word ranks, and cannot read text.
        """
        from tasks.evaluation.scoring import score

        return score(self._bundle, texts)
