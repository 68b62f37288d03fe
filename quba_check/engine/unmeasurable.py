"""Reasons why a dimension cannot be measured, from folders and the kind of model alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from quba_check.core.dimension import Dimension
from quba_check.core.measurement import Unmeasurable
from quba_check.core.request import Request
from quba_check.errors import UnmeasurableError
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
