"""The drop of a value from that of a baseline."""

from __future__ import annotations

from dataclasses import dataclass

from quba_check.core.confidence import ConfidenceCurve


@dataclass(frozen=True, slots=True)
class Drop:
    """The drop of a dimension or part from that of a baseline.

    Attributes:
        value: the drop; below 0 for an improvement. Relative drops are fractions of the baseline's value.
        unit: unit of the drop.
        n: number of images.
        curve: confidence limits of the drop; None if unknown.
        before: the baseline's value.
        after: the current value.
        baseline: name of the baseline in messages.
        paired: True if the limits use both models' answers to the same images.
        masked: see `Measurement`, for the current value.
        groups: see `Quantity`.
        effective: see `Quantity`.
    """

    value: float
    unit: str
    n: int | None
    curve: ConfidenceCurve | None
    before: float
    after: float
    baseline: str
    paired: bool
    notes: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    groups: int | None = None
    effective: float | None = None
