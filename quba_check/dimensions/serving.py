"""Serving: answers of the model behind the preprocessing of an application."""

from __future__ import annotations

from functools import partial

from quba_check.core.confidence import curve_of
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement, Quantity, Table
from quba_check.core.predictions import Predictions, Tables
from quba_check.core.request import Request
from quba_check.core.view import CLEAN, View
from quba_check.dimensions._ratios import accuracy_on, share
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._requested import Rows, requested_parts, requests_of, with_requests
from quba_check.dimensions.parity import AnswerPairs
from quba_check.errors import UnmeasurableError
from quba_check.stats.estimate import Estimate
from quba_check.stats.image_intervals import additive_limits


def _pipelines(suite: SuiteFacts) -> tuple[str, ...]:
    """Return the demanded pipelines, or all of the suite if none is demanded."""
    names = dict.fromkeys(request.pipeline for request in requests_of("serving", suite)) or suite.serving
    return tuple(name for name in names if name in suite.serving)


def _steps(suite: SuiteFacts, name: str) -> tuple[str, ...]:
    """Return the steps of a pipeline that are also changed one at a time."""
    steps = suite.serving[name].steps
    return steps if len(steps) > 1 else ()


def _view(name: str, step: str = "") -> View:
    """Return the view of a pipeline, or of one of its steps without probabilities."""
    variant = "/".join(filter(None, ("serving", name, step)))
    return View(CLEAN.set, columns="top1" if step else "probabilities", variant=variant)


def _views(suite: SuiteFacts) -> tuple[View, ...]:
    names = _pipelines(suite)
    steps = (_view(name, step) for name in names for step in _steps(suite, name))
    return (CLEAN, *map(_view, names), *steps) if names else ()


def _check_suite(suite: SuiteFacts, _labels: object) -> None:
    if not _pipelines(suite):
        raise UnmeasurableError("the manifest declares no pipeline under 'serving'", missing_data=True)


@dimension(
    "serving",
    title="How many answers stay the same behind the preprocessing of the application.",
    unit="fraction",
    better="high",
    source="negative flips: Yan et al., CVPR 2021",
    views=_views,
    parts=partial(requested_parts, "serving"),
    check_suite=_check_suite,
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Share of clean images with the answer of the model's own preprocessing; higher is better.

    With several pipelines it is the lowest share. The parts are the numbers that threshold files ask for.

    Raises:
        UnmeasurableError: there are no clean images, or no pipelines.
    """
    _check_suite(facts.suite, None)
    accuracy_on(predictions, CLEAN)  # raises the reason of an empty set
    suite, own = facts.suite, predictions[CLEAN]
    pairs = {name: _pairs(own, predictions[_view(name)]) for name in _pipelines(suite)}
    whole = min((one.quantity("agreement") for one in pairs.values()), key=lambda one: one.value)
    rows = [
        (name, step, int(changed.sum()), float(changed.mean()))
        for name in pairs
        for step in _steps(suite, name)
        for changed in (_pairs(own, predictions[_view(name, step)]).differs,)
    ]
    rows.sort(key=lambda row: (list(pairs).index(row[0]), -row[2]))
    note = f"of {len(own):,} answers, those that one step alone changes"
    tables = {"steps": Table(("pipeline", "step", "images", "share"), tuple(rows), note)} if rows else {}
    notes = tuple(
        f"{name}: the same predictions as the model's own preprocessing"
        for name, one in pairs.items()
        if one.is_same
    )
    measured = Measurement.of("serving", whole, notes=notes, tables=tables)
    return with_requests(measured, suite, lambda request: _quantity(request, pairs[request.pipeline]))


def _pairs(own: Predictions, served: Predictions) -> AnswerPairs:
    return AnswerPairs(Rows((served,), CLEAN), Rows((own,), CLEAN))


def _quantity(request: Request, pairs: AnswerPairs) -> Quantity:
    served, own = pairs.judged.correct, pairs.reference.correct
    if request.metric == "accuracy":
        return share(served, CLEAN)
    if request.metric != "accuracy_drop":
        return pairs.quantity(request.metric)
    drop = Estimate.mean(own, CLEAN, is_reference=True) - Estimate.mean(served, CLEAN)
    curve = curve_of(partial(additive_limits, drop), -1.0, 1.0)
    return Quantity(drop.value, request.number.unit, len(own), curve, influences=drop.influences)
