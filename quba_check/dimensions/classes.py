"""Classes: recall, precision and similar numbers of single classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement, Quantity, Table, Unmeasurable
from quba_check.core.predictions import Tables
from quba_check.core.requests import ClassMetric, ClassRequest
from quba_check.core.view import CLEAN, CLEAN_SET, View
from quba_check.dimensions._all_classes import quantity_of_all
from quba_check.dimensions._confusion import class_table, confusion_table
from quba_check.dimensions._one_class import class_quantity, recall_and_specificity, roc_table, threshold_of
from quba_check.dimensions._ratios import accuracy_on, additive_quantity
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._set_rows import SetRows, sets_of, views_of
from quba_check.errors import UnmeasurableError
from quba_check.metrics.class_metrics import macro_mean

_TITLES: Mapping[ClassMetric, str] = {
    "recall": "share of its images that are called so",
    "specificity": "share of other images that are not called so",
    "precision": "share of the images called so that are of it",
    "npv": "share of the images not called so that are not of it",
    "f1": "harmonic mean of recall and precision",
    "auroc": "area under the ROC curve of its probability",
    "confusion": "share of its images that are called",
}


def _requests(suite: SuiteFacts) -> tuple[ClassRequest, ...]:
    return tuple(request for request in suite.requests if isinstance(request, ClassRequest))


def _views(suite: SuiteFacts) -> tuple[View, ...]:
    names = dict.fromkeys((CLEAN_SET, *(name for request in _requests(suite) for name in sets_of(request))))
    return tuple(view for name in names for view in views_of(name, suite))


def _parts(suite: SuiteFacts) -> tuple[Part, ...]:
    return tuple(
        Part(
            request.name,
            "fraction",
            "low" if request.metric == "confusion" else "high",
            f"{request.target}: {_TITLES[request.metric]} {request.mistaken_for}".strip(),
        )
        for request in _requests(suite)
    )


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
    parts=_parts,
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Balanced accuracy: the mean recall of the classes that have images.

    The parts are the numbers that threshold files ask for.

    Raises:
        UnmeasurableError: there are no clean images, or none is of a class.
    """
    suite, requests = facts.suite, _requests(facts.suite)
    n = accuracy_on(predictions, CLEAN).n

    @cache
    def rows_of(set_name: str) -> SetRows:
        return SetRows.of(predictions, views_of(set_name, suite))

    clean = rows_of(CLEAN_SET)
    if not (clean.label >= 0).any():
        raise UnmeasurableError("no clean image is of a class", missing_data=True)
    parts: dict[str, Quantity] = {}
    unmeasured: dict[str, Unmeasurable] = {}
    notes: list[str] = []
    table = predictions[CLEAN]
    tables = {"classes": class_table(table, suite)} if facts.with_tables else {}
    tables["confusions"] = confusion_table(table, suite)
    points: dict[tuple[str, ...], tuple[str | float, ...]] = {}
    for request in requests:
        try:
            rows = rows_of(request.set)
            if not request.classes:
                parts[request.name], details, note = quantity_of_all(request, rows, suite)
                tables |= details
                notes += note
                continue
            threshold = threshold_of(request, rows_of)
            parts[request.name] = class_quantity(request, rows, threshold)
            if request.needs_probabilities:
                tables |= roc_table(request, rows)
            if request.at is not None and threshold is not None:
                rule = f"{request.at.rule} {request.at.level:g}"
                if request.at.chosen_on:
                    rule = f"{rule} on {request.at.chosen_on}"
                    head = f"{request.target}{request.conditions}"
                    notes.append(f"{head}: the chosen threshold is a probability of {threshold:.4g}")
                key = request.target, request.set, rule
                points[key] = (*key, threshold, *recall_and_specificity(request, rows, threshold))
        except UnmeasurableError as error:
            unmeasured[request.name] = Unmeasurable("classes", error.reason, error.missing_data)
    if points:
        columns = ("target", "set", "rule", "threshold", "recall", "specificity")
        tables["operating_points"] = Table(columns, tuple(points.values()))
    balanced = macro_mean("recall", clean.label, clean.predicted, suite.class_count, CLEAN)
    whole = additive_quantity(balanced, n)
    measured = Measurement.of("classes", whole, parts=parts, notes=tuple(dict.fromkeys(notes)), tables=tables)
    return replace(measured, unsliced=unmeasured)
