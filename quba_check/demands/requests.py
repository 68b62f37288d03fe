"""Requests of threshold files: numbers that a section asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from quba_check.core.facts import SuiteFacts
from quba_check.core.requests import Request
from quba_check.demands.answer_requests import answer_requests
from quba_check.demands.class_requests import Where, class_requests
from quba_check.demands.parity_requests import parity_requests
from quba_check.demands.serving_requests import serving_requests
from quba_check.strict_yaml import Location

RequestsOf = Callable[
    [Mapping[str, Any], SuiteFacts, Where], Iterator[tuple[Location, Mapping[str, Any], Request]]
]
_REQUESTS: Mapping[str, RequestsOf] = {
    "classes": class_requests,
    "answers": answer_requests,
    "parity": parity_requests,
    "serving": serving_requests,
}
SECTIONS = tuple(_REQUESTS)
"""Top-level keys whose demands are requests; each is the name of the dimension that measures them."""
SETTINGS = ("tier", "optional")


def requests_of(
    section: str, entries: Mapping[str, Any], suite: SuiteFacts, where: Where
) -> Iterator[tuple[Location, Mapping[str, Any], Request]]:
    """Yield the requests of a section, each with the location of its bounds, and these.

    Args:
        section: one of `SECTIONS`.
        entries: its content, well-formed by the schema.
        suite: names of classes and sets.
        where: place of a location in the file, for messages.

    Raises:
        ThresholdError: a class or set that the suite does not have, or an entry without a number.
    """
    yield from _REQUESTS[section](entries, suite, where)
