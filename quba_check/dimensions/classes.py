"""Classes: recall, precision and similar numbers of single classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial

import numpy as np

from quba_check.core.facts import Facts, SuiteFacts, table_class_names
from quba_check.core.measurement import Measurement, Quantity, Table
from quba_check.core.predictions import Tables
from quba_check.core.request import Request
from quba_check.core.view import CLEAN, CLEAN_SET
from quba_check.dimensions._all_classes import class_table, confusion_table, quantity_of_all
from quba_check.dimensions._ratios import accuracy_on, additive_quantity
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._requested import (
    RowSource,
    check_groups_differ,
    requested_parts,
    requested_views,
    with_requests,
)
from quba_check.dimensions._rows import Rows
from quba_check.errors import UnmeasurableError
from quba_check.metrics import class_metrics
from quba_check.metrics.class_metrics import Mask
from quba_check.metrics.separation import auroc_limits
from quba_check.stats.estimate import Estimate, delta_method
from quba_check.stats.intervals import Limits, Scores, share_limits

_LACKING = {"specificity": "of another class than", "precision": "called", "npv": "called other than"}
"""The images without which a number is unmeasurable; for other numbers those of the class."""


def threshold_of(request: Request, source: RowSource) -> float | None:
    """Return the threshold of a request; None for the most probable class.

    It is chosen on answers with the model's own preprocessing, also behind a pipeline.

    Args:
        request: the request.
        source: the rows of sets.

    Raises:
        UnmeasurableError: it cannot be chosen, or its images are in the groups of the judged ones.
    """
    at = request.at
    if at is None or at.rule == "probability":
        return None if at is None else at.level
    rows = source.of(at.chosen_on)
    check_groups_differ(request, source)
    is_of = rows.is_of(request.classes)
    if not (~is_of if at.rule == "specificity" else is_of).any():
        raise _no_image(request, at.chosen_on, at.rule)
    threshold = class_metrics.threshold_at(at.rule, at.level, rows.scores(request.classes), is_of)
    if threshold is None:
        raise UnmeasurableError(
            f"no probability of {request.target} on the set {at.chosen_on} has a {at.rule} of {at.level:g}"
        )
    return threshold


def _no_image(request: Request, set_name: str, metric: str, *, lacks_data: bool = True) -> UnmeasurableError:
    reason = f"no image of the set {set_name} is {_LACKING.get(metric, 'of')} {request.target}"
    return UnmeasurableError(reason, missing_data=lacks_data)


def _check_both_sides(is_of: Mask, request: Request) -> None:
    if not is_of.any():
        raise _no_image(request, request.set, "recall")
    if is_of.all():
        raise _no_image(request, request.set, "specificity")


def _masks(request: Request, rows: Rows, threshold: float | None) -> tuple[Mask, Mask]:
    """Return the rows of the class, and those that are called so."""
    is_of = rows.is_of(request.classes)
    if threshold is None:
        return is_of, np.isin(rows.predicted, request.classes)
    return is_of, rows.scores(request.classes) >= np.float32(threshold)


def class_quantity(request: Request, rows: Rows, threshold: float | None) -> Quantity:
    """Return a number of a class.

    Raises:
        UnmeasurableError: there are no images that count.
    """
    if request.metric == "auroc":
        is_of = rows.is_of(request.classes)
        _check_both_sides(is_of, request)
        area, of_rows = class_metrics.one_vs_rest_auroc(rows.scores(request.classes), is_of, "rows")
        return rows.quantity(of_rows, partial(auroc_limits, area), is_of + np.int8(1))
    if request.prevalence is not None:
        return _restated(request, rows, threshold)
    is_of, is_called = _masks(request, rows, threshold)
    if request.metric == "confusion":
        is_called = np.isin(rows.predicted, request.others)
    selected, hits = class_metrics.rows_of_share(request.metric, is_of, is_called)
    if not selected.any():
        # No image is called so: with images that should be, the model fails, and no demand may skip that.
        lacks_data = request.metric not in ("precision", "npv") or not hits.any()
        raise _no_image(request, request.set, request.metric, lacks_data=lacks_data)
    share = _share(selected, hits)
    n = int(np.count_nonzero(selected))
    count = int(np.count_nonzero(selected & hits))
    limits_of = share_limits
    if request.metric == "f1":
        share = delta_method(2 * count / (n + count), [(2 / (1 + share.value) ** 2, share)])
        limits_of = class_metrics.f1_limits

    def limits(z: Scores, effect: float) -> Limits:
        return limits_of(count / effect, n / effect, z)

    eligible = {"precision": np.ones_like(is_of), "npv": np.ones_like(is_of), "f1": is_of}.get(request.metric)
    return rows.quantity(share, limits, selected.astype(np.int8), eligible)


def _of_each_class(suite: SuiteFacts, request: Request, rows: Rows) -> Iterator[tuple[str, Quantity]]:
    """Yield a number of each class that has images, by the class's name."""
    for k, name in enumerate(table_class_names(suite.class_names, suite.class_count)):
        if (rows.label == k).any():
            yield name, class_quantity(replace(request, target=name, classes=(k,)), rows, None)


def _restated(request: Request, rows: Rows, threshold: float | None) -> Quantity:
    """Return precision or npv for a stated prevalence.

    Raises:
        UnmeasurableError: there are no images of the class, or no others, or none is called so.
    """
    is_of, is_called = _masks(request, rows, threshold)
    prevalence = request.prevalence or 0.0
    sides = is_of + np.int8(1)
    _check_both_sides(is_of, request)
    if request.metric == "npv":
        is_of, is_called, prevalence = ~is_of, ~is_called, 1 - prevalence
    if not is_called.any():
        raise _no_image(request, request.set, request.metric, lacks_data=False)
    shares = _share(is_of, is_called), _share(~is_of, is_called)
    counts = [np.count_nonzero(mask) for mask in (is_of & is_called, is_of, ~is_of & is_called, ~is_of)]

    def limits(z: Scores, effect: float) -> Limits:
        hits, n, false, m = (float(count / effect) for count in counts)
        return class_metrics.restated_share_limits(prevalence, (hits, n), (false, m), z)

    return rows.quantity(class_metrics.restated_share(prevalence, *shares), limits, sides)


def _share(selected: Mask, hits: Mask) -> Estimate:
    """Return the share of hits among selected rows, as a number of all rows."""
    share = Estimate.mean(hits & selected, "rows") / Estimate.mean(selected, "rows")
    return replace(share, value=int(np.count_nonzero(hits & selected)) / int(np.count_nonzero(selected)))


def recall_and_specificity(request: Request, rows: Rows, threshold: float) -> tuple[float | str, float | str]:
    """Return both numbers at a threshold; empty text without images."""
    is_of, is_called = _masks(request, rows, threshold)
    recall = float(is_called[is_of].mean()) if is_of.any() else ""
    return recall, float(1 - is_called[~is_of].mean()) if not is_of.all() else ""


def roc_table(request: Request, rows: Rows) -> dict[str, Table]:
    """Return the ROC curve of a request's classes; empty without others or without them."""
    is_of = rows.is_of(request.classes)
    if is_of.all() or not is_of.any():
        return {}
    suffix = "" if request.set == CLEAN_SET else f"@set={request.set}"
    points = class_metrics.roc_points(rows.scores(request.classes), is_of)
    columns = ("threshold", "false_positive_rate", "recall")
    return {f"roc.{request.target}{suffix}": Table(columns, tuple(points))}


@dimension(
    "classes",
    title="How often single classes are recognised, and others mistaken for them.",
    unit="fraction",
    better="high",
    source=(
        "balanced accuracy: Brodersen et al., ICPR 2010; AUROC: DeLong et al., Biometrics 1988; "
        "precision at a prevalence: Altman and Bland, BMJ 1994"
    ),
    views=lambda suite: (CLEAN, *requested_views("classes", suite)),
    parts=partial(requested_parts, "classes"),
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Balanced accuracy: the mean recall of the classes that have images.

    The parts are the numbers that threshold files ask for.

    Raises:
        UnmeasurableError: there are no clean images, or none is of a class.
    """
    suite = facts.suite
    n = accuracy_on(predictions, CLEAN).n

    source = RowSource(predictions, suite)
    clean = source.of(CLEAN_SET)
    if not (clean.label >= 0).any():
        raise UnmeasurableError("no clean image is of a class", missing_data=True)
    table = predictions[CLEAN]
    tables = {"classes": class_table(table, suite)} if facts.with_tables else {}
    tables["confusions"] = confusion_table(table, suite)
    points: dict[tuple[str, ...], tuple[str | float, ...]] = {}
    threshold_for = cache(partial(threshold_of, source=source))

    def quantity_of(request: Request, rows: Rows) -> Quantity:
        if not request.classes:
            quantity, details, notes = quantity_of_all(request, rows, suite)
            tables.update({} if rows.is_selected else details)
            return replace(quantity, notes=tuple(notes))
        threshold = threshold_for(request)
        quantity = class_quantity(request, rows, threshold)
        if rows.is_selected:
            return quantity
        if request.needs_probabilities and not request.pipeline:
            tables.update(roc_table(request, rows))
        if request.at is None or threshold is None:
            return quantity
        rule = f"{request.at.rule} {request.at.level:g}"
        rule += f" on {request.chosen_on}" if request.chosen_on else ""
        pipeline = f",pipeline={request.pipeline}" if request.pipeline else ""
        key = request.target, f"{request.set}{pipeline}", rule
        points[key] = (*key, threshold, *recall_and_specificity(request, rows, threshold))
        note = (
            f"{request.target}{request.conditions}: the chosen threshold is a probability of {threshold:.4g}"
        )
        return replace(quantity, notes=(note,) if request.chosen_on else ())

    balanced = class_metrics.macro_mean("recall", clean.label, clean.predicted, suite.class_count, CLEAN)
    whole = Measurement.of("classes", additive_quantity(balanced, n))
    measured = with_requests(whole, source, quantity_of, partial(_of_each_class, suite))
    if points:
        columns = ("target", "set", "rule", "threshold", "recall", "specificity")
        tables["operating_points"] = Table(columns, tuple(points.values()))
    return replace(measured, tables=tables)
