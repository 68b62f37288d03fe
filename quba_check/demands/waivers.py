"""Waivers of a threshold file: exceptions from a demand that end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from quba_check.core.grade import LETTERS
from quba_check.demands.inheritance import LocatedValue, Tree, value_of
from quba_check.demands.schema import as_share
from quba_check.errors import ThresholdError
from quba_check.messages import listed
from quba_check.records.verdict import DROPS, Waiver
from quba_check.strict_yaml import dotted_path

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


def waiver_of(entry: Tree) -> tuple[str, Waiver] | None:
    """Return the bound that an entry waives, with the waiver; None without one.

    Args:
        entry: bounds and settings of a demand.

    Raises:
        ThresholdError: the waiver is expired, applies to no bound or to several, or allows nothing that the
            bound does not allow.
    """
    waive = entry.get("waive")
    if not isinstance(waive, dict):
        return None
    located = {key: item for key, item in waive.items() if isinstance(item, LocatedValue)}
    until = located["until"]
    document, place = until.document, until.location[:-1]
    where = f"{document.at_key(place)}: {dotted_path(place)}"
    limits = [key for key in _BOUNDS if key in located]
    if len(limits) != 1:
        raise ThresholdError(
            f"{where}: got {listed(limits) or 'no worst value'}. Allowed: at_least or at_most."
        )
    limit = as_share(located[limits[0]].value)
    bounds = [
        key for key in _BOUNDS[limits[0]] if key in entry and (key == "min_grade") == (limit in LETTERS)
    ]
    if len(bounds) != 1:
        raise ThresholdError(
            f"{where}: {limits[0]} {limit} applies to {listed(bounds) or 'no demand'}. Allowed: next to one "
            f"bound of {listed(_BOUNDS[limits[0]])}{_SEVERAL if bounds else ''}."
        )
    threshold = value_of(entry, bounds[0])
    if not _is_looser(limit, threshold, limits[0]):
        raise ThresholdError(
            f"{where}: {limits[0]} {limit} allows nothing that the bound {threshold} does not allow. "
            "Allowed: a worse value."
        )
    if value_of(entry, "tier") not in (None, "block"):
        raise ThresholdError(
            f"{where}: the tier of the demand does not block. Allowed: a demand that blocks."
        )
    waiver = Waiver(until=until.value, by=located["by"].value, reason=located["reason"].value, limit=limit)
    first, last = today(), today() + LONGEST
    if not first <= waiver.until <= last:
        problem = "has expired" if waiver.until < first else "ends in more than a year"
        raise ThresholdError(
            f"{document.at(until.location)}: {dotted_path(until.location)}: the waiver {problem}, got "
            f"{waiver.until}. Allowed: {first} to {last}. Meet the demand, or decide again."
        )
    return bounds[0], waiver


def _is_looser(limit: Any, threshold: Any, key: str) -> bool:
    if isinstance(limit, str):
        return LETTERS.index(limit) < LETTERS.index(threshold)
    threshold = as_share(threshold)
    return bool(limit < threshold if key == "at_least" else limit > threshold)
