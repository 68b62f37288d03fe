"""Demands of an earlier run that are gone or looser now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from quba_check.core.grade import LETTERS
from quba_check.records.verdict import SIGNS, VerdictRow

_TIERS = ("info", "warn", "block")
_POLICIES = ("allow", "point", "fail")
_RISE = {"allow": 1, "point": 0, "fail": -1}
"""Sign of a change of the confidence that makes each policy looser."""


def looser_demands(before: Iterable[VerdictRow], after: Iterable[VerdictRow]) -> list[str]:
    """Return the demands that are gone or looser, in words.

    A demand that several files state is as strict as the strictest of them.

    Args:
        before: the demands of the earlier run.
        after: those of the later one; their outcomes have no influence.
    """
    by_name: dict[str, list[VerdictRow]] = {}
    for row in after:
        by_name.setdefault(row.name, []).append(row)
    texts: dict[str, None] = {}
    for row in before:
        reasons = [list(_differences(row, now)) for now in by_name.get(row.name, [])]
        if not reasons:
            texts[f"{row.name} is gone ({SIGNS[row.bound]} {_text(row.limit)})"] = None
        elif all(reasons):
            texts[f"{row.name} {', '.join(reasons[0])}"] = None
    return list(texts)


def _differences(before: VerdictRow, after: VerdictRow) -> Iterator[str]:
    """Yield the ways in which a demand is looser than an earlier one."""
    sign = SIGNS[before.bound]
    if _is_looser(before, after):
        yield f"{sign} {_text(after.limit)} (was {_text(before.limit)})"
    if _TIERS.index(after.tier) < _TIERS.index(before.tier):
        yield f"tier {after.tier} (was {before.tier})"
    if _POLICIES.index(after.policy) < _POLICIES.index(before.policy):
        yield f"uncertain: {after.policy} (was {before.policy})"
    if before.policy == after.policy and _RISE[after.policy] * (after.confidence - before.confidence) > 0:
        yield f"confidence {after.confidence:g} (was {before.confidence:g})"
    may_skip = after.optional or "=" not in (after.part or "")
    for key in ("min_images", "min_groups"):
        was, now = getattr(before, key), getattr(after, key)
        if None not in (was, now) and (now > was if may_skip else now < was):
            yield f"{key} {now:,} (was {was:,})"
    yield from (
        f"{key}: true (was false)"
        for key in ("optional", "allow_masked")
        if getattr(after, key) and getattr(before, key) is False
    )


def _is_looser(before: VerdictRow, after: VerdictRow) -> bool:
    if isinstance(before.limit, str) or isinstance(after.limit, str):
        return LETTERS.index(str(after.limit)) < LETTERS.index(str(before.limit))
    return after.limit < before.limit if before.bound == "min" else after.limit > before.limit


def _text(limit: float | str) -> str:
    return limit if isinstance(limit, str) else f"{limit:.15g}"
