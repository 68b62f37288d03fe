"""How much worse a value is than a baseline's."""

from __future__ import annotations

from dataclasses import dataclass

from quba_check.core.confidence import ConfidenceCurve


@dataclass(frozen=True, slots=True)
class Drop:
    """A dimension or part beside that of a baseline.

    Attributes:
        value: how much worse it is; below 0 where it is better. Relative drops are shares of the baseline's.
        unit: that of the value.
        n: images behind it.
        curve: confidence limits of the drop; None where they are not known.
        before: the baseline's value.
        after: the value now.
        baseline: how messages call the baseline.
        paired: limits are made of both models' answers to the same images.
        masked: see `Measurement`, of the value now.
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
