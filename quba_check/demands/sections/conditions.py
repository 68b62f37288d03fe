"""Conditions of requests: sets, pipelines, choosing sets and slices, once for all sections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from quba_check.core.facts import DecidedSet, SuiteFacts, table_class_names
from quba_check.core.predictions import column_of
from quba_check.core.request import MOST_PROBABLE, Part, QuantityKind, Request
from quba_check.core.view import CLEAN_SET, CORRUPTIONS_SET
from quba_check.demands.bounds import BOUNDS, SETTINGS, Asked, check_effect, title_of, waiver_of
from quba_check.demands.document import MergedFile
from quba_check.demands.schema import NumberEntry, SliceEntry
from quba_check.messages import did_you_mean, known_names, listed
from quba_check.records.verdict import DROPS
from quba_check.strict_yaml import Location, dotted_path

KINDS: tuple[QuantityKind, ...] = ("worst", "gap")
"""Demands on all slices of a column."""
_IMAGES = 50
_GROUPS_OF_IMAGES = 10
_FOR_CALIBRATION = 500
"""Images, or decided groups, below which a slice is not judged; errors of calibration are noise below 500."""
SHOWN = 20
"""Largest number of sets that a message lists."""


def entries_of(location: Location, entry: Any) -> Iterator[tuple[Location, Any]]:
    """Yield each entry of a list with its place, or the one entry."""
    if isinstance(entry, tuple):
        yield from (((*location, position), item) for position, item in enumerate(entry))
    elif entry is not None:
        yield location, entry


def on_sets(location: Location, entry: Any, request: Request, file: MergedFile) -> tuple[Request, ...]:
    """Return a request under the conditions of an entry, on each set that it names.

    Raises:
        ThresholdError: the suite has no such set or pipeline, or the number has no meaning there.
    """
    pipeline = getattr(entry, "pipeline", None) or ""
    suite = file.suite
    if pipeline and suite.slices is not None and pipeline not in suite.serving:
        problem = f"the suite '{suite.name}' has no pipeline '{pipeline}'"
        none = {"hint": "Declare it in its manifest."}
        pieces = known_names(pipeline, suite.serving) if suite.serving else none
        raise file.error((*location, "pipeline"), problem, is_on_key=False, **pieces)
    stated = getattr(entry, "set", None) or CLEAN_SET
    names = (stated,) if isinstance(stated, str) else stated
    place = (*location, "set")
    if len(names) > 1 and (waived := _waived(file.keys(location), location)):
        allowed = "an entry of its own for the waived set"
        raise file.error(waived, f"it would hold on {len(names)} sets", allowed=allowed)
    requests = tuple(replace(request, set=name, pipeline=pipeline) for name in names)
    for position, request_on_set in enumerate(requests):
        check_set(place if isinstance(stated, str) else (*place, position), request_on_set, file)
    return requests


def _waived(keys: Mapping[str, Any], location: Location = ()) -> Location:
    """Return the place of a waiver in an entry; empty without one."""
    inner = (_waived(value, (*location, key)) for key, value in keys.items() if isinstance(value, dict))
    return (*location, "waive") if "waive" in keys else next(filter(None, inner), ())


def check_set(location: Location, request: Request, file: MergedFile) -> None:
    """Raise a ThresholdError unless a number has a meaning on the set of a request."""
    _check(location, request.set, lambda name: _problem_of(replace(request, set=name), file.suite), file)


def check_chosen_on(location: Location, request: Request, file: MergedFile) -> None:
    """Refuse a threshold chosen on the judged images, or on differently decided ones."""
    judged = request.set
    rules = file.suite.decided
    labelled = replace(request, number=replace(request.number, name="recall"), pipeline="")

    def problem_of(name: str) -> str:
        problem = _problem_of(replace(labelled, set=name), file.suite)
        if problem:
            return problem
        if file.suite.root_of(judged) == file.suite.root_of(name):
            return f"its images are those of the judged set '{judged}'"
        kinds = {
            (rules[set_name].by, rules[set_name].any_of) if set_name in rules else None
            for set_name in (judged, name)
        }
        problem = f"it and the judged set '{judged}' need the same rule of deciding, or none"
        return problem if len(kinds) > 1 else ""

    if request.chosen_on:
        _check(location, request.chosen_on, problem_of, file)


def _check(location: Location, name: str, problem_of: Callable[[str], str], file: MergedFile) -> None:
    """Raise an error for a set with a problem, and list those without one."""
    if file.suite.slices is None or not (problem := problem_of(name)):
        return  # without slices the sets are unknown
    sets = [set_name for set_name in _sets_of(file.suite) if not problem_of(set_name)]
    allowed = listed(sets, SHOWN) or "another set, and the suite has none"
    hint = "" if name in _sets_of(file.suite) else did_you_mean(name, sets)
    raise file.error(location, problem, got=f"'{name}'", allowed=allowed, hint=hint)


def _sets_of(suite: SuiteFacts) -> list[str]:
    """Return the names of all sets that a threshold file may name."""
    corruptions = (*suite.corruptions, *suite.extra_corruptions) if CORRUPTIONS_SET in suite.spaces else ()
    return [CLEAN_SET, *suite.shifts, *suite.other, *corruptions, *suite.unknown, *suite.decided]


def _problem_of(request: Request, suite: SuiteFacts) -> str:
    """Return why a number has no meaning on its set; empty if it has one."""
    rule = suite.decided.get(request.set)
    times = _sets_of(suite).count(request.set)
    name = request.set if rule is None else rule.of
    is_corruption = name != CLEAN_SET and suite.root_of(name) == CLEAN_SET
    is_share = (request.dimension, request.metric) == ("answers", "share")
    problem = ""
    if not times:
        is_special = request.set in suite.spaces
        problem = f"the suite '{suite.name}' has no such labelled set"
        problem = "its images serve one dimension alone" if is_special else problem
    elif times > 1:
        problem = "several sets have this name"
    elif name in suite.unknown and not is_share:
        problem = "its images are of no class"
    elif suite.spaces.get(name) is not None and not (is_share or _is_accuracy(request)):
        problem = "its labels are not the model's classes"
    elif is_corruption and suite.samples_corruptions:
        problem = "each image is shown under one of all corruptions, by sample: one in the manifest"
    elif is_corruption and request.pipeline and suite.generates_corruptions:
        problem = "corruptions are made after the resize of a pipeline; give a stored set"
    elif rule is not None:
        problem = _problem_of_decided(request, rule, suite)
    return problem


def _problem_of_decided(request: Request, rule: DecidedSet, suite: SuiteFacts) -> str:
    """Return the reason against a number on a decided set; empty without one."""
    reads_confidence = request.dimension in ("class_balance", "answers")
    if rule.by == "majority" and (request.needs_probabilities or reads_confidence):
        return "decided by majority, it has no probabilities"
    is_of_class = request.classes == (rule.any_of,) and not request.others
    if rule.any_of is not None and not (_is_accuracy(request) or is_of_class):
        name = table_class_names(suite.class_names, suite.class_count)[rule.any_of]
        return f"decided by 'any: {name}', it has accuracy and the numbers of {name} alone"
    if request.score not in (MOST_PROBABLE, "margin"):
        return "decided by mean probabilities, it has no logits"
    return ""


def _is_accuracy(request: Request) -> bool:
    return (request.dimension, request.metric) == ("accuracy", "")


def numbers_asked(
    location: Location,
    entry: NumberEntry,
    requests: Sequence[Request],
    file: MergedFile,
    *,
    parts: tuple[Part, ...] = (),
    kinds: tuple[QuantityKind, ...] = KINDS,
    effects: tuple[str, ...] = ("min", "max", "slices"),
) -> Iterator[Asked]:
    """Yield what the entry of a number asks for, for each request.

    Args:
        location: the place of the entry.
        entry: its bounds, settings and slices.
        requests: the number on each set.
        file: the file.
        parts: see `Asked`.
        kinds: the demands on all slices of a column that the number allows; named slices need all of them.
        effects: see `Asked`.
    """
    keys = file.keys(location)
    for request in requests:
        whole = Asked(location, entry, request, parts, effects=effects)
        if not BOUNDS.keys() & keys.keys():
            yield whole  # for its settings
        for key in keys:
            if key in BOUNDS:
                yield replace(whole, keys={key: BOUNDS[key]})
        for name, inner in (entry.slices or {}).items():
            with file.problems.caught():
                yield from _slices((*location, "slices", name), inner, request, file, kinds)


def _slices(
    location: Location,
    entry: SliceEntry | None,
    request: Request,
    file: MergedFile,
    kinds: tuple[QuantityKind, ...],
) -> Iterator[Asked]:
    """Yield what the entry of a column of slices, or of one slice, asks for."""
    name = str(location[-1])
    keys = file.keys(location)
    suite = file.suite
    column = column_of(name)
    path = dotted_path(location[1:-1] if location[0] == "dimensions" else location[:-1])
    if suite.slices is not None and column not in suite.slices:
        none = {"hint": "Declare them in its manifest."}
        pieces = known_names(column, suite.slices) if suite.slices else none
        problem = f"the suite '{suite.name}' has no slices of '{column}'"
        raise file.error(location, problem, path=path, is_on_key=True, **pieces)
    if entry is None:
        return
    least = _least_images(location, entry, request, file)
    if "=" in name and kinds == KINDS:
        _check_keys(file, location, ("min" if request.better == "high" else "max", *DROPS))
        yield Asked(location, entry, replace(request, slice=name), min_images=least)
        return
    if "=" in name:
        raise file.error(location, got=f"'{name}'", path=path, allowed=f"{column} with {listed(kinds)}")
    _check_keys(file, location, kinds)
    check_effect(file, location, kinds)
    waiver_of(file, location, entry)  # refuses one next to no bound
    title_of(file, location, entry)  # likewise
    for kind in (kind for kind in keys if kind in kinds):
        with file.problems.caught():
            asked = replace(request, slice=name, kind="worst" if kind == "worst" else "gap")
            _check_keys(file, (*location, kind), ("min" if asked.better == "high" else "max",))
            yield Asked((*location, kind), getattr(entry, kind), asked, min_images=least)


def _least_images(location: Location, entry: SliceEntry, request: Request, file: MergedFile) -> int:
    """Return the fewest images of a judged slice.

    Raises:
        ThresholdError: the entry states fewer than a calibration error needs.
    """
    if request.dimension != "calibration_error":
        return _GROUPS_OF_IMAGES if request.set in file.suite.decided else _IMAGES
    if (entry.min_images or _FOR_CALIBRATION) < _FOR_CALIBRATION:
        text = "the error of so few images is mostly noise"
        allowed = f"{_FOR_CALIBRATION} or more"
        got = f"{entry.min_images}"
        raise file.error((*location, "min_images"), text, got=got, allowed=allowed, is_on_key=False)
    return _FOR_CALIBRATION


def _check_keys(file: MergedFile, location: Location, bounds: tuple[str, ...]) -> None:
    """Refuse an entry without keys, or with bounds that it cannot have."""
    entry = file.keys(location)
    wrong = next((key for key in entry if key not in (*bounds, *SETTINGS, "waive", "title")), None)
    if wrong is not None or not entry:
        place = location if wrong is None else (*location, wrong)
        path = dotted_path(location[1:] if location[0] == "dimensions" else location)
        raise file.error(place, path=path, got=wrong or "nothing", allowed=listed(bounds))
