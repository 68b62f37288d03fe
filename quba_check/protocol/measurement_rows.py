"""What a record says of a dimension: its value with all that tells how to read it, or why there is none."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from quba_check.protocol.dimension import Better
from quba_check.protocol.json_row import JsonRow


class StoppedRow(JsonRow):
    """A demand that was decided before all images were seen (`--quba-early-stop`).

    Attributes:
        images: seen, of the largest set, in a random order that the seed tells.
        of: images of that set.
        passes: whether the value over all of them would meet the demand.
        alpha: probability that this is wrong.
    """

    images: int
    of: int
    passes: bool
    alpha: float

    def __str__(self) -> str:
        would = "pass" if self.passes else "fail"
        return (
            f"stopped early after {self.images:,} of {self.of:,} images: the full run would {would} "
            f"(α = {self.alpha:g})"
        )


class QuantityRow(JsonRow):
    """A value with unit and n, how sure it is, and the direction that is better (None: reported only).

    Attributes:
        interval: two-sided interval at `CONFIDENCE`.
        limits: one-sided limits at the scores of `protocol.confidence.SCORES`, from which intervals at other
            levels are read.
        debiased: estimate of the value on endless images, where n of them bias the statistic.
        debiased_limit: its one-sided 95 % limit on the bad side, where it is known.
    """

    value: float
    unit: str
    n: int | None = None
    interval: tuple[float, float] | None = None
    limits: tuple[float, ...] | None = None
    debiased: float | None = None
    debiased_limit: float | None = None
    better: Better | None = None


class MeasurementRow(QuantityRow):
    """A measured dimension.

    Attributes:
        stopped: why the value is of some images only; it is then no value to grade.
    """

    parts: dict[str, QuantityRow] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stopped: StoppedRow | None = None


class UnmeasurableRow(JsonRow):
    """A dimension without a value, and why; whether a set that it needs is absent."""

    unmeasurable: str
    missing_data: bool = False


class NotMeasuredRow(JsonRow):
    """A dimension that no selected demand asked for."""

    not_measured: Literal[True]


AnyMeasurementRow = MeasurementRow | UnmeasurableRow | NotMeasuredRow
