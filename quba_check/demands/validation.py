"""Checks of the names and bounds in a threshold file, and their collected errors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, WEIGHTS, Better, Dimension, Part, is_weight
from quba_check.core.facts import SuiteFacts
from quba_check.core.requests import Request
from quba_check.core.slices import column_of
from quba_check.demands.inheritance import MergedFile
from quba_check.demands.schema import POPULATIONS, ThresholdFile, as_share
from quba_check.dimensions import registry
from quba_check.errors import ThresholdError, UserError
from quba_check.messages import allowed_names, did_you_mean, listed
from quba_check.records.verdict import DROPS
from quba_check.storage.user_files import file_kind
from quba_check.strict_yaml import Document, Location, schema_problems

SHARES = ("fraction", "ratio")
"""Units whose bounds may be percentages."""
RATIO_REACH = 10.0
"""Ratios (relative accuracies) are near 1; a threshold from here on was meant as percent."""
SCALES = {"millions": 1e6, "megabytes": 1e6, "gigaflops": 1e9}
"""Size of the units of counts."""
COUNTS_REACH = 1e5
"""A threshold from here on was meant as a count, not in such a unit."""
_SETTINGS = ("tier", "optional", "waive", "min_images", "min_groups")
SLICE_BOUNDS: Mapping[str, Better | None] = {"worst": None, "gap": "low"}
"""Demands on all slices of a column, with their better direction; None is that of the dimension."""
BY_NAME = ("dimensions", "classes", "serving")
"""Sections whose entries are independent of each other."""


@dataclass(slots=True)
class Problems:
    """The errors of a threshold file and its extended files.

    They are collected instead of raised at the first.
    """

    errors: list[ThresholdError] = field(default_factory=list)
    _wrong: set[Location] = field(default_factory=set)

    @contextmanager
    def caught(self, *location: str | int) -> Iterator[None]:
        """Collect an error about the value at a location."""
        try:
            yield
        except ThresholdError as error:
            self.errors.append(error)
            self._wrong.add(location[: 2 if {*location[:1]} & {*BY_NAME} else 1])

    def well_formed(self, document: Document) -> Document:
        """Collect the wrong keys and types of a document; return it without wrong entries."""
        for location, message in schema_problems(document, ThresholdFile).items():
            with self.caught(*location):
                raise ThresholdError(message)
        return replace(document, data=self.without_wrong(document.data))

    def without_wrong(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return the content of a file, or of merged ones, without wrong entries."""
        kept = {key: value for key, value in content.items() if (key,) not in self._wrong}
        for key in BY_NAME:
            if isinstance(entries := kept.get(key), dict):
                kept[key] = {name: entry for name, entry in entries.items() if (key, name) not in self._wrong}
        return kept

    def raise_first(self) -> None:
        """Raise the first error, if any; it carries the messages of all."""
        if self.errors:
            self.errors[0].messages = list(dict.fromkeys(map(str, self.errors)))
            raise self.errors[0]


def check_entries(document: Document, suite: SuiteFacts, problems: Problems) -> None:
    """Check a well-formed threshold file against dimensions and suite.

    Args:
        document: the file.
        suite: determines the parts of the dimensions.
        problems: collects the errors: an unknown dimension, part or population, a bound in the wrong
            direction or out of reach, or a negative weight; with the line.
    """
    for name, entry in (document.data.get("dimensions") or {}).items():
        with problems.caught("dimensions", name):
            _check_dimension(document, name, entry, suite, problems)
    with problems.caught("quba"):
        _check_quba(document, document.data.get("quba") or {}, problems)


def part_of(request: Request, suite: SuiteFacts) -> Part:
    """Return a request as a part of its dimension."""
    parts = registry[request.dimension].parts(replace(suite, requests=(request,)))
    return next(part for part in parts if part.name == request.name)


def _check_dimension(
    document: Document, name: str, entry: Mapping[str, Any] | None, suite: SuiteFacts, problems: Problems
) -> None:
    location: Location = ("dimensions", name)
    try:
        dimension = registry[name]
    except UserError as error:
        raise ThresholdError(f"{document.at_key(location)}: {error}") from None
    if entry is None:
        return
    dimension.views(suite)  # a custom dimension may raise an error
    with problems.caught(*location):
        check_entry(document, location, entry, dimension.better, dimension.unit)
    for part_name, part_entry in (entry.get("parts") or {}).items():
        part_location = (*location, "parts", part_name)
        with problems.caught(*location):
            part = _part(document, part_location, dimension, suite)
            if part_entry is not None and part.better is not None:
                check_entry(document, part_location, part_entry, part.better, part.unit)
    for slice_name, slice_entry in (entry.get("slices") or {}).items():
        with problems.caught(*location):
            _check_slices(document, (*location, "slices", slice_name), slice_entry, dimension, suite)


def _check_slices(
    document: Document,
    location: Location,
    entry: Mapping[str, Any] | None,
    dimension: Dimension,
    suite: SuiteFacts,
) -> None:
    """Check demands on the slices of a column, or on one slice."""
    name = str(location[-1])
    where = f"{document.at_key(location)}: {dimension.name}.slices"
    if not dimension.views(suite):
        raise ThresholdError(f"{where}: it needs no images, and has no slices. Allowed: bounds on its value.")
    column = column_of(name)
    if suite.slices is not None and column not in suite.slices:
        choice = allowed_names(column, suite.slices) if suite.slices else "Declare them in its manifest."
        raise ThresholdError(f"{where}: the suite '{suite.name}' has no slices of '{column}'. {choice}")
    if entry is None:
        return
    bounds = (
        (("min" if dimension.better == "high" else "max"), *DROPS) if "=" in name else tuple(SLICE_BOUNDS)
    )
    _check_keys(document, location, entry, bounds)
    if "=" in name:
        check_entry(document, location, entry, dimension.better, dimension.unit)
        return
    for key in SLICE_BOUNDS.keys() & {name for name, value in entry.items() if value is not None}:
        better = SLICE_BOUNDS[key] or dimension.better
        _check_keys(document, (*location, key), entry[key], ("min" if better == "high" else "max",))
        check_entry(document, (*location, key), entry[key], better, dimension.unit)


def _check_keys(
    document: Document, location: Location, entry: Mapping[str, Any], bounds: tuple[str, ...]
) -> None:
    """Refuse an entry without keys, or with bounds that it cannot have."""
    wrong = next((key for key in entry if key not in (*bounds, *_SETTINGS)), None)
    if wrong is not None or not entry:
        where = document.at_key(location if wrong is None else (*location, wrong))
        target = ".".join(map(str, location[1:]))
        raise ThresholdError(f"{where}: {target}: got {wrong or 'nothing'}. Allowed: {listed(bounds)}.")


def _part(document: Document, location: Location, dimension: Dimension, suite: SuiteFacts) -> Part:
    name = str(location[-1])
    parts = {part.name: part for part in dimension.parts(suite)}
    allowed = [part.name for part in parts.values() if part.better is not None]
    choice = (
        f"Allowed on the suite '{suite.name}': {listed(allowed) or f'demands on {dimension.name} itself'}."
    )
    where = document.at_key(location)
    if name not in parts:
        raise ThresholdError(
            f"{where}: {dimension.name} has no part '{name}'.{did_you_mean(name, allowed)} {choice}"
        )
    if parts[name].better is None:
        raise ThresholdError(
            f"{where}: {dimension.name}.{name} is for reports only, not for demands. {choice}"
        )
    return parts[name]


def check_entry(
    document: Document | MergedFile, location: Location, entry: Mapping[str, Any], better: Better, unit: str
) -> None:
    """Check the bounds on one value.

    Args:
        document: the file or files of the bounds.
        location: their place.
        entry: the bounds.
        better: the better direction of the value.
        unit: its unit.

    Raises:
        ThresholdError: no bound, or one in the wrong direction or out of reach.
    """
    path = location[1:] if location[0] == "dimensions" else location
    target = ".".join(str(step) for step in path if step != "parts")
    if not entry:
        raise ThresholdError(
            f"{document.at_key(location)}: {target}: nothing is demanded. "
            "Allowed: min, max, max_drop or max_relative_drop."
        )
    right, wrong = ("min", "max") if better == "high" else ("max", "min")
    if entry.get(wrong) is not None:
        direction = "higher" if better == "high" else "lower"
        where = document.at_key((*location, wrong))
        raise ThresholdError(f"{where}: {target} {wrong}: {direction} is better here. Allowed: {right}.")
    for bound in (right, "max_drop"):
        if isinstance(given := entry.get(bound), str) and unit not in SHARES:
            where = f"{document.at((*location, bound))}: {target} {bound}"
            raise ThresholdError(
                f"{where}: got {given}, but the unit is {unit}. Allowed: a number in {unit}."
            )
    threshold = as_share(entry.get(right))
    problem = _unreachable(right, threshold, unit) if threshold is not None else None
    if problem:
        raise ThresholdError(f"{document.at((*location, right))}: {target} {right} {entry[right]} {problem}")
    for bound in DROPS:
        drop = as_share(entry.get(bound))
        if drop is not None and drop >= 1 and _is_whole(bound, better, unit):
            percent = f" Did you mean {drop / 100:g}?" if drop < 100 else ""
            raise ThresholdError(
                f"{document.at((*location, bound))}: {target} {bound} {entry[bound]} would always be met: "
                f"a drop of 1 leaves nothing.{percent}"
            )


def _is_whole(bound: str, better: Better, unit: str) -> bool:
    """True if a value cannot lose more than 1."""
    return better == "high" and (unit == "fraction" or (bound == "max_relative_drop" and unit == "ratio"))


ENDS = {"fraction": 1.0, "squared error": 2.0} | dict.fromkeys(("ratio", "nats", *SCALES), math.inf)
"""Largest value by unit, of the units whose values begin at 0."""


def _unreachable(bound: str, threshold: float, unit: str) -> str | None:
    """Return the reason if every model or no model meets a bound, else None."""
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
    return None


def _check_quba(document: Document, entry: Mapping[str, Any], problems: Problems) -> None:
    for name, weight in (entry.get("weights") or {}).items():
        location = ("quba", "weights", name)
        with problems.caught(*location):
            _check_published(document.at_key(location), "quba.weights", name)
            if weight is not None and not is_weight(weight):
                where = f"{document.at(location)}: quba.weights.{name}"
                raise ThresholdError(f"{where}: got {weight:g}. Allowed: {WEIGHTS}.")
    for position, name in enumerate(entry.get("allow_missing") or ()):
        with problems.caught("quba"):
            _check_published(document.at(("quba", "allow_missing", position)), "quba.allow_missing", name)
    population = entry.get("population")
    if population is None or population in POPULATIONS:
        return
    where = f"{document.at(('quba', 'population'))}: quba.population"
    if file_kind(document.path.parent / population, where, ThresholdError) != "file":
        raise ThresholdError(
            f"{where}: no such name or file, got '{population}'.{did_you_mean(population, POPULATIONS)} "
            f"Allowed: {listed(POPULATIONS)}, or a population file next to this one."
        )


def _check_published(where: str, path: str, name: str) -> None:
    if name not in PUBLISHED_DIMENSIONS:
        allowed = allowed_names(name, PUBLISHED_DIMENSIONS)
        raise ThresholdError(f"{where}: {path}: '{name}' is not in the QUBA score. {allowed}")
