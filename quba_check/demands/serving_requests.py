"""The section `serving` of a threshold file, as requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from quba_check.core.facts import SuiteFacts
from quba_check.core.requests import SERVING_METRICS, Request, ServingMetric, ServingRequest
from quba_check.demands.class_requests import Where
from quba_check.errors import ThresholdError
from quba_check.messages import allowed_names, listed
from quba_check.strict_yaml import Location

Bound = TypeVar("Bound")
_ACCURACY: ServingMetric = "accuracy"
_ACCURACY_DROP: ServingMetric = "accuracy_drop"
_DROP = "max_drop"
"""Key of `accuracy` that compares with the model's own preprocessing in the same run."""


def serving_requests(
    entries: Mapping[str, Any], suite: SuiteFacts, where: Where
) -> Iterator[tuple[Location, Mapping[str, Any], ServingRequest]]:
    """Yield the requests, each with the location of its bounds, and these.

    Args:
        entries: the content of the section, well-formed by the schema.
        suite: the names of the pipelines.
        where: place of a location in the file, for messages.

    Raises:
        ThresholdError: nothing is demanded, or the suite has no such pipeline.
    """
    for name, entry in entries.items():
        location: Location = ("serving", name)
        if suite.slices is not None and name not in suite.serving:  # without slices the suite is unknown
            choice = allowed_names(name, suite.serving) if suite.serving else "Declare it in its manifest."
            problem = f"the suite '{suite.name}' has no pipeline '{name}'"
            raise ThresholdError(f"{where(location)}: serving: {problem}. {choice}")
        metrics = [metric for metric in SERVING_METRICS if entry.get(metric) is not None]
        if not metrics:
            raise ThresholdError(
                f"{where(location)}: serving.{name}: nothing is demanded, got {listed(entry) or 'no keys'}. "
                f"Allowed: {listed(SERVING_METRICS)}, each with min, max or max_drop."
            )
        for metric in metrics:
            bounds = entry[metric]
            has_drop = metric == _ACCURACY and _DROP in bounds
            wanted = [metric] if not has_drop or "min" in bounds else []
            for one in (*wanted, *([_ACCURACY_DROP] if has_drop else [])):
                request = ServingRequest(name, one)
                yield (*location, metric), bounds_of(request, bounds), request


def bounds_of(request: Request, entry: Mapping[str, Bound]) -> dict[str, Bound]:
    """Return the keys of an entry for a request: `accuracy` holds those of two.

    >>> bounds_of(ServingRequest("app", "accuracy_drop"), {"min": 0.8, "max_drop": 0.01, "tier": "warn"})
    {'max': 0.01, 'tier': 'warn'}
    """
    if not isinstance(request, ServingRequest) or request.metric not in (_ACCURACY, _ACCURACY_DROP):
        return dict(entry)
    is_drop = request.metric == _ACCURACY_DROP
    left_out = "min" if is_drop else _DROP
    return {"max" if key == _DROP else key: value for key, value in entry.items() if key != left_out}
