"""What a record says of a dimension: its value with all that tells how to read it, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from quba_check.core.confidence import SCORES
from quba_check.core.dimension import Better
from quba_check.core.measurement import MASKED

Number = Annotated[float, Strict(), AllowInfNan(False)]
"""A finite number; text is none."""
Count = Annotated[int, Strict(), Field(ge=0)]
ROUNDING = 1e-9
"""How far outside its limits a value may lie, in units of its size or of 1."""


class JsonRow(BaseModel):
    """Base of the parts of a record: frozen, ignores unknown keys, keeps NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")


class StoppedRow(JsonRow):
    """A demand that was decided before all images were seen (`--quba-early-stop`).

    Attributes:
        images: seen, of the largest set, in a random order that the seed tells.
        of: images of that set.
        passes: whether the value over all of them would meet the demand.
        alpha: probability that this is wrong.
    """

    images: Count
    of: Count
    passes: bool
    alpha: Number

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

    value: Number
    unit: str
    n: Count | None = None
    interval: tuple[Number, Number] | None = None
    limits: tuple[Number, ...] | None = None
    debiased: Number | None = None
    debiased_limit: Number | None = None
    better: Better | None = None

    @field_validator("interval", "limits")
    @classmethod
    def _around_the_value(
        cls, limits: tuple[float, ...] | None, info: ValidationInfo
    ) -> tuple[float, ...] | None:
        if limits is None:
            return None
        if info.field_name == "limits" and len(limits) != len(SCORES):
            raise _mistake(f"{len(limits)} numbers", f"{len(SCORES)} numbers, or null")
        for before, after in pairwise(limits):
            if after < before:
                raise _mistake(f"{before:g} before {after:g}", "numbers that do not descend")
        value = info.data.get("value")
        if value is not None and _is_outside(value, limits):
            raise _mistake(f"{limits[0]:g} to {limits[-1]:g}", f"limits around the value, {value:g}")
        return limits


def _is_outside(value: float, limits: Sequence[float]) -> bool:
    room = ROUNDING * max(1.0, abs(value))
    return not limits[0] - room <= value <= limits[-1] + room


def _mistake(got: str, allowed: str) -> PydanticCustomError:
    return PydanticCustomError("mistake", "got {got}. Allowed: {allowed}", {"got": got, "allowed": allowed})


class MeasurementRow(QuantityRow):
    """A measured dimension.

    Attributes:
        stopped: why the value is of some images only; it is then no value to grade.
        masked: signs that gradients misled the attacks; the value is then no evidence of robustness.
    """

    parts: dict[str, QuantityRow] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stopped: StoppedRow | None = None
    masked: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _masked_in_older_records(cls, row: Any) -> Any:
        """Fill in `masked` for older records with masking in notes alone."""
        if not isinstance(row, dict) or "masked" in row or not isinstance(row.get("notes"), list | tuple):
            return row
        notes = [note for note in row["notes"] if isinstance(note, str) and note.startswith(MASKED)]
        return row | {"masked": tuple(note.removeprefix(MASKED) for note in notes)}


class UnmeasurableRow(JsonRow):
    """A dimension without a value, and why; whether a set that it needs is absent."""

    unmeasurable: str
    missing_data: bool = False


class NotMeasuredRow(JsonRow):
    """A dimension that no selected demand asked for."""

    not_measured: Literal[True]


AnyMeasurementRow = MeasurementRow | UnmeasurableRow | NotMeasuredRow
