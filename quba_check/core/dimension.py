"""A dimension: one quality of a model, declared in one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from quba_check.core.facts import Facts, SetLabels, SuiteFacts
from quba_check.core.measurement import Measurement
from quba_check.core.predictions import Predictions
from quba_check.core.request import Better as Better
from quba_check.core.request import Part as Part
from quba_check.core.view import View

CheckSuite = Callable[[SuiteFacts, Callable[[View], SetLabels]], None]

PUBLISHED_DIMENSIONS = (
    "accuracy",
    "adversarial_robustness",
    "corruption_robustness",
    "ood_robustness",
    "calibration_error",
    "class_balance",
    "object_focus",
    "shape_bias",
    "parameters",
)
"""The nine dimensions of the paper, in its order. The QUBA score is computed from them."""
ON_DEMAND = ("unknown_detection", "classes", "answers", "parity", "size", "flops")
"""Dimensions that records list only if they were measured or declared."""
LEAST_WEIGHT = 1e-6
MOST_WEIGHT = 1e6
WEIGHTS = "0, or a number from 0.000001 to 1,000,000"


def is_weight(weight: float) -> bool:
    """Return True for an allowed weight of the QUBA score.

    Only ratios of weights matter, so the range excludes nothing of use.

    >>> is_weight(0), is_weight(2), is_weight(-1), is_weight(1e308), is_weight(float("nan"))
    (True, True, False, False, False)
    """
    return weight == 0 or LEAST_WEIGHT <= weight <= MOST_WEIGHT


@dataclass(frozen=True, slots=True)
class Dimension:
    """One quality of a model: the views it needs and its value from their predictions.

    Attributes:
        name: the name in threshold files, node ids, records and reports.
        title: a description in one sentence.
        unit: unit of the value.
        better: the better direction.
        weight: default weight in the QUBA score; 0 for dimensions outside it.
        source: paper or other source of the definition.
        views: the views needed on a suite.
        parts: the parts available on a suite.
        measure: computes the value from the predictions of exactly these views; raises `UnmeasurableError`.
        check_suite: raises `UnmeasurableError` if the labels of a suite's sets allow no value for any model.
    """

    name: str
    title: str
    unit: str
    better: Better
    weight: float
    source: str
    views: Callable[[SuiteFacts], tuple[View, ...]]
    parts: Callable[[SuiteFacts], tuple[Part, ...]]
    measure: Callable[[Mapping[View, Predictions], Facts], Measurement]
    check_suite: CheckSuite = lambda _suite, _labels: None

    @property
    def value_part(self) -> Part:
        """The value itself, as a part without a name."""
        return Part("", self.unit, self.better, self.title)
