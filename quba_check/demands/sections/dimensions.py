"""The section `dimensions` of a threshold file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from quba_check.core.dimension import Dimension
from quba_check.core.protocols import EPSILON
from quba_check.core.request import Part, Request
from quba_check.demands.bounds import Asked
from quba_check.demands.document import MergedFile, plain
from quba_check.demands.schema import VALUES, DimensionEntry, PartEntry, dimension_names, value_entry
from quba_check.demands.sections.conditions import check_set, numbers_asked, on_sets
from quba_check.dimensions import registry
from quba_check.messages import did_you_mean, known_names, listed
from quba_check.strict_yaml import Location
from quba_check.strict_yaml.round_trip import flow_text

_WITH_PARTS = ("accuracy", "calibration_error")
"""Dimensions whose parts can be demanded on other sets."""


def dimension_requests(location: Location, entry: DimensionEntry, file: MergedFile) -> Iterator[Asked]:
    """Yield what an entry of a dimension asks for, in the order of the file.

    Raises:
        ThresholdError: an unknown dimension, one with a section of its own, or a part, set or column of
            slices that the suite does not have.
    """
    name = str(location[1])
    if name in VALUES:
        text = flow_text(value_entry(name, plain(file.keys(location))))
        raise file.error(location[:2], "it has a section of its own", hint=f"Write: {text}")
    if name not in dimension_names():
        problem = f"unknown dimension '{name}'"
        pieces = known_names(name, dimension_names())
        raise file.error(location[:2], problem, path="", is_on_key=True, **pieces)
    dimension = registry[name]
    views = dimension.views(file.suite)  # of a custom dimension it may raise an error
    size = Fraction(getattr(entry, "epsilon", None) or 0)
    request = Request(dimension.name, dimension.value_part)
    requests = on_sets(location, entry, request, file)
    if size not in (0, EPSILON):
        requests = (replace(request, epsilon=size),)
    if entry.slices and not views:
        text = "it needs no images, and has no slices"
        raise file.error(
            (*location, "slices"), text, path=f"{dimension.name}.slices", allowed="bounds on its value"
        )
    named = [request for request in requests if request.conditions]
    has_parts = all(
        request.epsilon or (dimension.name in _WITH_PARTS and not request.pipeline) for request in named
    )
    if entry.parts and not has_parts:
        text = f"{dimension.name} has no parts under these conditions"
        got = named[0].conditions[1:]
        raise file.error((*location, "parts"), text, got=got, allowed="bounds on its value")
    parts = (part for part in dimension.parts(file.suite) if part.better and "@" not in part.name)
    of_value = () if named else tuple(parts)
    effects = ("min", "max", "parts", "slices")
    yield from numbers_asked(location, entry, requests, file, parts=of_value, effects=effects)
    for name, inner in (entry.parts or {}).items():
        with file.problems.caught():
            yield from _parts((*location, "parts", name), inner, dimension, requests, file)


def _parts(
    location: Location,
    entry: PartEntry | None,
    dimension: Dimension,
    requests: Sequence[Request],
    file: MergedFile,
) -> Iterator[Asked]:
    """Yield what the entry of a part asks for."""
    name = str(location[-1])
    parts: dict[str, Part] = {part.name: part for part in dimension.parts(file.suite)}
    allowed = [part.name for part in parts.values() if part.better is not None]
    choices = listed(allowed) or f"demands on {dimension.name} itself"
    hint = f"Allowed on the suite '{file.suite.name}': {choices}."
    if file.suite.samples_corruptions and name in file.suite.corruptions:
        hint += (
            f" Its manifest shows each image under one corruption; without sample: one, {name} has a value."
        )
    if name not in parts:
        problem = f"{dimension.name} has no part '{name}'"
        raise file.error(location, problem, path="", hint=f"{did_you_mean(name, allowed)} {hint}".strip())
    if parts[name].better is None:
        problem = f"{dimension.name}.{name} is for reports only, not for demands"
        raise file.error(location, problem, path="", hint=hint)
    if entry is not None:
        for request in requests:
            asked = replace(request, number=parts[name])
            check_set(location, asked, file)
            yield Asked(location, entry, asked)
