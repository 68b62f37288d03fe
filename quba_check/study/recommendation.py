"""Recommendations: the models of a population that meet a threshold file, or come nearest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from quba_check.core.grade import Grade
from quba_check.core.measurement import Measurement, Unmeasurable
from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Demand, Thresholds
from quba_check.dimensions import registry
from quba_check.errors import UserError
from quba_check.grading import GradedRun, Population, PopulationRow, grade, published_models
from quba_check.grading.notes import CROSS_PROTOCOL
from quba_check.records.verdict import QUBA, Tier
from quba_check.study.statistics import PUBLISHED
from quba_check.verdicts import decide

Decision = Literal["met", "missed", "undecided"]
Status = Literal["meets", "undecided", "misses"]
STATUSES: tuple[Status, ...] = get_args(Status)
"""From best to worst."""
NO_PARTS = "the population has values of whole dimensions, not of parts"
NO_BASELINE = "a drop needs two runs of one model, the population has one value each"
SUSPECT = "suspect value"
"""Reason for an undecided demand on a value that the population marks as suspect."""


@dataclass(frozen=True, slots=True)
class DemandCheck:
    """A demand checked against a model of a population.

    Attributes:
        demand: the demand.
        decision: `undecided` if the population has no trustworthy value for it.
        value: the value, score or letter of the model; None if there is none. An undecided demand can have a
            value: a suspect one.
        margin: distance to the bound in standard deviations of the population, negative if the value
            misses it; None without a value or spread.
        reason: reason for an undecided demand.
        is_suspect: it is undecided because of a suspect value.
    """

    demand: Demand
    decision: Decision
    value: float | str | None = None
    margin: float | None = None
    reason: str = ""
    is_suspect: bool = False


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """A model of a population, checked against a threshold file.

    Attributes:
        id: its name in the population.
        timm: its name in timm; None if unknown.
        score: QUBA score with the file's weights; None if it lacks a weighted dimension.
        is_score_suspect: a suspect value is part of the score.
        checks: the demands that the population can answer, in file order.
    """

    id: str
    timm: str | None
    score: float | None
    is_score_suspect: bool
    checks: tuple[DemandCheck, ...]

    @property
    def status(self) -> Status:
        """The outcome of the blocking demands that the population can answer.

        `undecided`: it misses none, but some depend on suspect or missing values.
        """
        return "misses" if self.misses else "undecided" if self.undecided else "meets"

    @property
    def misses(self) -> tuple[DemandCheck, ...]:
        """The blocking demands that it misses."""
        return self._checks("block", "missed")

    @property
    def undecided(self) -> tuple[DemandCheck, ...]:
        """The blocking demands without a trustworthy value."""
        return self._checks("block", "undecided")

    @property
    def meets_as_published(self) -> bool | None:
        """True if suspect values meet the undecided demands; None if one is missing."""
        margins = [check.margin for check in self.undecided]
        return None if None in margins else all(margin >= 0 for margin in margins if margin is not None)

    @property
    def warned(self) -> tuple[DemandCheck, ...]:
        """The demands of tier `warn` that it misses."""
        return self._checks("warn", "missed")

    @property
    def distance(self) -> float:
        """Sum of the shortfalls of missed blocking demands, in standard deviations of the population."""
        return math.fsum(-check.margin for check in self.misses if check.margin is not None)

    @property
    def closest(self) -> DemandCheck | None:
        """The decided blocking demand with the smallest margin; None if there is none."""
        decided = [check for check in self._checks("block", "met", "missed") if check.margin is not None]
        return min(decided, key=lambda check: check.margin or 0.0, default=None)

    def _checks(self, tier: Tier, *decisions: Decision) -> tuple[DemandCheck, ...]:
        return tuple(
            check for check in self.checks if check.demand.tier == tier and check.decision in decisions
        )


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A threshold file checked against all models of a population.

    Attributes:
        thresholds: the file.
        population: the population.
        protocol: the protocol of the file's thresholds.
        not_decidable: reason by demand, for demands that the population cannot answer for any model.
        candidates: the models by status. Those that meet the demands are ordered by score; undecided ones
            likewise, after those that would meet them by their suspect values; the others by distance, those
            with undecided demands last.
    """

    thresholds: Thresholds
    population: Population
    protocol: ProtocolName
    not_decidable: Mapping[Demand, str]
    candidates: tuple[CheckedModel, ...]

    def with_status(self, status: Status) -> tuple[CheckedModel, ...]:
        """Return the models with a status, best first."""
        return tuple(candidate for candidate in self.candidates if candidate.status == status)

    @property
    def decidable(self) -> tuple[Demand, ...]:
        """The blocking demands that the population can answer."""
        blocking = (demand for demand in self.thresholds.demands if demand.tier == "block")
        return tuple(demand for demand in blocking if demand not in self.not_decidable)

    @property
    def undecidable(self) -> tuple[Demand, ...]:
        """The blocking demands that the population cannot answer for any model."""
        return tuple(demand for demand in self.not_decidable if demand.tier == "block")


def recommend(thresholds: Thresholds, population: Population) -> Recommendation:
    """Check every model of a population against a threshold file.

    Args:
        thresholds: the file. Without a protocol of its own, its thresholds count as those of `standard`.
        population: the population.
    """
    protocol = thresholds.protocol or "standard"
    reasons = {demand: _unmeasurable_reason(demand, population, protocol) for demand in thresholds.demands}
    not_decidable = {demand: reason for demand, reason in reasons.items() if reason}
    grades = {row.id: _grade(row, thresholds, population) for row in population.rows}
    if not any(
        isinstance(row_grade, Grade) and row_grade.letter is not None for row_grade in grades.values()
    ):
        no_models = Unmeasurable(QUBA, "the population has no models")
        reason = _grade_reason(next(iter(grades.values()), no_models))
        not_decidable |= {demand: reason for demand in thresholds.demands if demand.is_on_grade}
    demands = [demand for demand in thresholds.demands if demand not in not_decidable]
    published = {model.id: model for model in published_models()} if population.name in PUBLISHED else {}
    weighted = {name for name, weight in thresholds.quba.weights.items() if weight > 0}

    def checked(row: PopulationRow) -> CheckedModel:
        model = published.get(row.id)
        evidence = grades[row.id]
        doubtful = model.doubtful if model else frozenset[str]()
        is_suspect = bool(doubtful & weighted)
        checks = tuple(
            _check_grade(demand, evidence, is_suspect)
            if demand.is_on_grade
            else _check_value(demand, row, doubtful, population)
            for demand in demands
        )
        score = evidence.score if isinstance(evidence, Grade) else None
        timm = model.timm if model else None
        return CheckedModel(row.id, timm, score, is_suspect and score is not None, checks)

    candidates = tuple(sorted(map(checked, population.rows), key=_order))
    return Recommendation(thresholds, population, protocol, not_decidable, candidates)


def _order(candidate: CheckedModel) -> tuple[int, bool, float, float, str]:
    status = candidate.status
    is_last = bool(candidate.undecided) if status == "misses" else candidate.meets_as_published is not True
    score = math.inf if candidate.score is None else -candidate.score
    return STATUSES.index(status), is_last, candidate.distance, score, candidate.id


def _unmeasurable_reason(demand: Demand, population: Population, protocol: ProtocolName) -> str:
    """Return the reason against a demand for all models; empty if there is none."""
    if demand.is_on_grade:
        return ""
    if demand.needs_baseline:
        return NO_BASELINE
    if demand.part is not None:
        return NO_PARTS
    if demand.dimension not in population.dimensions:
        return f"the population has no values of {demand.dimension}"
    if demand.dimension in CROSS_PROTOCOL and population.protocol != protocol:
        return f"its bound is for protocol {protocol}, the values are of protocol {population.protocol}"
    return ""


def _grade(row: PopulationRow, thresholds: Thresholds, population: Population) -> Grade | Unmeasurable:
    run = GradedRun(population.protocol, population.suite, population.classes)
    try:
        return grade(row.values, thresholds.quba, population=thresholds.quba.population, run=run)
    except UserError as error:
        return Unmeasurable(QUBA, str(error))


def _grade_reason(evidence: Grade | Unmeasurable) -> str:
    if isinstance(evidence, Unmeasurable):
        return evidence.reason
    if evidence.other_suite:
        return f"the file grades against {evidence.population}, which was measured on another suite"
    return evidence.not_graded or f"no grade: missing {', '.join(evidence.missing)}"


def _check_value(
    demand: Demand, row: PopulationRow, doubtful: frozenset[str], population: Population
) -> DemandCheck:
    name = demand.dimension
    value = row.values.get(name)
    if value is None:
        is_suspect = name in doubtful
        reason = f"{SUSPECT} left out" if is_suspect else "no value"
        return DemandCheck(demand, "undecided", reason=reason, is_suspect=is_suspect)
    difference = value - float(demand.bound)
    sigma = population.sigma.get(name)
    if demand.key == "max":
        difference = 0.0 - difference  # not -0.0 at the bound
    margin = difference / sigma if sigma else None
    if name in doubtful:
        return DemandCheck(demand, "undecided", value, margin, SUSPECT, is_suspect=True)
    outcome = decide(demand, Measurement(name, value, registry[name].unit, None)).outcome
    return DemandCheck(demand, "met" if outcome == "pass" else "missed", value, margin)


def _check_grade(demand: Demand, evidence: Grade | Unmeasurable, is_suspect: bool) -> DemandCheck:
    verdict = decide(demand, evidence)
    if verdict.value is None or not isinstance(evidence, Grade) or evidence.score is None:
        return DemandCheck(demand, "undecided", reason=_grade_reason(evidence))
    bound = evidence.least.get(str(demand.bound)) if demand.part == "grade" else float(demand.bound)
    margin = None if bound is None else evidence.score - bound
    if is_suspect:
        return DemandCheck(demand, "undecided", verdict.value, margin, SUSPECT, is_suspect=True)
    return DemandCheck(demand, "met" if verdict.outcome == "pass" else "missed", verdict.value, margin)
