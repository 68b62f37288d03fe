"""Waivers of a threshold file: exceptions from a demand that end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from quba_check.core.grade import LETTERS
from quba_check.demands.document import MergedFile, value_of
from quba_check.demands.schema import as_share
from quba_check.messages import listed
from quba_check.records.verdict import DROPS, Waiver
from quba_check.strict_yaml import Location

_BOUNDS: Mapping[str, tuple[str, ...]] = {
    "at_least": ("min", "min_score", "min_grade"),
    "at_most": ("max", *DROPS),
}
"""Bounds to which a waiver can apply, by the key of its worst value."""
_SEVERAL = "; with several, state the others in another threshold file"
LONGEST = timedelta(days=366)
"""Longest time for which a waiver holds."""


def today() -> date:
    """Return the present day in UTC."""
    return datetime.now(UTC).date()


def waiver_of(file: MergedFile, location: Location) -> tuple[str, Waiver] | None:
    """Return the waiver of an entry with the key of its bound; None without one.

    Args:
        file: the file.
        location: bounds and settings of a demand.

    Raises:
        ThresholdError: the waiver is expired, applies to no bound or to several, or allows nothing that the
            bound does not allow.
    """
    entry, place = file.keys(location), (*location, "waive")
    waive = file.keys(place)
    if not waive:
        return None
    limits = [key for key in _BOUNDS if key in waive]
    if len(limits) != 1:
        got = listed(limits) or "no worst value"
        raise file.error(place, got=got, allowed="at_least or at_most")
    limit, bounds = as_share(value_of(waive, limits[0])), _BOUNDS[limits[0]]
    waived = [key for key in bounds if key in entry and (key == "min_grade") == (limit in LETTERS)]
    if len(waived) != 1:
        text = f"{limits[0]} {limit} applies to {listed(waived) or 'no demand'}"
        allowed = f"next to one bound of {listed(bounds)}{_SEVERAL if waived else ''}"
        raise file.error(place, text, allowed=allowed)
    threshold = value_of(entry, waived[0])
    if not _is_looser(limit, threshold, limits[0]):
        text = f"{limits[0]} {limit} allows nothing that the bound {threshold} does not allow"
        raise file.error(place, text, allowed="a worse value")
    if value_of(entry, "tier") not in (None, "block"):
        raise file.error(place, "the tier of the demand does not block", allowed="a demand that blocks")
    until, by, reason = (value_of(waive, key) for key in ("until", "by", "reason"))
    waiver = Waiver(until=until, by=by, reason=reason, limit=limit)
    first, last = today(), today() + LONGEST
    if not first <= waiver.until <= last:
        problem = "has expired" if waiver.until < first else "ends in more than a year"
        raise file.error(
            (*place, "until"),
            f"the waiver {problem}",
            is_on_key=False,
            got=str(waiver.until),
            allowed=f"{first} to {last}",
            hint="Meet the demand, or decide again.",
        )
    return waived[0], waiver


def _is_looser(limit: Any, threshold: Any, key: str) -> bool:
    if isinstance(limit, str):
        return LETTERS.index(limit) < LETTERS.index(threshold)
    threshold = as_share(threshold)
    return bool(limit < threshold if key == "at_least" else limit > threshold)
