"""The grade of a stored run against a population, and reasons for missing values."""

from __future__ import annotations

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.grade import Grade, GradeRules
from quba_check.core.measurement import Measurement, Unmeasurable
from quba_check.grading.grade import GradedRun, grade
from quba_check.grading.population import Population
from quba_check.records.measurement import AnyMeasurementRow, NotMeasuredRow, outcome_of


def published_measurements(run: StoredRun) -> dict[str, Measurement]:
    """Return the measurements of a run in the nine dimensions."""
    return {name: row for name, row in run.measurements().items() if name in PUBLISHED_DIMENSIONS}


def grade_run(run: StoredRun, population: Population, rules: GradeRules) -> Grade:
    """Return the score and grade of a run against a population.

    Args:
        run: the run.
        population: the population.
        rules: what counts for the grade.
    """
    measured = published_measurements(run)
    record = run.record
    suite = record.suite
    origin = GradedRun(record.protocol, suite.name, record.model.classes, suite.generates_corruptions)
    values = {name: row.value for name, row in measured.items()}
    return grade(values, rules, population=population, run=origin, measured=measured)


def reason_for_none(name: str, row: AnyMeasurementRow | None) -> str:
    """Return the reason for a missing value of a dimension; empty if it is there."""
    if row is None or isinstance(row, NotMeasuredRow):
        return "not measured"
    outcome = outcome_of(name, row)
    return outcome.reason if isinstance(outcome, Unmeasurable) else ""
