"""A measurement held against a demand. Pure; `Verdict.explain` writes the one text that a failure has."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from quba_check.demands import Demand
from quba_check.errors import listed
from quba_check.figures import apart_by, figure, ordinal, told_apart
from quba_check.protocol.confidence import ConfidenceCurve
from quba_check.protocol.grade import LETTERS, Grade
from quba_check.protocol.measurement import Measurement, Quantity, Unmeasurable
from quba_check.protocol.record import CONFIDENCE, VerdictRow

VerdictOutcome = Literal["pass", "fail", "unmeasurable", "skipped"]

WORST_PARTS = 3
"""How many parts an explanation names."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A demand and what was found. The tier has no part in it: it decides what follows, not what is.

    Attributes:
        demand: what was demanded.
        outcome: `pass`, `fail`, `unmeasurable`, or `skipped` (data missing, and the demand is optional).
        held: what was measured or graded, or why there is nothing.
        value: the number, or the grade's letter, that was held to the limit; None where there is none.
        unit: its unit.
        n: images behind it.
        curve: how sure it is, where that is known.
        reason: why there is no value; empty where there is one.
    """

    demand: Demand
    outcome: VerdictOutcome
    held: Measurement | Unmeasurable | Grade
    value: float | str | None = None
    unit: str | None = None
    n: int | None = None
    curve: ConfidenceCurve | None = None
    reason: str = ""

    def explain(self) -> str:
        """What was found, in a line; then, indented, what explains it and where it was demanded."""
        return "\n  ".join(
            [self._headline(), *self._details(), f"demanded by {self.demand.place}"],
        )

    def row(self, id: str) -> VerdictRow:  # noqa: A002  the record's own word
        """The verdict as records keep it, under the id of its item."""
        return self.demand.judged(id, self.outcome, "" if self.outcome == "pass" else self.explain())

    def _headline(self) -> str:
        target, limit, value = self.demand.target, self.demand.limit, self.value
        if value is None:
            happened = "was skipped" if self.outcome == "skipped" else "could not be measured"
            return f"{target} {happened}: {self.reason}"
        relation = self._relation()
        if isinstance(value, str) or isinstance(limit, str):
            return f"{target} {value} {relation} {limit}{self._standing()}"
        unit = self.unit or ""
        shown, bound = told_apart(value, limit, unit)
        if self.outcome == "pass":
            return f"{target} {shown} {relation} {bound}"
        missed = "short" if self.demand.bound == "min" else "over"
        return f"{target} {shown} {relation} {bound} ({missed} by {apart_by(value, limit, unit)})"

    def _relation(self) -> str:
        if self.demand.bound == "min":
            return "is at least" if self.outcome == "pass" else "is below"
        return "is at most" if self.outcome == "pass" else "is above"

    def _standing(self) -> str:
        grade = self.held
        if not isinstance(grade, Grade) or grade.score is None or grade.percentile is None:
            return ""
        percentile = f"{ordinal(grade.percentile)} percentile of {grade.population}"
        return f" (score {figure(grade.score, 'score')}, {percentile})"

    def _details(self) -> Iterator[str]:
        if isinstance(self.held, Measurement):
            worst = ", ".join(
                f"{name} {figure(part.value, part.unit)}" for name, part in self._worst_parts(self.held)
            )
            if worst:
                yield f"worst parts: {worst}"
        if self.n is not None:
            yield f"n = {self.n:,} images"
        if self.curve is not None:
            low, high = (figure(end, self.unit or "") for end in self.curve.interval(CONFIDENCE))
            yield f"interval {low} to {high}"
        if not isinstance(self.held, Unmeasurable):
            yield from self.held.notes

    def _worst_parts(self, measurement: Measurement) -> list[tuple[str, Quantity]]:
        """The parts that pull the value of a dimension most: those with its direction, worst first."""
        demand = self.demand
        ranked = [
            (part.name, measurement.parts[part.name])
            for part in demand.parts
            if part.name in measurement.parts and part.better == demand.better
        ]
        ranked.sort(key=lambda item: item[1].value, reverse=demand.better == "low")
        return ranked[:WORST_PARTS]


def judge(demand: Demand, held: Measurement | Unmeasurable | Grade) -> Verdict:
    """Hold what was found to what is demanded. A value equal to the limit meets it.

    Args:
        demand: the demand.
        held: the outcome of the demand's dimension; for `quba` demands the grade.

    Returns:
        `pass` only where there is a finite value on the right side of the limit. No data, no part of that
        name or no grade are `unmeasurable`; `skipped` where data are missing and the demand is optional.
    """
    if isinstance(held, Unmeasurable):
        skips = demand.optional and held.missing_data
        return Verdict(demand, "skipped" if skips else "unmeasurable", held, reason=held.reason)
    if isinstance(held, Grade):
        return _judged_grade(demand, held)
    if demand.part is not None and demand.part not in held.parts:
        measured = listed(held.parts) or "no parts"
        reason = f"{held.dimension} has no part '{demand.part}' here. Measured: {measured}."
        return Verdict(demand, "unmeasurable", held, reason=reason)
    found = held if demand.part is None else held.parts[demand.part]
    return _judged_number(demand, held, found.value, found.unit, found.n, found.curve)


def _judged_number(
    demand: Demand,
    held: Measurement | Grade,
    value: float,
    unit: str,
    n: int | None = None,
    curve: ConfidenceCurve | None = None,
) -> Verdict:
    if not math.isfinite(value):
        return Verdict(
            demand, "unmeasurable", held, reason=f"its value is {value}, which is no number to judge"
        )
    limit = float(demand.limit)
    is_met = value >= limit if demand.bound == "min" else value <= limit
    return Verdict(demand, "pass" if is_met else "fail", held, value, unit, n, curve)


def _judged_grade(demand: Demand, grade: Grade) -> Verdict:
    if grade.score is None or grade.letter is None:
        missing = f": missing {', '.join(grade.missing)}" if grade.missing else ""
        return Verdict(demand, "unmeasurable", grade, reason=f"not graded{missing}")
    if isinstance(demand.limit, str):
        is_met = LETTERS.index(grade.letter) >= LETTERS.index(demand.limit)
        return Verdict(demand, "pass" if is_met else "fail", grade, grade.letter, demand.unit)
    return _judged_number(demand, grade, grade.score, demand.unit)
