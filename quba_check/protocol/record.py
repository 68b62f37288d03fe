"""The record: what one run leaves behind, as JSON. Every report is rendered from it and from nothing else.

Later versions of schema 1 may add keys; a reader ignores keys that it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from quba_check.protocol.confidence import SCORES, ConfidenceCurve
from quba_check.protocol.dimension import Better, Dimension
from quba_check.protocol.facts import SuiteFacts
from quba_check.protocol.measurement import Measurement, Outcome, Quantity, Unmeasurable
from quba_check.protocol.settings import ProtocolName

VerdictOutcome = Literal["pass", "fail", "uncertain", "unmeasurable", "skipped", "not run"]
Tier = Literal["block", "warn", "info"]
Bound = Literal["min", "max", "max_drop", "max_relative_drop"]

CONFIDENCE = 0.95
"""Level of the intervals that records and reports show."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")


class StoppedRow(_Row):
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


class QuantityRow(_Row):
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


class UnmeasurableRow(_Row):
    """A dimension without a value, and why; whether a set that it needs is absent."""

    unmeasurable: str
    missing_data: bool = False


class NotMeasuredRow(_Row):
    """A dimension that no selected demand asked for."""

    not_measured: Literal[True]


AnyMeasurementRow = MeasurementRow | UnmeasurableRow | NotMeasuredRow


class ModelRow(_Row):
    """The model that was measured.

    Attributes:
        classes: number of classes it answers with.
        outputs: what its outputs were taken for: `logits`, `probabilities` or `sigmoids`; None if unknown.
        preparation: how images were prepared, as timm's data config, with `source` saying where it is from.
    """

    spec: str
    name: str
    fingerprint: str
    parameters: int
    preparation: dict[str, Any]
    classes: int
    outputs: str | None = None


class SetRow(_Row):
    """A set of the suite.

    Attributes:
        images: looked at.
        expected: as published; None where the manifest does not say.
        found: how many there are, if that is more.
        generated: for corruptions made from the clean images: `generated@224`, the side in pixels that they
            were made at, with `+jpeg85` where they were encoded; None for images that are stored.
    """

    images: int
    expected: int | None = None
    found: int | None = None
    generated: str | None = None


class SuiteRow(_Row):
    """The suite it was measured on.

    Attributes:
        sample: `one` marks a gate run: each image was shown under one corruption, not under all.
        contents: address of the images and labels of each view that was looked at; `fingerprint` is theirs.
        classes: address of the class list.
    """

    name: str
    root: str
    fingerprint: str
    sample: Literal["one", "all"] = "all"
    contents: dict[str, str] = Field(default_factory=dict)
    classes: str | None = None
    sets: dict[str, SetRow] = Field(default_factory=dict)

    @property
    def generates_corruptions(self) -> bool:
        """Whether corruptions were made from the clean images."""
        return any(row.generated is not None for row in self.sets.values())


class VerdictRow(_Row):
    """One demand, held against its measurement.

    Attributes:
        id: node id of the demand's item.
        dimension: dimension name, or `quba` for demands on score and grade.
        part: part name; for `quba`: `score` or `grade`.
        limit: the bound, as it stands in the file (a letter for `quba.grade`).
        message: what `Verdict.explain()` says; empty for a passed demand.
        within_noise: the bound lies inside the interval of the value.
        policy: what the file says of that: `point`, `fail` or `allow` (`demands.policy`).
        confidence: level of the interval.
        stopped: how the demand was decided before all images were seen; None where they were.
    """

    id: str
    dimension: str
    part: str | None
    bound: Bound
    limit: float | str
    tier: Tier
    outcome: VerdictOutcome
    file: str
    line: int
    message: str = ""
    within_noise: bool = False
    policy: Literal["point", "fail", "allow"] = "point"
    confidence: float = CONFIDENCE
    stopped: StoppedRow | None = None

    @property
    def target(self) -> str:
        """What was bounded: `accuracy`, `corruption_robustness.fog`, `quba.grade`."""
        return f"{self.dimension}.{self.part}" if self.part else self.dimension

    @property
    def is_met(self) -> bool:
        """Whether it passed, had nothing to look at and may, or is uncertain and may be."""
        return self.outcome in ("pass", "skipped") or (self.outcome == "uncertain" and self.policy == "allow")


class GradeRow(_Row):
    """The grade by the settings of one threshold file.

    Attributes:
        score: QUBA score; None where not graded.
        interval: two-sided interval of the score at `CONFIDENCE`; None where it is not known.
        letters: the letters that the interval spans, best first.
        percentile: share of the population's scores that are lower, in [0, 100].
        letter: A to F.
        models: how many scores the percentile is among.
        complete: all nine dimensions went into it.
        missing: dimensions that did not.
        cross_protocol: dimensions whose population values come from the other protocol and differ by it.
        notes: remarks shown beside the grade.
    """

    file: str
    score: float | None
    percentile: float | None
    letter: str | None
    population: str
    protocol_of_population: ProtocolName
    complete: bool
    models: int | None = None
    interval: tuple[float, float] | None = None
    letters: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    cross_protocol: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class EnvironmentRow(_Row):
    """Where and when."""

    versions: dict[str, str]
    device: str
    precision: str
    seed: int
    time: str
    git: str | None = None


class Record(_Row):
    """All that one (model, protocol) left behind.

    Attributes:
        limit: images of a set that were looked at at most; None: all. Which ones, the seed says.
        interrupted: the run was stopped before every selected demand was judged.
        notes: remarks on the run as a whole (defaults used, store repaired, …).
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    model: ModelRow
    suite: SuiteRow
    protocol: ProtocolName
    measurements: dict[str, AnyMeasurementRow]
    verdicts: tuple[VerdictRow, ...] = ()
    grades: tuple[GradeRow, ...] = ()
    environment: EnvironmentRow
    limit: int | None = None
    interrupted: bool = False
    notes: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """How the names of its copies in a store begin: an ISO time that can stand there, model, protocol."""
        time = self.environment.time.replace(":", "").replace("-", "").removesuffix("+0000")
        return f"{time}-{self.model.fingerprint[:8]}-{self.protocol}"

    def to_json(self) -> str:
        """The record as indented JSON text, numbers at full precision."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def row_of(
    outcome: Outcome, dimension: Dimension, suite: SuiteFacts, stopped: StoppedRow | None = None
) -> AnyMeasurementRow:
    """What a record keeps of a measurement of a dimension on a suite, or on some of its images."""
    better = {part.name: part.better for part in dimension.parts(suite)}
    if isinstance(outcome, Unmeasurable):
        return UnmeasurableRow(unmeasurable=outcome.reason, missing_data=outcome.missing_data)
    return MeasurementRow(
        **_quantity(outcome, dimension.better),
        parts={
            name: QuantityRow(**_quantity(part, better.get(name))) for name, part in outcome.parts.items()
        },
        notes=outcome.notes,
        stopped=stopped,
    )


def _quantity(found: Measurement | Quantity, better: Better | None) -> dict[str, Any]:
    curve = found.curve
    return {
        "value": found.value,
        "unit": found.unit,
        "n": found.n,
        "interval": None if curve is None else curve.interval(CONFIDENCE),
        "limits": None if curve is None else curve.limits,
        "debiased": found.debiased,
        "debiased_limit": found.debiased_limit,
        "better": better,
    }


def outcome_of(dimension: str, row: AnyMeasurementRow) -> Outcome:
    """What a record's row was made of, as far as the record keeps it; the inverse of `row_of`."""
    if isinstance(row, UnmeasurableRow):
        return Unmeasurable(dimension, row.unmeasurable, missing_data=row.missing_data)
    if isinstance(row, NotMeasuredRow):
        return Unmeasurable(dimension, "the run did not measure it")
    if row.stopped is not None:
        return Unmeasurable(dimension, f"its value over all images is not known: {row.stopped}")
    whole = _measured(row)
    parts = {name: _measured(part) for name, part in row.parts.items()}
    return Measurement.of(dimension, whole, parts=parts, notes=row.notes)


def _measured(row: QuantityRow) -> Quantity:
    limits = row.limits
    curve = ConfidenceCurve(limits) if limits is not None and len(limits) == len(SCORES) else None
    return Quantity(row.value, row.unit, row.n, curve, row.debiased, row.debiased_limit)


def values_of(measurements: Mapping[str, AnyMeasurementRow]) -> dict[str, float]:
    """The values of the dimensions that have one over all images."""
    return {
        name: row.value
        for name, row in measurements.items()
        if isinstance(row, MeasurementRow) and row.stopped is None
    }


MEASUREMENTS = TypeAdapter(dict[str, AnyMeasurementRow])
"""Reads and writes the `measurements` of a record on their own."""

__all__ = [
    "MEASUREMENTS",
    "AnyMeasurementRow",
    "Bound",
    "EnvironmentRow",
    "GradeRow",
    "MeasurementRow",
    "ModelRow",
    "NotMeasuredRow",
    "QuantityRow",
    "Record",
    "SetRow",
    "StoppedRow",
    "SuiteRow",
    "Tier",
    "UnmeasurableRow",
    "VerdictOutcome",
    "VerdictRow",
    "outcome_of",
    "row_of",
    "values_of",
]
