"""The numbers behind a verdict of a record."""

from __future__ import annotations

from dataclasses import dataclass

from quba_check.comparison.baseline import drop
from quba_check.comparison.stored_run import StoredRun
from quba_check.core.confidence import ConfidenceCurve
from quba_check.core.dimension import Part
from quba_check.core.drop import Drop
from quba_check.core.measurement import Measurement
from quba_check.demands.demand import Demand
from quba_check.demands.policy import Policy
from quba_check.records.conversion import outcome_of
from quba_check.records.measurement import MeasurementRow, QuantityRow
from quba_check.records.record import Record
from quba_check.records.verdict import DROPS, GradeRow, VerdictRow
from quba_check.verdicts.explanation import explanation
from quba_check.verdicts.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """The numbers behind a verdict.

    Attributes:
        value: the number or letter; None if there is none.
        unit: its unit.
        interval: its interval at the level of the demand.
        n: number of images.
        message: explanation of a passed demand, which records leave out; else empty.
    """

    value: float | str | None = None
    unit: str = ""
    interval: tuple[float, float] | None = None
    n: int | None = None
    message: str = ""


def evidence_of(run: StoredRun, row: VerdictRow, baseline: StoredRun | None) -> Evidence:
    """Return the numbers behind a verdict, as far as record and baseline have them."""
    if row.is_on_grade:
        return _of_grade(run, row)
    if row.bound in DROPS:
        return _of_drop(run, row, baseline)
    measured = run.record.measurements.get(row.dimension)
    if not isinstance(measured, MeasurementRow):
        return Evidence()
    quantity: QuantityRow | None = measured if row.part is None else measured.parts.get(row.part)
    if quantity is None:
        return Evidence()
    curve = None if quantity.limits is None else ConfidenceCurve(quantity.limits)
    interval = quantity.interval if curve is None else curve.interval(row.confidence)
    message = "" if row.message else _explained(row, measured, quantity, curve)
    return Evidence(quantity.value, quantity.unit, interval, quantity.images or quantity.n, message)


def _of_grade(run: StoredRun, row: VerdictRow) -> Evidence:
    grade = grade_of(run.record, row)
    if grade is None or grade.score is None or grade.letter is None:
        return Evidence()
    value = grade.letter if isinstance(row.limit, str) else grade.score
    text = grade.letter if isinstance(row.limit, str) else f"{grade.score:.3f}"
    message = f"{row.target} {text} meets the bound {row.limit}" if row.outcome == "pass" else ""
    return Evidence(value, "score", grade.interval, message=message)


def _of_drop(run: StoredRun, row: VerdictRow, baseline: StoredRun | None) -> Evidence:
    measured = run.record.measurements.get(row.dimension)
    if baseline is None or not isinstance(measured, MeasurementRow):
        return Evidence()
    better = measured.better if row.part is None else getattr(measured.parts.get(row.part), "better", None)
    if better is None:
        return Evidence()
    outcome = drop(
        baseline,
        row.dimension,
        row.part,
        run.value_of(row.dimension, row.part),
        unit=measured.unit,
        better=better,
        relative=row.bound == "max_relative_drop",
    )
    if not isinstance(outcome, Drop):
        return Evidence()
    interval = None if outcome.curve is None else outcome.curve.interval(row.confidence)
    message = "" if row.message else f"{row.target} drops by {outcome.value:.4f} from {outcome.baseline}"
    return Evidence(outcome.value, outcome.unit, interval, outcome.n, message)


def _explained(
    row: VerdictRow, measured: MeasurementRow, quantity: QuantityRow, curve: ConfidenceCurve | None
) -> str:
    """Return the explanation of a passed demand, in the words of failed ones."""
    if row.outcome != "pass":
        return ""
    evidence = outcome_of(row.dimension, measured)
    if not isinstance(evidence, Measurement) or isinstance(row.limit, str) or quantity.better is None:
        return ""
    parts = tuple(
        Part(name, part.unit, part.better, "")
        for name, part in measured.parts.items()
        if row.part is None and part.unit == measured.unit
    )
    demand = Demand(
        row.dimension,
        row.part,
        row.bound,
        row.limit,
        row.tier,
        False,
        quantity.unit,
        quantity.better,
        row.file,
        row.line,
        parts,
    )
    verdict = Verdict(
        demand,
        "pass",
        evidence,
        quantity.value,
        quantity.unit,
        quantity.images or quantity.n,
        curve,
        within_noise=row.within_noise,
        policy=Policy(row.policy, row.confidence),
        stopped=row.stopped,
    )
    return explanation(verdict)


def grade_of(record: Record, row: VerdictRow) -> GradeRow | None:
    """Return the grade behind a demand on it; None if the record has none."""
    file = row.id.partition("::")[0]
    return next((grade for grade in record.grades if grade.file in (file, row.file)), None)
