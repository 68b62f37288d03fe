"""The sections of a threshold file, one module each: what their entries ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from quba_check.core.facts import SuiteFacts
from quba_check.demands.bounds import Asked
from quba_check.demands.document import MergedFile
from quba_check.demands.sections.answers import answer_requests, parity_requests, serving_requests
from quba_check.demands.sections.classes import class_requests
from quba_check.demands.sections.dimensions import dimension_requests
from quba_check.demands.sections.grade import grade_requests
from quba_check.strict_yaml import Location

SECTIONS: Mapping[str, Callable[[Location, Any, MergedFile, SuiteFacts], Iterator[Asked]]] = {
    "dimensions": dimension_requests,
    "classes": class_requests,
    "answers": answer_requests,
    "parity": parity_requests,
    "serving": serving_requests,
    "quba": grade_requests,
}
"""Readers of the sections.

They take the location and the content of a section, or of one of its entries if these are independent, the
file, and the names of classes and sets. They raise ThresholdError for what the suite does not have.
"""
