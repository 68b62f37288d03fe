"""Whether the sets that demands need are there and whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from quba_check.core.facts import short_class_names
from quba_check.core.view import (
    CLEAN,
    CLEAN_SET,
    CORRUPTIONS_SET,
    MIXED_RAND_SET,
    MIXED_SAME_SET,
    View,
)
from quba_check.dimensions import registry
from quba_check.doctor.finding import Finding
from quba_check.doctor.subject import ModelUnderTest
from quba_check.engine.obstacle import obstacle
from quba_check.errors import SuiteError, listed
from quba_check.suites.suite import Suite

SHOWN = 3
SMALL_SHARE = 0.25
"""Share of the number of clean images; smaller sets made from them are reported."""
CHANCE = 0.01
"""Expected number of classes that a random draw leaves empty, up to which an empty class is no accident."""


@dataclass(slots=True)
class Need:
    """Who needs a set.

    Attributes:
        dimensions: that look at it.
        places: `file:line` of their demands.
        views: of the set that they look at.
    """

    dimensions: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    views: list[View] = field(default_factory=list)


def check(patient: ModelUnderTest) -> Iterator[Finding]:
    """Sets that are missing, short, or not laid out as they should be, with the demands that need them."""
    suite = patient.suite
    for name, need in _needs(patient).items():
        try:
            yield from _of_set(suite, name, need)
            if name == CLEAN_SET:
                yield from _of_classes(suite)
        except SuiteError as error:
            yield _finding(
                str(error), _demanded(need.places), "mend the data folder, or what quba-data.yaml says of it"
            )
    for name, places in patient.needs.items():
        with contextlib.suppress(SuiteError):  # reported above
            yield from _of_dimension(patient, name, places)


def _of_dimension(patient: ModelUnderTest, name: str, places: Sequence[str]) -> Iterator[Finding]:
    """Report the obstacle to measuring a dimension with complete sets."""
    suite, dimension = patient.suite, registry[name]
    if any(suite.missing(view) for view in dimension.views(suite.facts)):
        return  # reported by set
    known = obstacle(dimension, suite, patient.classifier.no_gradient)
    if known is not None:
        fix = "drop the demand"
        if known.missing_data:
            limit = suite.sampler.max_images
            raised = "" if limit is None else f"raise --quba-limit, now {limit:,}, or "
            fix = f"{raised}{fix}, or let it be `optional: true`"
        yield _finding(f"{name} cannot be measured: {known.reason}.", _demanded(places), fix)


def _needs(patient: ModelUnderTest) -> dict[str, Need]:
    """By set, in the order of the demands."""
    needs: dict[str, Need] = {}
    for dimension, places in patient.needs.items():
        for view in dict.fromkeys(view.images for view in registry[dimension].views(patient.suite.facts)):
            need = needs.setdefault(view.set, Need())
            if dimension not in need.dimensions:
                need.dimensions.append(dimension)
                need.places += [place for place in places if place not in need.places]
            if view not in need.views:
                need.views.append(view)
    return needs


def _of_set(suite: Suite, name: str, need: Need) -> Iterator[Finding]:
    missing = [view for view in need.views if suite.missing(view)]
    if missing:
        yield _finding(
            f"{listed(need.dimensions)} cannot be measured: {_reason(suite, name, need, missing)}.",
            _demanded(need.places),
            "add the images, or drop the demand, or let it be `optional: true`",
        )
        return
    counts = {view: suite.counts([view])[name] for view in need.views}
    # Of a set under a limit the images that there are count, not those that are looked at.
    whole = {view: count.found or count.images for view, count in counts.items()}
    odd = {view: count for view, count in counts.items() if count.expected not in (None, whole[view])}
    if odd and not any(suite.is_generated(view) for view in odd):
        shown = listed(
            (f"{view}: {whole[view]:,} of {count.expected:,}" for view, count in odd.items()), SHOWN
        )
        share = "" if len(counts) == 1 else f" in {len(odd)} of {len(counts)} conditions"
        yield _finding(
            f"the set '{name}' does not hold the number of images that it should{share}.",
            f"{shown}; {_demanded(need.places)}",
            "complete the set, or correct `expected` in quba-data.yaml",
        )
        return
    yield from _much_smaller(suite, name, whole, need)


def _much_smaller(suite: Suite, name: str, images: Mapping[View, int], need: Need) -> Iterator[Finding]:
    """Report sets made from clean images with far fewer images than the clean set."""
    made_of_clean = name in (CORRUPTIONS_SET, MIXED_SAME_SET, MIXED_RAND_SET)
    if not made_of_clean or suite.facts.spaces[name] is not None or suite.missing(CLEAN) is not None:
        return
    count = suite.counts([CLEAN])[CLEAN_SET]
    clean = count.found or count.images
    small = {view: held for view, held in images.items() if held < SMALL_SHARE * clean}
    if small and not any(suite.is_generated(view) for view in small):
        shown = listed((f"{view}: {held:,}" for view, held in small.items()), SHOWN)
        share = "" if len(images) == 1 else f" in {len(small)} of {len(images)} conditions"
        yield Finding(
            check="sets",
            problem=f"the set '{name}' is much smaller than the clean set{share}.",
            evidence=f"{shown}; clean: {clean:,}; {_demanded(need.places)}",
            fix="complete the set; with so few images its values are uncertain",
            severity="remark",
        )


def _reason(suite: Suite, name: str, need: Need, missing: list[View]) -> str:
    whole = suite.missing(View(name))
    if whole is not None or len(need.views) == 1:
        return str(whole or suite.missing(missing[0]))
    shown = listed((str(view).partition("/")[2] for view in missing), SHOWN)
    return (
        f"{len(missing)} of {len(need.views)} conditions of the set '{name}' are not there ({shown}): looked "
        f"in {suite.place(View(name))}"
    )


def _of_classes(suite: Suite) -> Iterator[Finding]:
    if suite.missing(CLEAN):
        return
    labels = suite.labels(CLEAN).label
    counts = np.bincount(labels[labels >= 0], minlength=len(suite.classes))
    empty = np.flatnonzero(counts == 0)
    usual = float(np.median(counts[counts > 0])) if len(empty) < len(counts) else 0.0
    # Were images drawn at random, this many classes would get none by chance.
    if suite.sampler.max_images is None and len(empty) and len(counts) * np.exp(-usual) < CHANCE:
        yield _finding(
            f"the set 'clean': {_some(len(empty), len(counts))} no image.",
            f"{_shown(suite, empty, counts)}; the others have {usual:g} each, by the median",
            "add images of these classes, or take them out of the suite's classes",
        )


def _some(some: int, all_: int) -> str:
    return f"{some:,} of {all_:,} classes {'has' if some == 1 else 'have'}"


def _shown(suite: Suite, numbers: Iterable[int], counts: NDArray[np.int64]) -> str:
    names = short_class_names(suite.class_names)
    return listed((f"{names[k]} has {counts[k]}" for k in numbers), SHOWN)


def _demanded(places: Iterable[str]) -> str:
    return f"demanded by {listed(places, SHOWN)}"


def _finding(problem: str, evidence: str, fix: str) -> Finding:
    return Finding(check="sets", problem=problem, evidence=evidence, fix=fix)
