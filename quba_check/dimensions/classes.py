"""Classes: recall, precision and similar numbers of single classes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement, Quantity, Table
from quba_check.core.predictions import Tables
from quba_check.core.request import Request
from quba_check.core.view import CLEAN, CLEAN_SET, View
from quba_check.dimensions._all_classes import quantity_of_all
from quba_check.dimensions._confusion import class_table, confusion_table
from quba_check.dimensions._one_class import class_quantity, recall_and_specificity, roc_table, threshold_of
from quba_check.dimensions._ratios import accuracy_on, additive_quantity
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._requested import requested_parts, requests_of, with_requests
from quba_check.dimensions._rows import Rows, views_of
from quba_check.errors import UnmeasurableError
from quba_check.metrics.class_metrics import macro_mean


def _views(suite: SuiteFacts) -> tuple[View, ...]:
    names = dict.fromkeys((CLEAN_SET, *(name for one in requests_of("classes", suite) for name in one.sets)))
    return tuple(view for name in names for view in views_of(name, suite))


@dimension(
    "classes",
    title="How often single classes are recognised, and others mistaken for them.",
    unit="fraction",
    better="high",
    source=(
        "balanced accuracy: Brodersen et al., ICPR 2010; AUROC: DeLong et al., Biometrics 1988; "
        "precision at a prevalence: Altman and Bland, BMJ 1994"
    ),
    views=_views,
    parts=partial(requested_parts, "classes"),
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Balanced accuracy: the mean recall of the classes that have images.

    The parts are the numbers that threshold files ask for.

    Raises:
        UnmeasurableError: there are no clean images, or none is of a class.
    """
    suite, n = facts.suite, accuracy_on(predictions, CLEAN).n

    @cache
    def rows_of(set_name: str) -> Rows:
        return Rows.of(predictions, views_of(set_name, suite))

    clean = rows_of(CLEAN_SET)
    if not (clean.label >= 0).any():
        raise UnmeasurableError("no clean image is of a class", missing_data=True)
    notes: dict[str, None] = {}
    table = predictions[CLEAN]
    tables = {"classes": class_table(table, suite)} if facts.with_tables else {}
    tables["confusions"] = confusion_table(table, suite)
    points: dict[tuple[str, ...], tuple[str | float, ...]] = {}

    def quantity_of(request: Request) -> Quantity:
        rows = rows_of(request.set)
        if not request.classes:
            quantity, details, own_notes = quantity_of_all(request, rows, suite)
            tables.update(details)
            notes.update(dict.fromkeys(own_notes))
            return quantity
        threshold = threshold_of(request, rows_of)
        quantity = class_quantity(request, rows, threshold)
        if request.needs_probabilities:
            tables.update(roc_table(request, rows))
        if request.at is not None and threshold is not None:
            rule = f"{request.at.rule} {request.at.level:g}"
            if request.chosen_on:
                rule = f"{rule} on {request.chosen_on}"
                head = f"{request.target}{request.conditions}"
                notes[f"{head}: the chosen threshold is a probability of {threshold:.4g}"] = None
            key = request.target, request.set, rule
            points[key] = (*key, threshold, *recall_and_specificity(request, rows, threshold))
        return quantity

    balanced = macro_mean("recall", clean.label, clean.predicted, suite.class_count, CLEAN)
    whole = Measurement.of("classes", additive_quantity(balanced, n))
    measured = with_requests(whole, suite, quantity_of)
    if points:
        columns = ("target", "set", "rule", "threshold", "recall", "specificity")
        tables["operating_points"] = Table(columns, tuple(points.values()))
    return replace(measured, notes=tuple(notes), tables=tables)
