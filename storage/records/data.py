"""Datasets, and what was read of them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SnapshotRecord:
    """An immutable dataset, as the store knows it.

    Attributes:
        id: SHA-256 of its content.
        test_id: SHA-256 of its test rows alone; comparisons on the same test rows share it.
        line: What a champion trained on it is champion of.
        origin: Where the reviews came from.
        reason: Why that source was used.
        source_sha256: Of the source file, or empty.
        num_rows: Rows of each split.
        split_seed: Seed that drew the validation rows.
        content_version: Version of the layout and of the hash.
        vocabulary: Hash of the vocabulary that turned its texts into tokens; empty where it holds no texts.
    """

    id: str
    test_id: str
    line: str
    origin: str
    reason: str
    source_sha256: str
    num_rows: dict[str, int]
    split_seed: int
    content_version: int
    vocabulary: str = ""


@dataclass(frozen=True)
class Contents:
    """What was read of a run's sources, and what of it cannot be used.

    Attributes:
        num_rows: All rows that were read.
        num_refused: Rows that cannot be used, such as one without text or with an unknown label.
        num_neutral: Rows left out since their rating is neither negative nor positive.
        num_repeated: Rows left out since an earlier source of the same run holds them too.
        num_new: Rows that the snapshot of the line's champion does not hold; None without a champion.
        reasons: How often rows were refused for what, in words, the most frequent first.
        examples: The first refused rows, where they stand and why.
        quarantine: File that all refused rows were written to; empty without any.
    """

    num_rows: int
    num_refused: int = 0
    num_neutral: int = 0
    num_repeated: int = 0
    num_new: int | None = None
    reasons: dict[str, int] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    quarantine: str = ""
