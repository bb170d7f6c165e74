"""Contents: nearly all rows of the source can be used."""

from __future__ import annotations

from storage.options import CheckOptions
from storage.records import CheckResult, CheckVerdict, Contents
from tasks.checks.base import CheckedData


def check_contents(data: CheckedData, options: CheckOptions) -> CheckResult:
    """Hold the share of refused rows against a bound; any refused row is told, and warns.

    A few broken rows are left out and kept aside. Many mean that the file is not what it is taken for: another
    encoding, another column, another set of labels; what is left of it is no fair part of the reviews.
    """
    contents = data.contents
    bound = f"at most {options.max_refused_share:.1%} of the rows refused"
    if contents is None:
        return CheckResult("contents", "warn", {}, bound, "it is not known what was read of the source")
    share = contents.num_refused / contents.num_rows if contents.num_rows else 0.0
    verdict: CheckVerdict = "pass"
    if contents.num_refused:
        verdict = "warn" if share <= options.max_refused_share else "fail"
    measured: dict[str, float | int | str] = {
        "rows": contents.num_rows,
        "refused": contents.num_refused,
        "neutral": contents.num_neutral,
        "repeated": contents.num_repeated,
        "refused_share": share,
    }
    measured |= {"new": contents.num_new} if contents.num_new is not None else {}
    measured |= {f"refused: {reason}": count for reason, count in contents.reasons.items()}
    return CheckResult("contents", verdict, measured, bound, _in_words(contents), contents.examples)


def _in_words(contents: Contents) -> str:
    parts = [f"{contents.num_rows:,} rows were read"]
    if contents.num_neutral:
        parts.append(f"{contents.num_neutral:,} are neither negative nor positive and left out")
    if contents.num_repeated:
        parts.append(f"{contents.num_repeated:,} are in an earlier source too and left out")
    if contents.num_new is not None:
        parts.append(f"{contents.num_new:,} are new since the champion's snapshot")
    if not contents.num_refused:
        return ", ".join([*parts, "and all others can be used" if len(parts) > 1 else "all can be used"])
    reasons = "; ".join(f"{reason} ({count:,} of them)" for reason, count in contents.reasons.items())
    return f"{', '.join(parts)}, and {contents.num_refused:,} refused and kept in {contents.quarantine}: {reasons}"
