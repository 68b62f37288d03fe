"""Parity: equality of the answers of a model and the one that it replaces."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement
from quba_check.core.predictions import Tables
from quba_check.core.view import CLEAN_SET, REFERENCE, View
from quba_check.dimensions._parity import GIVE_REFERENCE, AnswerPairs
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._requested import requested_parts, requests_of, with_requests
from quba_check.dimensions._rows import Rows, views_of
from quba_check.errors import UnmeasurableError


def _views(suite: SuiteFacts) -> tuple[View, ...]:
    sets = dict.fromkeys((CLEAN_SET, *(request.set for request in requests_of("parity", suite))))
    own = [view for name in sets for view in views_of(name, suite)]
    return (*own, *(replace(view, variant=REFERENCE) for view in own))


@dimension(
    "parity",
    title="How many answers are those of the model that this one replaces.",
    unit="fraction",
    better="high",
    source="negative flips: Yan et al., CVPR 2021",
    views=_views,
    parts=partial(requested_parts, "parity"),
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Share of clean images with the reference's answer; higher is better.

    The parts are the numbers that threshold files ask for, and the tables are about the clean set.

    Raises:
        UnmeasurableError: there are no clean images, or the reference was shown others.
    """
    suite = facts.suite

    @cache
    def pairs_of(set_name: str) -> AnswerPairs:
        return _pairs(predictions, set_name, suite)

    clean = pairs_of(CLEAN_SET)
    notes = ("the same predictions as the reference",) if clean.is_same else ()
    tables = clean.tables(suite) if facts.with_tables else {}
    whole = Measurement.of("parity", clean.quantity("agreement"), notes=notes, tables=tables)
    return with_requests(whole, suite, lambda request: pairs_of(request.set).quantity(request.metric))


def _pairs(predictions: Tables, set_name: str, suite: SuiteFacts) -> AnswerPairs:
    views = views_of(set_name, suite)
    references = tuple(replace(view, variant=REFERENCE) for view in views)
    if not predictions.keys() >= {*references}:
        raise UnmeasurableError(
            f"the baseline's record keeps no answers to {set_name}. Give the model itself: {GIVE_REFERENCE}"
        )
    return AnswerPairs(Rows.of(predictions, views), Rows.of(predictions, references))
