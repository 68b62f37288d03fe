"""A measurement: value, unit, n, interval and named parts; or the reason why there is none."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import CONFIDENCE, ConfidenceCurve
from quba_check.number_format import format_value

Deviations = Mapping[Hashable, NDArray[np.float64]]
"""For each set of images (n,) numbers of mean 0: what each image adds to a value (`metrics.estimate`)."""


MASKED = "masked: "
"""Prefix of the notes that give the reasons of `Measurement.masked`."""
NO_EVIDENCE = "no evidence of robustness"
"""Verdict on a masked value, in every message."""


def _none() -> Deviations:
    return {}


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number with what is needed to read it.

    Attributes:
        value: the number, finite, at full precision.
        unit: `fraction`, `ratio`, `millions`, `images`, …
        n: images behind the value (rows of the shifted views where there are such, denominators left out);
            None where no image is involved.
        curve: confidence limits at every level, for the expectation of the same statistic when n images
            are redrawn; None where there are none.
        debiased: estimate of the value on endless images, where n of them bias the statistic.
        debiased_limit: one-sided 95 % limit of that on the bad side, where it is known.
        deviations: what each image adds to the value, for errors of what is made of several values; not kept
            in records.
    """

    value: float
    unit: str
    n: int | None
    curve: ConfidenceCurve | None = None
    debiased: float | None = None
    debiased_limit: float | None = None
    deviations: Deviations = field(default_factory=_none, repr=False, compare=False)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The two-sided 95 % interval; None if it is not known."""
        return None if self.curve is None else self.curve.interval(CONFIDENCE)

    def __repr__(self) -> str:
        return f"Quantity({_summary(self)})"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a dimension is for a model on a suite.

    Attributes:
        dimension: its name.
        value: see `Quantity`; likewise unit, n, curve, debiased, its limit and deviations.
        parts: named parts, in the order in which reports show them.
        notes: short remarks that every report shows beside the value, for example `masked: …`.
        masked: signs that gradients misled the attacks, so that the value is no evidence of robustness; empty
            if there are none.
    """

    dimension: str
    value: float
    unit: str
    n: int | None
    curve: ConfidenceCurve | None = None
    debiased: float | None = None
    debiased_limit: float | None = None
    parts: Mapping[str, Quantity] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    deviations: Deviations = field(default_factory=_none, repr=False, compare=False)
    masked: tuple[str, ...] = ()

    @property
    def interval(self) -> tuple[float, float] | None:
        """The two-sided 95 % interval; None if it is not known."""
        return None if self.curve is None else self.curve.interval(CONFIDENCE)

    def __repr__(self) -> str:
        return f"Measurement({self.dimension} {_summary(self)})"

    @classmethod
    def of(
        cls,
        dimension: str,
        whole: Quantity,
        *,
        parts: Mapping[str, Quantity] | None = None,
        notes: tuple[str, ...] = (),
        masked: tuple[str, ...] = (),
    ) -> Measurement:
        """A measurement whose value is a quantity."""
        return cls(
            dimension,
            whole.value,
            whole.unit,
            whole.n,
            whole.curve,
            whole.debiased,
            whole.debiased_limit,
            parts=parts or {},
            notes=notes,
            deviations=whole.deviations,
            masked=masked,
        )


def _summary(number: Quantity | Measurement) -> str:
    """Value, unit, number of images and interval, such as `0.975 fraction, n=400, 0.955..0.986`."""
    unit = "" if number.unit == "millions" else f" {number.unit}"
    images = "" if number.n is None else f", n={number.n}"
    ends = [format_value(end, number.unit) for end in number.interval or ()]
    return f"{format_value(number.value, number.unit)}{unit}{images}" + (
        f", {'..'.join(ends)}" if ends else ""
    )


@dataclass(frozen=True, slots=True)
class Unmeasurable:
    """A dimension without a value.

    Attributes:
        dimension: its name.
        reason: why, and what to do where something can be done.
        missing_data: the images do not allow a value: a set is absent or unfit (a demand may then be
            `optional`).
    """

    dimension: str
    reason: str
    missing_data: bool = False


Outcome = Measurement | Unmeasurable
