"""Threshold files as demands and settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, Better, Part
from quba_check.core.facts import SuiteFacts
from quba_check.demands.demand import QUBA, Demand, QubaSettings, Thresholds
from quba_check.demands.inheritance import LocatedValue, Tree, layered
from quba_check.demands.policy import POINT, Policy
from quba_check.demands.schema import POPULATIONS, as_share
from quba_check.demands.validation import check_vocabulary
from quba_check.dimensions import registry
from quba_check.errors import ThresholdError
from quba_check.records.verdict import DROPS, Bound, Tier
from quba_check.strict_yaml import dotted

BOUNDS: tuple[Bound, ...] = ("min", "max")
_GRADE_PARTS = {"min_score": "score", "min_grade": "grade"}


def read_thresholds(path: Path, *, shown: str, suite: SuiteFacts) -> Thresholds:
    """The demands and settings of a threshold file and of all that it extends.

    Args:
        path: the file.
        shown: how ids and messages call it.
        suite: says which parts the dimensions have.

    Raises:
        ThresholdError: a mistake in one of the files, with file and line.
    """
    tree = layered(path, shown, lambda document: check_vocabulary(document, suite))
    demands = tuple(_demands(tree, suite))
    if not demands:
        raise ThresholdError(
            f"{shown}:1: the file demands nothing. "
            "Allowed: a min, max or drop under dimensions, quba.min_score, quba.min_grade."
        )
    name = tree.get("name")
    return Thresholds(
        path=path,
        shown=shown,
        # The name of an extended file is not this one's.
        name=name.value if isinstance(name, LocatedValue) and name.document.path == path else path.stem,
        protocol=_value(tree, "protocol"),
        demands=demands,
        quba=_settings(_branch(tree, QUBA), _branch(tree, "dimensions")),
        policy=Policy(
            _value(tree, "uncertain", POINT.uncertain), float(_value(tree, "confidence", POINT.confidence))
        ),
    )


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a mapping with bounds is about, and what its demands have in common."""

    dimension: str
    part: str | None
    unit: str
    better: Better
    tier: Tier
    optional: bool
    parts: tuple[Part, ...] = ()
    allow_masked: bool = False

    def demand(self, bound: Bound, leaf: LocatedValue) -> Demand:
        return Demand(
            dimension=self.dimension,
            part=self.part,
            bound=bound,
            threshold=_threshold(bound, leaf.value),
            tier=self.tier,
            optional=self.optional,
            unit=self.unit,
            better=self.better,
            file=leaf.document.shown,
            line=leaf.line,
            parts=self.parts,
            allow_masked=self.allow_masked,
            path=leaf.document.path,
        )


def _demands(tree: Tree, suite: SuiteFacts) -> Iterator[Demand]:
    for key in tree:
        if key == "dimensions":
            dimensions = _branch(tree, key)
            for name in dimensions:
                yield from _dimension_demands(name, _branch(dimensions, name), suite)
        elif key == QUBA:
            yield from _grade_demands(_branch(tree, key))


def _dimension_demands(name: str, entry: Tree, suite: SuiteFacts) -> Iterator[Demand]:
    _check_demanding(entry, (*BOUNDS, "parts"))
    dimension = registry[name]
    parts = {part.name: part for part in dimension.parts(suite) if part.better is not None}
    whole = _Subject(
        dimension=name,
        part=None,
        unit=dimension.unit,
        better=dimension.better,
        tier=_value(entry, "tier", "block"),
        optional=_value(entry, "optional", False),
        parts=tuple(parts.values()),
        allow_masked=_value(entry, "allow_masked", False),
    )
    for key in entry:
        if key == "parts":
            parts_entry = _branch(entry, key)
            for part_name in parts_entry:
                yield from _part_demands(_branch(parts_entry, part_name), parts[part_name], whole)
        else:
            yield from _bound_demands(entry, key, whole)


def _part_demands(entry: Tree, part: Part, whole: _Subject) -> Iterator[Demand]:
    _check_demanding(entry, BOUNDS)
    subject = _Subject(
        dimension=whole.dimension,
        part=part.name,
        unit=part.unit,
        better=part.better or whole.better,
        tier=_value(entry, "tier", whole.tier),
        optional=_value(entry, "optional", whole.optional),
        allow_masked=_value(entry, "allow_masked", whole.allow_masked),
    )
    for key in entry:
        yield from _bound_demands(entry, key, subject)


def _bound_demands(entry: Tree, key: str, subject: _Subject) -> Iterator[Demand]:
    leaf = entry[key]
    yield from (
        subject.demand(bound, leaf)
        for bound in (*BOUNDS, *DROPS)
        if key == bound and isinstance(leaf, LocatedValue)
    )


def _threshold(bound: Bound, value: Any) -> float | str:
    limit = as_share(value) if bound in DROPS else value
    return limit if isinstance(limit, str) else float(limit)


def _grade_demands(entry: Tree) -> Iterator[Demand]:
    _check_demanding(entry, tuple(_GRADE_PARTS))
    tier = _value(entry, "tier", "block")
    for key, leaf in entry.items():
        if key in _GRADE_PARTS and isinstance(leaf, LocatedValue):
            part = _GRADE_PARTS[key]
            yield _Subject(QUBA, part, part, "high", tier, optional=False).demand("min", leaf)


def _check_demanding(entry: Tree, keys: tuple[str, ...]) -> None:
    """Refuse a tier that is the tier of nothing: its author thinks that something is demanded."""
    if any(key in entry for key in (*keys, *DROPS)):
        return
    for key in ("tier", "optional", "allow_masked"):
        leaf = entry.get(key)
        if isinstance(leaf, LocatedValue):
            where = f"{leaf.document.at(leaf.location)}: {dotted(leaf.location)}"
            raise ThresholdError(
                f"{where}: there is no demand that it could be about. "
                f"Allowed: together with {' or '.join(keys)}."
            )


def _settings(entry: Tree, dimensions: Tree) -> QubaSettings:
    overrides = {
        name: leaf for name, leaf in _branch(entry, "weights").items() if isinstance(leaf, LocatedValue)
    }
    weights = {name: registry[name].weight for name in PUBLISHED_DIMENSIONS}
    weights |= {name: float(leaf.value) for name, leaf in overrides.items()}
    if not any(weights.values()):
        last = list(overrides.values())[-1]
        raise ThresholdError(
            f"{last.document.at(last.location)}: quba.weights: all dimensions weigh 0. "
            "Allowed: at least one above 0."
        )
    return QubaSettings(
        weights,
        _population(entry),
        tuple(_value(entry, "allow_missing", ())),
        allow_other_suite=_value(entry, "allow_other_suite", False),
        allow_masked=_value(_branch(dimensions, "adversarial_robustness"), "allow_masked", False),
    )


def _population(entry: Tree) -> str:
    leaf = entry.get("population")
    if not isinstance(leaf, LocatedValue):
        return POPULATIONS[0]
    if leaf.value in POPULATIONS:
        return str(leaf.value)
    return os.path.realpath(leaf.document.path.parent / str(leaf.value))


def _branch(tree: Tree, key: str) -> Tree:
    """The mapping under a key, empty where there is none."""
    branch = tree.get(key)
    return branch if isinstance(branch, dict) else {}


def _value(tree: Tree, key: str, default: Any = None) -> Any:
    """The value under a key."""
    leaf = tree.get(key)
    return leaf.value if isinstance(leaf, LocatedValue) else default
