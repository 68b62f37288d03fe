"""The section `parity` of a threshold file, as requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quba_check.core.facts import SuiteFacts
from quba_check.core.requests import PARITY_METRICS, ParityRequest
from quba_check.core.view import CLEAN_SET
from quba_check.demands.class_requests import Where, check_set
from quba_check.errors import ThresholdError
from quba_check.messages import listed
from quba_check.strict_yaml import Location


def parity_requests(
    entries: Mapping[str, Any], suite: SuiteFacts, where: Where
) -> Iterator[tuple[Location, Mapping[str, Any], ParityRequest]]:
    """Yield the requests, each with the location of its bounds, and these.

    Args:
        entries: the content of the section, well-formed by the schema.
        suite: the names of the sets.
        where: place of a location in the file, for messages.

    Raises:
        ThresholdError: nothing is demanded, or the suite has no such set.
    """
    metrics = [metric for metric in PARITY_METRICS if entries.get(metric) is not None]
    sets = (CLEAN_SET,) if entries.get("sets") is None else tuple(dict.fromkeys(entries["sets"]))
    if entries and not (metrics and sets):
        got = listed(entries) if sets else "no sets"
        raise ThresholdError(
            f"{where(('parity',))}: parity: nothing is demanded, got {got}. "
            f"Allowed: {listed(PARITY_METRICS)}, each with min or max, and sets."
        )
    for set_name in sets:
        check_set(("parity", "sets"), set_name, suite, where)
        for metric in metrics:
            yield ("parity", metric), entries[metric], ParityRequest(metric, set_name)
