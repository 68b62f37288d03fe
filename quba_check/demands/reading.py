"""Threshold files as demands and settings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, Dimension, Part
from quba_check.core.facts import SuiteFacts
from quba_check.core.measurement import SLICES
from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Demand, QubaSettings, Thresholds, demands_digest
from quba_check.demands.inheritance import LocatedValue, MergedFile, Tree, branch, merged_tree, value_of
from quba_check.demands.policy import POINT, Policy
from quba_check.demands.requests import REQUESTS, SECTIONS, SETTINGS, bounds_of
from quba_check.demands.schema import POPULATIONS, as_share
from quba_check.demands.validation import BY_NAME, SLICE_BOUNDS, Problems, check_entries, check_entry, part_of
from quba_check.demands.waivers import waiver_of
from quba_check.dimensions import registry
from quba_check.errors import ThresholdError
from quba_check.messages import listed
from quba_check.records.baselines import NAME
from quba_check.records.record import InputKind, InputRow, yaml_input
from quba_check.records.verdict import DROPS, QUBA, Bound
from quba_check.storage.user_files import is_url, sha256
from quba_check.strict_yaml import Document, dotted_path

_BOUNDS: Mapping[str, Bound] = {bound: bound for bound in get_args(Bound)}
_GRADE_PARTS = {"min_score": "score", "min_grade": "grade"}
_DEFAULTS: Mapping[str, Any] = {"tier": "block", "optional": False, "allow_masked": False}
"""Settings of demands; parts and slices take those of their dimension."""
_SLICE_DEFAULTS: Mapping[str, Any] = {"min_images": 50, "min_groups": 10}


def read_thresholds(path: Path, *, label: str, suite: SuiteFacts) -> Thresholds:
    """Read a threshold file and its extended files.

    Args:
        path: the file.
        label: its name in ids and messages.
        suite: determines the parts of the dimensions.

    Raises:
        ThresholdError: an error in one of the files, with file and line, and the messages of all.
    """
    problems = Problems()
    inputs: list[InputRow] = []
    documents: list[Document] = []

    def check(document: Document) -> Document:
        document = problems.well_formed(document)
        check_entries(document, suite, problems)
        documents.append(document)
        kind: InputKind = "extended threshold file" if inputs else "threshold file"
        inputs.append(yaml_input(kind, document.label, document.content))
        return document

    with problems.caught():
        tree = problems.without_wrong(merged_tree(path, label, check))
        demands = tuple(_demands(MergedFile(tree, documents[0]), suite, problems))
        quba = _settings(branch(tree, QUBA), branch(tree, "dimensions"))
        baseline = _baseline(tree)
    problems.raise_first()
    if not demands:
        raise ThresholdError(
            f"{label}:1: the file demands nothing. "
            f"Allowed: a min, max or drop under dimensions, {listed(SECTIONS)}, quba.min_score, "
            "quba.min_grade."
        )
    name = tree.get("name")
    protocol: ProtocolName | None = value_of(tree, "protocol")
    policy = Policy(
        value_of(tree, "uncertain", POINT.uncertain), float(value_of(tree, "confidence", POINT.confidence))
    )
    digest = demands_digest(demands, quba, policy, protocol)
    return Thresholds(
        path=path,
        label=label,
        # The name of an extended file is not this one's.
        name=name.value if isinstance(name, LocatedValue) and name.document.path == path else path.stem,
        protocol=protocol,
        demands=demands,
        quba=quba,
        policy=policy,
        inputs=(inputs[0].model_copy(update={"demands": digest}), *inputs[1:]),
        baseline=baseline,
    )


def _baseline(tree: Tree) -> str | None:
    """Return the stated baseline; a path starts at the folder of its file."""
    located = tree.get("baseline")
    if not isinstance(located, LocatedValue):
        return None
    text = str(located.value)
    if text.endswith(".json"):
        raise ThresholdError(
            f"{located.document.at(located.location)}: baseline: got '{text}'. Allowed: a name, or the path "
            "or URL of a folder, that 'quba-check approve' wrote."
        )
    is_stable = is_url(text) or NAME.fullmatch(text)
    return text if is_stable else str(located.document.path.parent / text)


def _demands(file: MergedFile, suite: SuiteFacts, problems: Problems) -> Iterator[Demand]:
    """Yield the demands of the files, and collect the errors about them."""
    tree = file.tree
    for key in tree:
        for name in branch(tree, key) if key == "dimensions" else ():
            with problems.caught(key, name):
                yield from _entry_demands(registry[name], None, branch(tree, key, name), suite, _DEFAULTS)
        if key in SECTIONS:
            entries = _plain(branch(tree, key))
            for entry in [{name: value} for name, value in entries.items()] if key in BY_NAME else [entries]:
                with problems.caught(key):
                    yield from _requested_demands(key, entry, file, suite)
        elif key == QUBA:
            with problems.caught(key):
                yield from _grade_demands(branch(tree, key))


def _requested_demands(
    section: str, entries: Mapping[str, Any], file: MergedFile, suite: SuiteFacts
) -> Iterator[Demand]:
    """Yield the demands on numbers that exist only because a section asks for them."""
    for location, bounds, request in REQUESTS[section](entries, suite, file.at_key):
        part = part_of(request, suite)
        check_entry(file, location, bounds, part.better or "high", part.unit)
        settings = {key: _DEFAULTS[key] for key in SETTINGS}
        for end in range(1, len(location)):
            parent = branch(file.tree, *location[:end])
            settings = {key: value_of(parent, key, default) for key, default in settings.items()}
        entry = bounds_of(request, branch(file.tree, *location))
        for demand in _entry_demands(registry[request.dimension], part, entry, suite, settings):
            yield replace(demand, request=request)


def _plain(tree: Tree) -> dict[str, Any]:
    """Return the values of a tree without their places."""
    return {key: item.value if isinstance(item, LocatedValue) else _plain(item) for key, item in tree.items()}


def _entry_demands(
    dimension: Dimension, part: Part | None, entry: Tree, suite: SuiteFacts, defaults: Mapping[str, Any]
) -> Iterator[Demand]:
    """Yield the demands on a dimension with its parts and slices, or on one."""
    _check_effect(entry, ("min", "max") if part else ("min", "max", "parts", "slices"), defaults)
    settings = {key: value_of(entry, key, default) for key, default in defaults.items()}
    parts = {each.name: each for each in dimension.parts(suite) if each.better is not None}
    waived = waiver_of(entry)
    for key, located in entry.items():
        if key == "parts":
            for name in branch(entry, key):
                yield from _entry_demands(dimension, parts[name], branch(entry, key, name), suite, settings)
        elif key == "slices":
            for name in branch(entry, key):
                yield from _slice_demands(dimension, name, branch(entry, key, name), suite, settings)
        elif key in _BOUNDS and isinstance(located, LocatedValue):
            yield Demand(
                dimension=dimension.name,
                part=part.name if part else None,
                bound=_BOUNDS[key],
                threshold=float(as_share(located.value)),
                unit=part.unit if part else dimension.unit,
                better=part.better or dimension.better if part else dimension.better,
                file=located.document.label,
                line=located.line,
                parts=() if part else tuple(parts.values()),
                path=located.document.path,
                location=located.location,
                waiver=waived[1] if waived and waived[0] == key else None,
                **settings,
            )


def _slice_demands(
    dimension: Dimension, name: str, entry: Tree, suite: SuiteFacts, defaults: Mapping[str, Any]
) -> Iterator[Demand]:
    """Yield the demands on a slice, or on all slices of a column."""
    defaults = {**defaults, **_SLICE_DEFAULTS}
    if "=" in name:
        part = Part(f"{SLICES}{name}", dimension.unit, dimension.better, name)
        yield from _entry_demands(dimension, part, entry, suite, defaults)
        return
    _check_effect(entry, tuple(SLICE_BOUNDS), defaults)
    waiver_of(entry)  # refuses one next to no bound
    settings = {key: value_of(entry, key, default) for key, default in defaults.items()}
    for key in entry:
        if key in SLICE_BOUNDS:
            part = Part(f"{SLICES}{name}.{key}", dimension.unit, SLICE_BOUNDS[key] or dimension.better, key)
            yield from _entry_demands(dimension, part, branch(entry, key), suite, settings)


def _grade_demands(entry: Tree) -> Iterator[Demand]:
    _check_effect(entry, tuple(_GRADE_PARTS), _DEFAULTS)
    waived = waiver_of(entry)
    for key, located in entry.items():
        if key in _GRADE_PARTS and isinstance(located, LocatedValue):
            part = _GRADE_PARTS[key]
            yield Demand(
                dimension=QUBA,
                part=part,
                bound="min",
                threshold=located.value if part == "grade" else float(located.value),
                tier=value_of(entry, "tier", "block"),
                optional=False,
                unit=part,
                better="high",
                file=located.document.label,
                line=located.line,
                path=located.document.path,
                waiver=waived[1] if waived and waived[0] == key else None,
            )


def _check_effect(entry: Tree, keys: tuple[str, ...], settings: Iterable[str]) -> None:
    """Raise an error for settings that apply to no demand."""
    if any(key in entry for key in (*keys, *DROPS)):
        return
    for key in settings:
        located = entry.get(key)
        if isinstance(located, LocatedValue):
            where = f"{located.document.at(located.location)}: {dotted_path(located.location)}"
            raise ThresholdError(
                f"{where}: it applies to no demand. Allowed: together with {' or '.join(keys)}."
            )


def _settings(entry: Tree, dimensions: Tree) -> QubaSettings:
    overrides = {
        name: located
        for name, located in branch(entry, "weights").items()
        if isinstance(located, LocatedValue)
    }
    weights = {name: registry[name].weight for name in PUBLISHED_DIMENSIONS}
    weights |= {name: float(located.value) for name, located in overrides.items()}
    if not any(weights.values()):
        last = list(overrides.values())[-1]
        raise ThresholdError(
            f"{last.document.at(last.location)}: quba.weights: all dimensions weigh 0. "
            "Allowed: at least one above 0."
        )
    population, digest = _population(entry)
    return QubaSettings(
        weights,
        population,
        tuple(value_of(entry, "allow_missing", ())),
        allow_other_suite=value_of(entry, "allow_other_suite", False),
        allow_masked=value_of(branch(dimensions, "adversarial_robustness"), "allow_masked", False),
        population_sha256=digest,
    )


def _population(entry: Tree) -> tuple[str, str | None]:
    """Return a name without digest, or the path of a population file with its digest."""
    located = entry.get("population")
    if not isinstance(located, LocatedValue):
        return POPULATIONS[0], None
    if located.value in POPULATIONS:
        return str(located.value), None
    path = Path(os.path.realpath(located.document.path.parent / str(located.value)))
    where = f"{located.document.at(located.location)}: quba.population"
    return str(path), sha256(path, where, ThresholdError)
