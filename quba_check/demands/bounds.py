"""Bounds on requests: direction, unit, reach, tier, exceptions, once for all sections."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from quba_check.core.dimension import Part
from quba_check.core.grade import LETTERS
from quba_check.core.request import Better, Request
from quba_check.demands.demand import Demand
from quba_check.demands.document import LocatedValue, MergedFile
from quba_check.demands.schema import WaiverEntry
from quba_check.messages import listed
from quba_check.records.verdict import DROPS, QUBA, BoundKey, Waiver
from quba_check.strict_yaml import Location, dotted_path

SHARES = ("fraction", "ratio")
"""Units whose bounds may be percentages."""
RATIO_REACH = 10.0
"""Ratios (relative accuracies) are near 1; a bound from here on was meant as percent."""
SCALES = {"millions": 1e6, "megabytes": 1e6, "gigaflops": 1e9}
"""Size of the units of counts."""
COUNTS_REACH = 1e5
"""A bound from here on was meant as a count, not in such a unit."""
ENDS = {"fraction": 1.0, "squared error": 2.0} | dict.fromkeys(("ratio", "nats", *SCALES), math.inf)
"""Largest value by unit, of the units whose values begin at 0."""
BOUNDS: Mapping[str, BoundKey] = {"min": "min", "max": "max", **{drop: drop for drop in DROPS}}
"""Keys of bounds, and the bounds that they state."""
_DEFAULTS: Mapping[str, Any] = {"tier": "block", "optional": False, "allow_masked": False}
LEAST_GROUPS_OF_SLICE = 10
SETTINGS = (*_DEFAULTS, "min_images", "min_groups")
"""Settings of demands; each takes those of the entries around it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A number that a threshold file asks for, with the place of its bounds.

    Attributes:
        location: the place.
        entry: the bounds and settings there.
        request: the number.
        parts: parts of a dimension, which explain its value.
        keys: the keys of the bounds on it, and the bounds that they state.
        effects: keys that settings at the place need, for messages.
        min_images: default number of images below which a slice is not judged.
    """

    location: Location
    entry: BaseModel
    request: Request
    parts: tuple[Part, ...] = ()
    keys: Mapping[str, BoundKey] = field(default_factory=lambda: BOUNDS)
    effects: tuple[str, ...] = ("min", "max")
    min_images: int = 0


def demands_on(file: MergedFile, asked: Asked) -> Iterator[Demand]:
    """Yield the demands on a requested number, in the order of the file.

    Raises:
        ThresholdError: no bound, one in the wrong direction or out of reach, a setting or title without
            effect, or a waiver that allows nothing.
    """
    located = file.keys(asked.location)
    request = asked.request
    location = asked.location
    check_effect(file, location, asked.effects)
    waived = waiver_of(file, location, asked.entry)
    title = title_of(file, location, asked.entry)
    if request.dimension != QUBA:
        _check_bounds(file, asked)
    of_slices = {"min_images": asked.min_images, "min_groups": LEAST_GROUPS_OF_SLICE} if request.slice else {}
    settings = _settings(file, location, {**_DEFAULTS, **of_slices})
    for key, value in located.items():
        if key in asked.keys and isinstance(value, LocatedValue):
            yield Demand(
                request,
                asked.keys[key],
                getattr(asked.entry, key),
                file=value.document.label,
                line=value.document.line(value.location),
                parts=asked.parts,
                path=value.document.path,
                location=value.location,
                waiver=waived[1] if waived and waived[0] == key else None,
                title=title,
                threshold_file=file.documents[0].label,
                **settings,
            )


def _settings(file: MergedFile, location: Location, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a demand, by default those of the entries around it."""
    settings = dict(defaults)
    for end in range(1, len(location) + 1):
        for key, item in file.keys(location[:end]).items():
            if key in settings and isinstance(item, LocatedValue):
                settings[key] = item.value
    return settings


def check_effect(file: MergedFile, location: Location, keys: Iterable[str]) -> None:
    """Raise an error for settings that apply to no demand.

    Args:
        file: the file.
        location: the entry of the settings.
        keys: the keys of which one is needed, next to drops.
    """
    entry = file.keys(location)
    keys = tuple(keys)
    if any(key in entry for key in (*keys, *DROPS)):
        return
    for key in SETTINGS:
        if isinstance(entry.get(key), LocatedValue):
            allowed = f"together with {' or '.join(keys)}"
            text = "it applies to no demand"
            raise file.error((*location, key), text, is_on_key=False, allowed=allowed)


def _check_bounds(file: MergedFile, asked: Asked) -> None:
    """Check the bounds on a number.

    Raises:
        ThresholdError: no bound, or one in the wrong direction or out of reach.
    """
    entry = file.keys(asked.location)
    location = asked.location
    request = asked.request
    unit = request.number.unit
    better = request.better
    path = location[1:] if location[0] == "dimensions" else location
    target = dotted_path(tuple(step for step in path if step != "parts"))
    if not any(map(entry.get, (*asked.effects, *DROPS))):
        allowed = "min, max, max_drop or max_relative_drop"
        raise file.error(location, "nothing is demanded", path=target, allowed=allowed)
    keys = {asked.keys[key]: key for key in entry if key in asked.keys}
    right, wrong = ("min", "max") if better == "high" else ("max", "min")
    if wrong in keys:
        where = f"on the set {request.set}" if request.metric == "share" else "here"
        text = f"{'higher' if better == 'high' else 'lower'} is better {where}"
        raise file.error((*location, wrong), text, path=f"{target} {wrong}", allowed=right)
    refused, allowed = (DROPS, right) if request.dimension == "parity" else (DROPS[1:], "max_drop")
    for key in (drop for drop in refused if request.pipeline and drop in keys):
        text = "drops behind a pipeline are differences to the model's own preprocessing"
        raise file.error((*location, keys[key]), text, allowed=allowed)
    for bound in (right, *DROPS):
        if bound not in keys:
            continue
        place = (*location, keys[bound])
        given = file.value(place)
        number = getattr(asked.entry, keys[bound])
        bound_path = f"{target} {keys[bound]}"
        if isinstance(given, str) and unit not in SHARES and bound != "max_relative_drop":
            got = f"{given}, but the unit is {unit}"
            raise file.error(place, path=bound_path, is_on_key=False, got=got, allowed=f"a number in {unit}")
        problem = (_unreachable if bound == right else _useless)(bound, number, better, unit)
        if problem:
            raise file.error(place, f"{bound_path} {given} {problem}", path="", is_on_key=False)


def _useless(bound: str, drop: float, better: Better, unit: str) -> str:
    """Return the reason if every model meets a bound on a drop, else nothing."""
    is_relative = bound == "max_relative_drop"
    if better == "high" and (unit == "fraction" or (is_relative and unit == "ratio")):
        largest = 1.0
        reason = "a drop of 1 leaves nothing"
    else:
        largest = math.inf if is_relative else ENDS.get(unit, math.inf)
        reason = f"{unit}s end at {largest:g}"
    if drop < largest:
        return ""
    percent = f" Did you mean {drop / 100:g}?" if drop < 100 and unit in SHARES else ""
    return f"would always be met: {reason}.{percent}"


def _unreachable(bound: str, threshold: float, _better: Better, unit: str) -> str:
    """Return the reason if every model or no model meets a bound, else nothing."""
    plural = unit if unit.endswith("s") else f"{unit}s"
    is_percent = unit in SHARES and 2 <= threshold <= 100
    percent = f" Did you mean {threshold / 100:g}?" if is_percent else ""
    if unit in ENDS and threshold < 0:
        return f"{'would always' if bound == 'min' else 'can never'} be met: {plural} begin at 0."
    if unit in ENDS and threshold > ENDS[unit]:
        event = "can never" if bound == "min" else "would always"
        return f"{event} be met: {plural} end at {ENDS[unit]:g}.{percent}"
    if unit == "ratio" and threshold >= RATIO_REACH:
        return f"is out of reach: ratios are near 1.{percent}"
    if unit in SCALES and threshold >= COUNTS_REACH:
        return f"is out of reach: the unit is {unit}. Did you mean {threshold / SCALES[unit]:g}?"
    return ""


_WAIVABLE: Mapping[str, tuple[str, ...]] = {
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


def waiver_of(file: MergedFile, location: Location, entry: BaseModel) -> tuple[str, Waiver] | None:
    """Return the waiver of an entry with the key of its bound; None without one.

    Args:
        file: the file.
        location: place of the entry.
        entry: bounds and settings of a demand.

    Raises:
        ThresholdError: the waiver is expired, applies to no bound or to several, or allows nothing that the
            bound does not allow.
    """
    waive: WaiverEntry | None = getattr(entry, "waive", None)
    if waive is None:
        return None
    place = (*location, "waive")
    stated = waive.model_fields_set
    limits = [key for key in _WAIVABLE if key in stated]
    if len(limits) != 1:
        got = listed(limits) or "no worst value"
        raise file.error(place, got=got, allowed="at_least or at_most")
    limit = getattr(waive, limits[0])
    bounds = _WAIVABLE[limits[0]]
    waived = [
        key for key in bounds if key in entry.model_fields_set and (key == "min_grade") == (limit in LETTERS)
    ]
    if len(waived) != 1:
        text = f"{limits[0]} {limit} applies to {listed(waived) or 'no demand'}"
        allowed = f"next to one bound of {listed(bounds)}{_SEVERAL if waived else ''}"
        raise file.error(place, text, allowed=allowed)
    if not _is_looser(limit, getattr(entry, waived[0]), limits[0]):
        stated_bound = file.value((*location, waived[0]))
        text = f"{limits[0]} {limit} allows nothing that the bound {stated_bound} does not allow"
        raise file.error(place, text, allowed="a worse value")
    if getattr(entry, "tier", None) not in (None, "block"):
        raise file.error(place, "the tier of the demand does not block", allowed="a demand that blocks")
    first, last = today(), today() + LONGEST
    if not first <= waive.until <= last:
        problem = f"the waiver {'has expired' if waive.until < first else 'ends in more than a year'}"
        got = str(waive.until)
        allowed = f"{first} to {last}"
        hint = "Meet the demand, or decide again."
        raise file.error((*place, "until"), problem, is_on_key=False, got=got, allowed=allowed, hint=hint)
    return waived[0], Waiver(until=waive.until, by=waive.by, reason=waive.reason, bound=limit)


def title_of(file: MergedFile, location: Location, entry: BaseModel) -> str:
    """Return the title of an entry; empty without one.

    Raises:
        ThresholdError: there is no bound next to it.
    """
    title = getattr(entry, "title", None)
    bounds = [key for keys in _WAIVABLE.values() for key in keys]
    if title and not entry.model_fields_set & {*bounds}:
        raise file.error((*location, "title"), "it applies to no demand", allowed="next to a bound")
    return title or ""


def _is_looser(limit: Any, threshold: Any, key: str) -> bool:
    if isinstance(limit, str):
        return LETTERS.index(limit) < LETTERS.index(threshold)
    return bool(limit < threshold if key == "at_least" else limit > threshold)
