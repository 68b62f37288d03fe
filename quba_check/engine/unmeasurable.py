"""Reasons why a dimension cannot be measured, from folders and the kind of model alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from quba_check.core.dimension import Dimension
from quba_check.core.measurement import Unmeasurable
from quba_check.core.requests import ClassRequest, Request
from quba_check.core.view import CLEAN_SET, UNKNOWN_PREFIX, View
from quba_check.errors import SuiteError, UnmeasurableError
from quba_check.suites.suite import Suite


def unmeasurable_reason(
    dimension: Dimension, suite: Suite, no_gradient: str = "", requests: Iterable[Request] = ()
) -> Unmeasurable | None:
    """Return why a dimension cannot be measured on a suite, None if it can.

    No image is read to find it.

    Args:
        dimension: the dimension.
        suite: the suite; labels of its sets are listed if the dimension depends on them.
        no_gradient: reason why the model gives no gradients; empty if it may.
        requests: numbers that are measured as further parts of dimensions.

    Raises:
        SuiteError: the files of a set do not have the layout that its reader expects.
    """
    facts = replace(suite.facts, requests=tuple(requests))
    views = dimension.views(facts)
    for view in views:
        if (missing := suite.missing(view)) is not None:
            return Unmeasurable(dimension.name, missing, missing_data=True)
    if no_gradient and any(view.attack is not None for view in views):
        return Unmeasurable(dimension.name, no_gradient)
    try:
        dimension.check_suite(facts, suite.labels)
    except UnmeasurableError as error:
        return Unmeasurable(dimension.name, error.reason, error.missing_data)
    return None


def check_sets_differ(
    suite: Suite, views: Collection[View], requests: Iterable[Request], digests: Path
) -> None:
    """Refuse sets that share images, and must not.

    Args:
        suite: the suite.
        views: the views of the dimensions to measure.
        requests: numbers that are measured as further parts of them.
        digests: the cache of file digests, see `ContentDigests`.

    Raises:
        SuiteError: a threshold is chosen on images that it is judged on, or unknown images are those of the
            clean set or of another unknown set.
    """
    unknown = dict.fromkeys(view.images for view in views if view.set.startswith(UNKNOWN_PREFIX))
    pairs = [
        (*pair, "an unknown image must be in one set")
        for pair in combinations([*unknown, View(CLEAN_SET)], 2)
    ]
    for request in requests:
        if isinstance(request, ClassRequest) and request.at is not None and request.at.chosen_on:
            names = request.at.chosen_on, request.set
            # Corruptions show clean images.
            chosen_on, judged = (View(one if one in suite.facts.shifts else CLEAN_SET) for one in names)
            rule = f"the threshold of {request.name} must be chosen on images that are not judged"
            pairs.append((chosen_on, judged, rule))
    for first, second, rule in pairs:
        from quba_check.suites.shared_images import shared_images  # imports scipy.fft and more

        are_there = suite.missing(first) is None and suite.missing(second) is None
        if are_there and (shared := shared_images(suite, first, second, digests)):
            raise SuiteError(f"{suite.location}: {shared}, but {rule}. Allowed: less than a tenth of a set.")
