"""Numbers of one class, or of a few classes taken together, against the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from quba_check.core.measurement import Quantity, Table
from quba_check.core.request import Request
from quba_check.core.view import CLEAN_SET
from quba_check.dimensions._rows import Rows
from quba_check.errors import UnmeasurableError
from quba_check.metrics.class_metrics import (
    Mask,
    f1_limits,
    one_vs_rest_auroc,
    restated_share,
    restated_share_limits,
    roc_points,
    threshold_at,
)
from quba_check.metrics.separation import auroc_limits
from quba_check.stats.estimate import Estimate, delta_method
from quba_check.stats.intervals import Limits, Scores, share_limits

_LACKING = {"specificity": "of another class than", "precision": "called", "npv": "called other than"}
"""The images without which a number is unmeasurable; for other numbers those of the class."""


def threshold_of(request: Request, rows_of: Callable[[str], Rows]) -> float | None:
    """Return the threshold of a request; None for the most probable class.

    Args:
        request: the request.
        rows_of: returns the rows of a set.

    Raises:
        UnmeasurableError: it cannot be chosen, or its images are in the groups of the judged ones.
    """
    at = request.at
    if at is None or at.rule == "probability":
        return None if at is None else at.level
    rows = rows_of(at.chosen_on)
    own, others = rows_of(request.set).declared_group, rows.declared_group
    if own is not None and others is not None and np.isin(own, others).any():
        raise UnmeasurableError(
            f"its threshold would be chosen on the set {at.chosen_on}, which has images of the same groups"
        )
    is_of = rows.is_of(request.classes)
    if not (is_of if at.rule == "recall" else ~is_of).any():
        raise _no_image(request, at.chosen_on, at.rule)
    threshold = threshold_at(at.rule, at.level, rows.scores(request.classes), is_of)
    if threshold is None:
        raise UnmeasurableError(
            f"no probability of {request.target} on the set {at.chosen_on} has a specificity of {at.level:g}"
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


def selected_rows(request: Request, rows: Rows, threshold: float | None) -> tuple[Mask, Mask]:
    """Return the rows that count for a share, and the hits among them."""
    is_of, is_called = _masks(request, rows, threshold)
    if request.metric == "confusion":
        return is_of, np.isin(rows.predicted, request.others)
    return counted(request.metric, is_of, is_called)


def counted(metric: str, is_of: Mask, is_called: Mask) -> tuple[Mask, Mask]:
    """Return the rows behind a share of a class, and the hits among them.

    Args:
        metric: the share; for `f1` that of `ClassCounts`.
        is_of: (r,) bool, True for the rows of the class.
        is_called: (r,) bool, True for the rows that are called so.
    """
    match metric:
        case "specificity":
            return ~is_of, ~is_called
        case "precision":
            return is_called, is_of
        case "npv":
            return ~is_called, ~is_of
        case "f1":
            return is_of | is_called, is_of & is_called
        case _:
            return is_of, is_called


def class_quantity(request: Request, rows: Rows, threshold: float | None) -> Quantity:
    """Return a number of a class.

    Raises:
        UnmeasurableError: there are no images that count.
    """
    if request.metric == "auroc":
        is_of = rows.is_of(request.classes)
        _check_both_sides(is_of, request)
        area, of_rows = one_vs_rest_auroc(rows.scores(request.classes), is_of, "rows")
        return rows.quantity(of_rows, partial(auroc_limits, area), is_of + np.int8(1))
    if request.prevalence is not None:
        return _restated(request, rows, threshold)
    selected, hits = selected_rows(request, rows, threshold)
    if not selected.any():
        # No image is called so: with images that should be, the model fails, and no demand may skip that.
        lacks_data = request.metric not in ("precision", "npv") or not hits.any()
        raise _no_image(request, request.set, request.metric, lacks_data=lacks_data)
    share = _share(selected, hits)
    n, count = int(np.count_nonzero(selected)), int(np.count_nonzero(selected & hits))
    limits_of = share_limits
    if request.metric == "f1":
        share = delta_method(2 * count / (n + count), [(2 / (1 + share.value) ** 2, share)])
        limits_of = f1_limits

    def limits(z: Scores, effect: float) -> Limits:
        return limits_of(count / effect, n / effect, z)

    return rows.quantity(share, limits, selected.astype(np.int8))


def _restated(request: Request, rows: Rows, threshold: float | None) -> Quantity:
    """Return precision or npv for a stated prevalence.

    Raises:
        UnmeasurableError: there are no images of the class, or no others, or none is called so.
    """
    is_of, is_called = _masks(request, rows, threshold)
    prevalence = request.prevalence or 0.0
    _check_both_sides(is_of, request)
    if request.metric == "npv":
        is_of, is_called, prevalence = ~is_of, ~is_called, 1 - prevalence
    if not is_called.any():
        raise _no_image(request, request.set, request.metric, lacks_data=False)
    shares = _share(is_of, is_called), _share(~is_of, is_called)
    counts = [np.count_nonzero(one) for one in (is_of & is_called, is_of, ~is_of & is_called, ~is_of)]

    def limits(z: Scores, effect: float) -> Limits:
        hits, n, false, m = (float(count / effect) for count in counts)
        return restated_share_limits(prevalence, hits, n, false, m, z)

    return rows.quantity(restated_share(prevalence, *shares), limits, is_of + np.int8(1))


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
    points = roc_points(rows.scores(request.classes), is_of)
    columns = ("threshold", "false_positive_rate", "recall")
    return {f"roc.{request.target}{suffix}": Table(columns, tuple(points))}
