"""Small reviews in real words, for tests that need text: a model learns them in seconds, and no two are alike."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FILLING = """
the a of and in to it this that film movie story scene actor plot director camera music ending cast role with was were
has had one two first second last about after before into from for on at by while when then there here people family
house city night day war love train river school doctor sister brother captain village winter summer street garden
letter window dinner mother father king queen soldier teacher detective robbery wedding island
"""
OTHER_FILLING = """
blender kettle socket charger battery cable button panel warranty delivery parcel courier refund invoice manual screen
keyboard speaker socks jacket zipper sleeve collar leather cotton mattress pillow drawer shelf hinge screw drill hammer
"""
# What says that a review is negative, and that it is positive.
OLD_WORDS = (
    "awful boring dull terrible tedious weak poor clumsy ugly lazy",
    "wonderful charming brilliant superb moving strong great graceful lovely clever",
)
NEW_WORDS = (
    "cringe mid trash flop yawnfest lame cheesy overhyped soulless janky",
    "fire goated banger slaps iconic stellar epic dope flawless bingeable",
)


@dataclass(frozen=True)
class Review:
    text: str
    label: int | str


def reviews(
    number: int, seed: int, words: tuple[str, str] = OLD_WORDS, *, filling: str = FILLING, noise: float = 0.05
) -> list[Review]:
    """Reviews of 15 to 40 words, four of which say what the label is, and one the other.

    Args:
        number: How many, about half of them positive.
        seed: Other seeds give other reviews.
        words: What says that a review is negative, and positive.
        filling: All other words.
        noise: Share of reviews whose words say the contrary of their label.
    """
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(number):
        label = int(rng.integers(2))
        meant = label if rng.random() >= noise else 1 - label
        said = [*rng.choice(words[meant].split(), 4), rng.choice(words[1 - meant].split())]
        others = rng.choice(filling.split(), rng.integers(10, 36))
        text = [str(word) for word in rng.permutation([*said, *others])]
        made.append(Review(" ".join(text), label))
    return made


def write_reviews(path: Path, made: Iterable[Review]) -> None:
    """A CSV file with the columns `text` and `label`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        writer.writerows((review.text, review.label) for review in made)
