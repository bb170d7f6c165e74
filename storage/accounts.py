"""What a bundle tells people of the reviews that it was made from: kept with the model, read by nothing that scores.

One file, `account.json`: the tables of the snapshot, and the test reviews that the model got wrong most confidently, as
text. Bundles that were made before there was such a file have none.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storage.content import canonical_json, read_manifest
from storage.errors import ContentError

ACCOUNT_FILE = "account.json"


@dataclass(frozen=True)
class Spread:
    """How a number is spread over the reviews of a split.

    Attributes:
        mean: NaN is never written: it is of at least one review.
        deviation: Population standard deviation.
        quantiles: At 0, 25, 50, 75, 95 and 100 %.
    """

    mean: float
    deviation: float
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class SplitTable:
    """What the reviews of one split are like.

    Attributes:
        num_rows: Reviews.
        num_positive: Those of label 1.
        num_cut: Those that are longer than what a model is fed of a review.
        words: Of a review, as it came.
        features: The review features before they are standardised, by name.
    """

    split: str
    num_rows: int
    num_positive: int
    num_cut: int
    words: Spread
    features: dict[str, Spread]


@dataclass(frozen=True)
class Mistake:
    """A test review that the model got wrong.

    Attributes:
        row_id: Its id.
        label: What is true, 0 or 1.
        probability: That it is positive, as the model says.
        num_words: Of the whole review.
        text: Its beginning; None where the snapshot holds word ranks without words.
        is_cut: Whether there is more text.
        rating: Where the snapshot knows it.
    """

    row_id: str
    label: int
    probability: float
    num_words: int
    text: str | None
    is_cut: bool
    rating: int | None


@dataclass(frozen=True)
class Account:
    """All of it.

    Attributes:
        max_length: Tokens that a model is fed of a review, its last ones.
        splits: Train, validation and test.
        mistakes: The most confident first.
        num_mistakes: All that the model made on test reviews, kept or not.
    """

    max_length: int
    splits: tuple[SplitTable, ...]
    mistakes: tuple[Mistake, ...]
    num_mistakes: int


def write_account(folder: Path, account: Account) -> None:
    """Put the file into a bundle's staging folder, before the bundle is published."""
    (folder / ACCOUNT_FILE).write_text(canonical_json(asdict(account)), encoding="utf-8")


def read_account(root: Path, digest: str) -> Account | None:
    """The account of a published bundle; None where it has none.

    Raises:
        ContentError: The bundle is missing or damaged.
    """
    manifest = read_manifest(root / digest, digest=digest)
    if ACCOUNT_FILE not in manifest["files"]:
        return None
    try:
        value = json.loads((root / digest / ACCOUNT_FILE).read_text(encoding="utf-8"))
        return Account(
            max_length=value["max_length"],
            splits=tuple(split_table(one) for one in value["splits"]),
            mistakes=tuple(Mistake(**one) for one in value["mistakes"]),
            num_mistakes=value["num_mistakes"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ContentError(f"{root / digest / ACCOUNT_FILE} was written by another version of this project.") from error


def split_table(value: dict[str, Any]) -> SplitTable:
    """The table that `dataclasses.asdict` made plain values of.

    Raises:
        KeyError: It lacks one of them.
        TypeError: It has others.
    """
    features = {name: _spread(one) for name, one in value["features"].items()}
    return SplitTable(**{**value, "words": _spread(value["words"]), "features": features})


def _spread(value: dict[str, Any]) -> Spread:
    return Spread(value["mean"], value["deviation"], tuple(value["quantiles"]))
