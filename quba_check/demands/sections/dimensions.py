"""The section `dimensions` of a threshold file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from quba_check.core.dimension import Dimension
from quba_check.core.facts import SuiteFacts
from quba_check.core.predictions import column_of
from quba_check.core.request import Better, Kind, Part, Request
from quba_check.demands.bounds import BOUNDS, SETTINGS, Asked, check_effect, waiver_of
from quba_check.demands.document import MergedFile
from quba_check.demands.schema import DimensionEntry, PartEntry, SliceEntry
from quba_check.dimensions import registry
from quba_check.errors import UserError
from quba_check.messages import allowed_names, did_you_mean, listed
from quba_check.records.verdict import DROPS
from quba_check.strict_yaml import Location

_KINDS: Mapping[Kind, Better | None] = {"worst": None, "gap": "low"}
"""Demands on all slices of a column, with their better direction; None is that of the dimension."""


def dimension_requests(
    location: Location, entry: DimensionEntry | None, file: MergedFile, suite: SuiteFacts
) -> Iterator[Asked]:
    """Yield what the entry of a dimension asks for, in the order of the file.

    Raises:
        ThresholdError: an unknown dimension, or a part or column of slices that the suite does not have.
    """
    try:
        dimension = registry[str(location[-1])]
    except UserError as error:
        raise file.error(location, str(error), shown="") from None
    if entry is None:
        return
    dimension.views(suite)  # a custom dimension may raise an error
    demandable = tuple(part for part in dimension.parts(suite) if part.better is not None)
    request = Request(dimension.name, dimension.value_part)
    whole = Asked(location, entry, request, demandable, effects=("min", "max", "parts", "slices"))
    keys = file.keys(location)
    if not BOUNDS.keys() & keys.keys():
        yield whole  # for its settings
    for key in keys:
        if key in BOUNDS:
            yield replace(whole, keys={key: BOUNDS[key]})
        elif key in ("parts", "slices"):
            read: Callable[..., Iterator[Asked]] = _parts if key == "parts" else _slices
            for name, inner in (getattr(entry, key) or {}).items():
                with file.problems.caught():
                    yield from read((*location, key, name), inner, dimension, file, suite)


def _parts(
    location: Location, entry: PartEntry | None, dimension: Dimension, file: MergedFile, suite: SuiteFacts
) -> Iterator[Asked]:
    """Yield what the entry of a part asks for."""
    name = str(location[-1])
    parts = {part.name: part for part in dimension.parts(suite)}
    allowed = [part.name for part in parts.values() if part.better is not None]
    hint = f"Allowed on the suite '{suite.name}': {listed(allowed) or f'demands on {dimension.name} itself'}."
    if name not in parts:
        problem = f"{dimension.name} has no part '{name}'.{did_you_mean(name, allowed)}"
        raise file.error(location, problem, shown="", hint=hint)
    if parts[name].better is None:
        problem = f"{dimension.name}.{name} is for reports only, not for demands"
        raise file.error(location, problem, shown="", hint=hint)
    if entry is not None:
        yield Asked(location, entry, Request(dimension.name, parts[name]))


def _slices(
    location: Location, entry: SliceEntry | None, dimension: Dimension, file: MergedFile, suite: SuiteFacts
) -> Iterator[Asked]:
    """Yield what the entry of a column of slices, or of one slice, asks for."""
    name, shown, keys = str(location[-1]), f"{dimension.name}.slices", file.keys(location)
    if not dimension.views(suite):
        text = "it needs no images, and has no slices"
        raise file.error(location, text, shown=shown, allowed="bounds on its value")
    column = column_of(name)
    if suite.slices is not None and column not in suite.slices:
        hint = allowed_names(column, suite.slices) if suite.slices else "Declare them in its manifest."
        raise file.error(
            location, f"the suite '{suite.name}' has no slices of '{column}'", shown=shown, hint=hint
        )
    if entry is None:
        return
    number = dimension.value_part
    if "=" in name:
        _check_keys(file, location, ("min" if number.better == "high" else "max", *DROPS))
        yield Asked(location, entry, Request(dimension.name, number, slice=name))
        return
    _check_keys(file, location, tuple(_KINDS))
    check_effect(file, location, tuple(_KINDS))
    waiver_of(file, location, entry)  # refuses one next to no bound
    for key in keys:
        if key in _KINDS:
            with file.problems.caught():
                kind: Kind = "worst" if key == "worst" else "gap"
                better = _KINDS[kind] or dimension.better
                _check_keys(file, (*location, kind), ("min" if better == "high" else "max",))
                part = Part("", dimension.unit, better, dimension.title)
                request = Request(dimension.name, part, slice=name, kind=kind)
                yield Asked((*location, kind), getattr(entry, kind), request)


def _check_keys(file: MergedFile, location: Location, bounds: tuple[str, ...]) -> None:
    """Refuse an entry without keys, or with bounds that it cannot have."""
    entry = file.keys(location)
    wrong = next((key for key in entry if key not in (*bounds, *SETTINGS, "waive")), None)
    if wrong is not None or not entry:
        place = location if wrong is None else (*location, wrong)
        shown = ".".join(map(str, location[1:]))
        raise file.error(place, shown=shown, got=wrong or "nothing", allowed=listed(bounds))
