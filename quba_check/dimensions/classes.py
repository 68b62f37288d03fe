"""Classes: recall, precision and similar numbers of single classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement, Quantity, Unmeasurable
from quba_check.core.requests import ClassRequest, Rate
from quba_check.core.streaming import Tables
from quba_check.core.view import CLEAN
from quba_check.dimensions._confusion import class_table, confusion_table
from quba_check.dimensions._ratios import accuracy_on, share_curve
from quba_check.dimensions._registry import dimension
from quba_check.stats.estimate import Estimate, mean_of

Mask = NDArray[np.bool_]
_ROWS: dict[Rate, Callable[[Mask, Mask], tuple[Mask, Mask]]] = {
    "recall": lambda is_of, is_called: (is_of, is_called),
    "specificity": lambda is_of, is_called: (~is_of, ~is_called),
    "precision": lambda is_of, is_called: (is_called, is_of),
    "npv": lambda is_of, is_called: (~is_called, ~is_of),
}
"""For each rate, the images that count and the hits among them."""
_SELECTED: dict[Rate, str] = {
    "recall": "of",
    "specificity": "of another class than",
    "precision": "called",
    "npv": "called other than",
}
_TITLES: dict[Rate, str] = {
    "recall": "share of its images that are called so",
    "specificity": "share of other images that are not called so",
    "precision": "share of the images called so that are of it",
    "npv": "share of the images not called so that are not of it",
}


def _requests(suite: SuiteFacts) -> tuple[ClassRequest, ...]:
    return tuple(request for request in suite.requests if request.dimension == "classes")


def _parts(suite: SuiteFacts) -> tuple[Part, ...]:
    return tuple(
        Part(request.name, "fraction", "high", f"{request.target}: {_TITLES[request.metric]}")
        for request in _requests(suite)
    )


@dimension(
    "classes",
    title="How often single classes are recognised, and others mistaken for them.",
    unit="fraction",
    better="high",
    source="balanced accuracy: Brodersen et al., ICPR 2010",
    views=(CLEAN,),
    parts=_parts,
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Balanced accuracy: the mean recall of the classes that have images.

    The parts are the numbers that threshold files ask for.

    Raises:
        UnmeasurableError: there are no clean images.
    """
    n = accuracy_on(predictions, CLEAN).n
    clean = predictions[CLEAN]
    parts: dict[str, Quantity] = {}
    unmeasured: dict[str, Unmeasurable] = {}
    for request in _requests(facts.suite):
        is_of, is_called = (np.isin(one, request.classes) for one in (clean.label, clean.predicted))
        selected, hits = _ROWS[request.metric](is_of, is_called)
        if selected.any():
            parts[request.name] = _rate(selected, hits)
        else:
            reason = f"no image of the set {request.set} is {_SELECTED[request.metric]} {request.target}"
            unmeasured[request.name] = Unmeasurable("classes", reason, missing_data=True)
    classes = [clean.label == number for number in np.unique(clean.label[clean.label >= 0])]
    recalls = [_rate_estimate(is_of, clean.correct) for is_of in classes]
    whole = mean_of(recalls)
    quantity = Quantity(whole.value, "fraction", n, influences=whole.influences)
    tables = {"classes": class_table(clean, facts.suite), "confusions": confusion_table(clean, facts.suite)}
    return replace(Measurement.of("classes", quantity, parts=parts, tables=tables), unsliced=unmeasured)


def _rate_estimate(selected: Mask, hits: Mask) -> Estimate:
    """Return the share of hits among selected images, as a number of all images."""
    return Estimate.mean(hits & selected, CLEAN) / Estimate.mean(selected, CLEAN)


def _rate(selected: Mask, hits: Mask) -> Quantity:
    n, count = int(np.count_nonzero(selected)), int(np.count_nonzero(hits & selected))
    influences = _rate_estimate(selected, hits).influences
    return Quantity(count / n, "fraction", n, share_curve(count, n), influences=influences)
