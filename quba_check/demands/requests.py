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
REQUESTS: Mapping[str, RequestsOf] = {
    "classes": class_requests,
    "answers": answer_requests,
    "parity": parity_requests,
    "serving": serving_requests,
}
"""Readers of the sections, each of which yields requests with the location of their bounds, and these.

They take the content of the section, well-formed by the schema, the names of classes and sets, and the place
of a location in the file, for messages. They raise ThresholdError for a class or set that the suite does not
have, or an entry without a number.
"""
SECTIONS = tuple(REQUESTS)
"""Top-level keys whose demands are requests; each is the name of the dimension that measures them."""
SETTINGS = ("tier", "optional")
