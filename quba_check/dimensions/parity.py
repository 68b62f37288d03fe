"""Parity: equality of the answers of a model and the one that it replaces."""

from __future__ import annotations

from dataclasses import replace

from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement, Quantity, Unmeasurable
from quba_check.core.predictions import Tables
from quba_check.core.requests import ParityRequest
from quba_check.core.view import CLEAN_SET, REFERENCE, View
from quba_check.dimensions._parity import GIVE_REFERENCE, AnswerPairs, parity_part
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._set_rows import SetRows, views_of
from quba_check.errors import UnmeasurableError


def _requests(suite: SuiteFacts) -> tuple[ParityRequest, ...]:
    return tuple(request for request in suite.requests if isinstance(request, ParityRequest))


def _parts(suite: SuiteFacts) -> tuple[Part, ...]:
    return tuple(parity_part(request.name, request.metric) for request in _requests(suite))


def _views(suite: SuiteFacts) -> tuple[View, ...]:
    sets = dict.fromkeys((CLEAN_SET, *(request.set for request in _requests(suite))))
    own = [view for name in sets for view in views_of(name, suite)]
    return (*own, *(replace(view, variant=REFERENCE) for view in own))


@dimension(
    "parity",
    title="How many answers are those of the model that this one replaces.",
    unit="fraction",
    better="high",
    source="negative flips: Yan et al., CVPR 2021",
    views=_views,
    parts=_parts,
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Share of clean images with the reference's answer; higher is better.

    The parts are the numbers that threshold files ask for, and the tables are about the clean set.

    Raises:
        UnmeasurableError: there are no clean images, or the reference was shown others.
    """
    clean = _pairs(predictions, CLEAN_SET, facts.suite)
    parts: dict[str, Quantity] = {}
    unmeasured: dict[str, Unmeasurable] = {}
    for request in _requests(facts.suite):
        try:
            pairs = clean if request.set == CLEAN_SET else _pairs(predictions, request.set, facts.suite)
            parts[request.name] = pairs.quantity(request.metric)
        except UnmeasurableError as error:
            unmeasured[request.name] = Unmeasurable("parity", error.reason, error.missing_data)
    notes = ("the same predictions as the reference",) if clean.is_same else ()
    tables = clean.tables(facts.suite) if facts.with_tables else {}
    whole = clean.quantity("agreement")
    measurement = Measurement.of("parity", whole, parts=parts, notes=notes, tables=tables)
    return replace(measurement, unsliced=unmeasured)


def _pairs(predictions: Tables, set_name: str, suite: SuiteFacts) -> AnswerPairs:
    views = views_of(set_name, suite)
    references = tuple(replace(view, variant=REFERENCE) for view in views)
    if not predictions.keys() >= {*references}:
        raise UnmeasurableError(
            f"the baseline's record keeps no answers to {set_name}. Give the model itself: {GIVE_REFERENCE}"
        )
    return AnswerPairs(SetRows.of(predictions, views), SetRows.of(predictions, references))
