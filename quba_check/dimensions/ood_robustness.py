"""OOD robustness: the share of the clean accuracy left on other renditions of the classes."""

from __future__ import annotations

import numpy as np

from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.predictions import NO_CLASS, Predictions, Tables
from quba_check.core.view import CLEAN, View
from quba_check.dimensions._ratios import (
    accuracy_on,
    geometric_mean_ratio,
    ratios,
    reference_notes,
    share_curve,
)
from quba_check.dimensions._registry import dimension
from quba_check.errors import UnmeasurableError
from quba_check.stats.estimate import Estimate


def _clean_view_for(shift: str, suite: SuiteFacts) -> View:
    """The clean set, read in the label space of a shifted one."""
    return CLEAN.read_in(suite.spaces.get(shift))


def _views(suite: SuiteFacts) -> tuple[View, ...]:
    needed = (view for shift in suite.shifts for view in (View(shift), _clean_view_for(shift, suite)))
    return tuple(dict.fromkeys((CLEAN, *needed)))


def _parts(suite: SuiteFacts) -> tuple[Part, ...]:
    parts = [Part(shift, "ratio", "high", f"relative accuracy on {shift}", shift) for shift in suite.shifts]
    for shift in suite.shifts:
        parts.append(Part(f"{shift}_accuracy", "fraction", None, f"accuracy on {shift}"))
        parts.append(Part(f"{shift}_matched", "fraction", None, f"clean accuracy on the classes of {shift}"))
    return tuple(parts)


def _check_shifts(suite: SuiteFacts) -> None:
    if not suite.shifts:
        raise UnmeasurableError(
            "the suite has no shifted sets; declare at least one under 'shifts'", missing_data=True
        )


@dimension(
    "ood_robustness",
    title="How much of the accuracy is left on other renditions of the same classes.",
    unit="ratio",
    better="high",
    weight=1 / 3,
    source=(
        "arXiv 2503.17110; ImageNet-R: Hendrycks et al., ICCV 2021; "
        "sketch, stylized, edge, silhouette: Geirhos et al., NeurIPS 2021"
    ),
    views=_views,
    parts=_parts,
    check_suite=lambda suite, _labels: _check_shifts(suite),
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Geometric mean over the suite's shifted sets of acc(set) / acc(clean).

    `SET_matched` is the clean accuracy on the classes that occur in the set, in the set's label space. It is
    left out, with a note, if no clean image has one of these classes.

    Raises:
        UnmeasurableError: there are no shifted sets, a set is empty, or the clean accuracy is 0.
    """
    suite = facts.suite
    _check_shifts(suite)
    relative = ratios(predictions, map(View, suite.shifts))
    parts = {view.set: ratio.quantity() for view, ratio in relative.items()}
    whole = geometric_mean_ratio(list(relative.values()))
    notes = [*reference_notes(predictions)]
    for shift in suite.shifts:
        parts[f"{shift}_accuracy"] = accuracy_on(predictions, View(shift))
        matched = _matched(predictions[View(shift)], predictions[_clean_view_for(shift, suite)])
        if matched is None:
            notes.append(f"{shift}_matched is left out: no clean image has one of the classes of {shift}")
        else:
            parts[f"{shift}_matched"] = matched
    return Measurement.of("ood_robustness", whole, parts=parts, notes=tuple(notes))


def _matched(shifted: Predictions, clean: Predictions) -> Quantity | None:
    """Clean accuracy on the classes of the shifted set; None without such images."""
    is_shared = np.isin(clean.label, shifted.label) & (clean.label != NO_CLASS)
    if not is_shared.any():
        return None
    n = int(is_shared.sum())
    n_correct = int(clean.correct[is_shared].sum())
    matched = Estimate.mean(clean.correct & is_shared, CLEAN) / Estimate.mean(is_shared, CLEAN)
    return Quantity(n_correct / n, "fraction", n, share_curve(n_correct, n), influences=matched.influences)
