"""Drift: today's training reviews are like those that the line's champion was trained on.

By effect size, not by p-value: of 20,000 reviews, any two samples of different weeks differ significantly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from storage.options import CheckOptions
from storage.records import CheckResult
from storage.sequences import Int64Array, Sequences, spooled
from storage.snapshots import Rows
from tasks.checks.base import CheckedData
from tasks.checks.counts import presence
from tasks.checks.identical import identical
from tasks.checks.linear import ROWS_PER_ERROR, out_of_fold
from tasks.checks.probe import ALPHA
from tasks.evaluation.bounds import auc_standard_error, exact_lower_bound, normal_quantile, placements

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MIN_ROWS = 20
"""Rows of either side below which nothing is compared."""
MAX_CLASSIFIED_ROWS = 5_000
"""Rows of either side that the domain classifier reads."""
_NUM_SHUFFLES = 5
_SEED = 2025


@dataclass(frozen=True)
class Effect:
    """A difference between the two sides.

    Attributes:
        size: 0 is none, 1 is complete separation.
        lower: Its one-sided lower bound, at 99.9 %.
    """

    size: float
    lower: float


def check_drift(data: CheckedData, options: CheckOptions) -> CheckResult:
    """Compare lengths, words and label share with the champion's training rows, and try to tell the two sides apart.

    An effect fails where its one-sided 99.9 % lower bound exceeds `max_drift_effect`, and a linear classifier of the
    side where that of its cross-validated AUC exceeds `max_drift_auc` (Rabanser et al., Failing Loudly, NeurIPS 2019).
    """
    bound = f"effect sizes at most {options.max_drift_effect:g}, AUC of telling them apart {options.max_drift_auc:g}"
    today, reference = data.rows["train"], data.reference
    if reference is None:
        return CheckResult("drift", "pass", {}, bound, "the line has no champion yet")
    if isinstance(reference, str):
        words = f"the champion's training rows cannot be read: {reference}"
        return CheckResult("drift", "fail", {}, bound, words)
    measured: dict[str, float | int | str] = {
        "rows": len(today.labels),
        "reference_rows": len(reference.labels),
    }
    if min(len(today.labels), len(reference.labels)) < MIN_ROWS:
        words = f"too few rows to compare: {len(today.labels):,} today, {len(reference.labels):,} of the champion"
        return CheckResult("drift", "warn", measured, bound, words)
    both = spooled(_joined(today.tokens, reference.tokens), data.scratch)
    is_today = np.arange(len(both)) < len(today.labels)
    labels = np.concatenate([today.labels, reference.labels]) == 1
    same = identical(both)
    if _is_same(2 * same + labels, is_today):
        words = f"the same {len(today.labels):,} reviews as the champion's"
        return CheckResult("drift", "pass", measured | {"same_reviews": 1}, bound, words)
    encoder = data.encoder
    if data.vocabulary is not None:
        # Words that only the champion's vocabulary has stand beyond today's: here, each is a word like any other.
        encoder = replace(encoder, num_words=max(encoder.num_words, int(both.values.max()) + encoder.index_from + 1))
    encoded = spooled((encoder.encode(_from_0(piece)) for _, piece in both.pieces()), data.scratch)
    effects = {
        "lengths": length_effect(both.lengths, is_today),
        "words": word_effect(encoded, is_today, encoder.num_words),
        "label share": label_effect(today, reference),
    }
    auc = domain_auc(encoded, same, is_today, encoder.num_words)
    for name, effect in effects.items():
        short = f"{name.replace(' ', '_')}_effect"
        measured |= {short: effect.size, f"{short}_lower": effect.lower}
    measured |= {"domain_auc": auc.size, "domain_auc_lower": auc.lower}
    return _judged(effects, auc, measured, bound, options)


def length_effect(lengths: Int64Array, is_today: Bools) -> Effect:
    """Cliff's delta of the lengths, in tokens, without its sign: 2 AUC - 1.

    How much likelier it is that a review of one side is the longer one than that it is the shorter one. Unlike a
    difference of means, it does not depend on the few longest reviews. Its error is DeLong's.

    Source: Cliff, Psychological Bulletin 114 (1993).
    """
    placed = placements(is_today.astype(np.int64), lengths.astype(np.float64))
    size = abs(2 * placed.auc - 1)
    return Effect(size, max(0.0, size - normal_quantile(1 - ALPHA) * 2 * auc_standard_error(placed)))


def word_effect(encoded: Sequences, is_today: Bools, num_words: int) -> Effect:
    """Jensen–Shannon distance of the two sides' shares of words, without what two samples of one text would have.

    The root of the divergence in bits, 0 to 1. Where one side has a share s of words that the other has not, it is
    about the root of s / 2: 0.3 is 18 % of the words. Sampling adds to the divergence, mostly through rare words; how
    much is measured on random halves of all reviews together, and taken off before the root. Reviews, not words, are
    what is drawn: the error is that of the sum of each review's influence.

    Source: Endres & Schindelin, IEEE Transactions on Information Theory 49 (2003).
    """
    rng = np.random.default_rng(_SEED)
    divergence, error = _divergence(encoded, is_today, num_words)
    shuffled = [_divergence(encoded, rng.permutation(is_today), num_words)[0] for _ in range(_NUM_SHUFFLES)]
    signal = divergence - float(np.mean(shuffled))
    lower = signal - normal_quantile(1 - ALPHA) * error
    return Effect(math.sqrt(max(0.0, signal)), math.sqrt(max(0.0, lower)))


def label_effect(today: Rows, reference: Rows) -> Effect:
    """Difference of the shares of positive labels, without its sign: Cliff's delta of a variable with two values.

    Its bound comes from exact bounds of both shares, by method 10 of Newcombe, Statistics in Medicine 17 (1998).
    """
    counts = ((int((rows.labels == 1).sum()), len(rows.labels)) for rows in (today, reference))
    low, high = sorted(counts, key=_share)
    size = _share(high) - _share(low)
    below = _share(high) - exact_lower_bound(*high, ALPHA)
    above = 1 - exact_lower_bound(low[1] - low[0], low[1], ALPHA) - _share(low)
    return Effect(size, max(0.0, size - math.hypot(below, above)))


def domain_auc(encoded: Sequences, same: Int64Array, is_today: Bools, num_words: int) -> Effect:
    """Cross-validated AUC of a linear model that tells the sides apart by which words a review has.

    It sees what no single effect shows. A review of both sides stays in one fold: apart, each copy would be taken for
    the other side's, and the AUC would fall below 0.5. Sides of the same reviews give 0.5.

    Args:
        encoded: Whole reviews of both sides, `(rows, ragged)`.
        same: Rows with the same number are the same review, `(rows,)`.
        is_today: The side, `(rows,)`.
        num_words: Size of the vocabulary.
    """
    rng = np.random.default_rng(_SEED)
    # Reviews are drawn, not rows: of a review of both sides, all copies are in, or none.
    drawn = rng.permutation(int(same.max()) + 1)[same]
    chosen = np.sort(np.concatenate([_smallest(drawn, is_today), _smallest(drawn, ~is_today)]))
    side = is_today[chosen].astype(np.int64)
    placed = placements(side, out_of_fold(presence(encoded.take(chosen), num_words), side, same[chosen]))
    error = auc_standard_error(placed) * math.sqrt(ROWS_PER_ERROR)
    return Effect(placed.auc, placed.auc - normal_quantile(1 - ALPHA) * error)


def _smallest(drawn: Int64Array, is_side: Bools) -> Int64Array:
    rows = np.flatnonzero(is_side)
    return rows[np.argsort(drawn[rows], kind="stable")[:MAX_CLASSIFIED_ROWS]]


def _divergence(encoded: Sequences, is_today: Bools, num_words: int) -> tuple[float, float]:
    """Jensen–Shannon divergence in bits, and its standard error to first order."""
    counts = np.zeros((2, num_words), dtype=np.int64)
    for rows, piece in encoded.pieces():
        of_today = np.repeat(is_today[rows], piece.lengths)
        for number, values in enumerate((piece.values[of_today], piece.values[~of_today])):
            counts[number] += np.bincount(values, minlength=num_words)
    shares = [of_side / of_side.sum() for of_side in counts]
    middle = (shares[0] + shares[1]) / 2
    total = variance = 0.0
    for share, is_side in zip(shares, (is_today, ~is_today), strict=True):
        # Half the log ratio is the derivative of the divergence by a word's share.
        gain = np.log2(share, out=np.zeros_like(share), where=share > 0)
        gain = (gain - np.log2(middle, out=np.zeros_like(share), where=middle > 0)) * (share > 0) / 2
        part = float(share @ gain)
        total += part
        sums = np.concatenate([_sums(piece, gain) for _, piece in encoded.pieces()])[is_side]
        lengths = encoded.lengths[is_side]
        variance += float(np.var((sums - lengths * part) / lengths.mean(), ddof=1)) / len(lengths)
    return total, math.sqrt(variance)


def _is_same(reviews: Int64Array, is_today: Bools) -> bool:
    """Whether both sides hold the same reviews with the same labels, in any order."""
    size = int(reviews.max()) + 1
    first, second = (np.bincount(reviews[side], minlength=size) for side in (is_today, ~is_today))
    return bool((first == second).all())


def _judged(
    effects: dict[str, Effect], auc: Effect, measured: dict[str, float | int | str], bound: str, options: CheckOptions
) -> CheckResult:
    limits = {name: (effect, options.max_drift_effect) for name, effect in effects.items()}
    limits["domain classifier"] = (auc, options.max_drift_auc)
    beyond = [name for name, (effect, limit) in limits.items() if effect.lower > limit]
    unsure = [name for name, (effect, limit) in limits.items() if effect.size > limit]
    listed = ", ".join(f"{name} {effect.size:.3f}" for name, effect in effects.items())
    words = f"effect sizes against the champion's reviews: {listed}; AUC of telling them apart {auc.size:.3f}"
    if beyond:
        return CheckResult("drift", "fail", measured, bound, f"other than before: {', '.join(beyond)}; {words}")
    if unsure:
        words = f"too few rows to be sure that these are other than before: {', '.join(unsure)}; {words}"
        return CheckResult("drift", "warn", measured, bound, words)
    return CheckResult("drift", "pass", measured, bound, words)


def _share(count: tuple[int, int]) -> float:
    return count[0] / count[1]


def _sums(encoded: Sequences, gain: Floats) -> Floats:
    """Sum of the gains of each row's words, `(rows,)`."""
    return np.bincount(encoded.row_numbers, weights=gain[encoded.values], minlength=len(encoded)).astype(np.float64)


def _joined(*sides: Sequences) -> Iterator[Sequences]:
    for side in sides:
        for _, piece in side.pieces():
            yield piece


def _from_0(tokens: Sequences) -> Sequences:
    """Ranks below 0, which another check refuses, made 0."""
    return Sequences(np.maximum(tokens.values, 0), tokens.offsets)
