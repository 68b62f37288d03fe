"""Stored verdicts, decided again from the values, bounds and policies of their record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from quba_check.core.confidence import ConfidenceCurve
from quba_check.core.grade import Grade
from quba_check.core.measurement import Drop, Measurement, Outcome, Unmeasurable
from quba_check.core.request import Part, Request
from quba_check.demands.demand import Demand, Policy
from quba_check.errors import UserError
from quba_check.grading.grade import letter
from quba_check.records.files import load_record
from quba_check.records.measurement import outcome_of
from quba_check.records.record import InputRow, Record
from quba_check.records.verdict import DROPS, QUBA, GradeRow, VerdictRow, demands_digest
from quba_check.verdicts.decision import Judged
from quba_check.verdicts.evidence import Evidence, evidence_of

RUN_AGAIN = "Run the gate again."
"""What to do about a record that cannot be used."""
_NOT_DECIDED = ("not run", "unmeasurable")
"""Outcomes that no value contradicts; they block the release."""
_BY_P_VALUES = ("fail", "uncertain")
"""Outcomes between which the p-values of all demands decide, under `uncertain: allow`."""
ROUNDING = 1e-9
"""Largest difference of numbers that two machines compute from one record, absolute and relative."""
Fact = float | str | bool | None
"""A value, an end of its interval, or whether the bound lies inside."""


def read_record(path: Path) -> Record:
    """Read a record, and check its verdicts.

    Raises:
        UserError: the file cannot be read or is not a record, or see `check_verdicts`.
    """
    return read_record_and_digest(path)[0]


def read_record_and_digest(path: Path, label: str | None = None) -> tuple[Record, str]:
    """Read a record as `read_record` does; return it with the SHA-256 of its bytes.

    Args:
        path: the file.
        label: its name in messages; None for its path.
    """
    record, digest = load_record(path, label)
    check_verdicts(record, label or str(path))
    return record, digest


def check_verdicts(record: Record, where: str) -> tuple[VerdictRow, ...]:
    """Decide the verdicts of a record again, and refuse others.

    The demands must be those of the digest of their threshold file, unless the command line selected some of
    them. Their outcomes must follow from values, limits, bounds and policy.

    Args:
        record: the record.
        where: its name in messages.

    Returns:
        The skipped demands on drops, for which the record has no evidence.

    Raises:
        UserError: a demand is missing, changed or of no file, or a verdict contradicts its value.
    """
    files = {row.path: row for row in record.inputs if row.kind == "threshold file"}
    demands: dict[str, list[VerdictRow]] = {}
    for row in record.verdicts:
        if row.threshold_file not in files:
            raise UserError(
                f"the verdict on {row.name} is of no threshold file of the run",
                where=where,
                got=row.threshold_file or "none",
                hint=RUN_AGAIN,
            )
        demands.setdefault(row.threshold_file, []).append(row)
    undecided: list[VerdictRow] = []
    for name, file in files.items():
        rows = demands.get(name, [])
        _check_demands(record, file, rows, where)
        undecided += _check_outcomes(record, rows, where)
    return tuple(undecided)


def _check_demands(record: Record, file: InputRow, rows: Sequence[VerdictRow], where: str) -> None:
    """Refuse demands that are not those of their threshold file."""
    if file.settings is None or file.demands is None:
        problem = (
            f"it has no digest of the demands of '{file.path}': an earlier version wrote it, or it was edited"
        )
        raise UserError(problem, where=where, hint=RUN_AGAIN)
    policy = [file.settings.get(key) for key in ("uncertain", "confidence")]
    for row in rows:
        if [row.policy, row.confidence] != policy:
            raise UserError(
                f"the policy of {row.name} is not that of '{file.path}'",
                where=where,
                got=f"{row.policy}, {row.confidence:g}",
                hint=RUN_AGAIN,
            )
    if not record.unselected and demands_digest(rows, file.settings) != file.demands:
        raise UserError(
            f"its demands are not those of '{file.path}': one is missing, added or changed",
            where=where,
            hint=RUN_AGAIN,
        )


def _check_outcomes(record: Record, rows: Sequence[VerdictRow], where: str) -> Iterator[VerdictRow]:
    """Yield the verdicts of a file without evidence, and refuse those that contradict it."""
    outcomes = {name: outcome_of(name, row) for name, row in record.measurements.items()}
    by_demand = {_demand_of(row): row for row in rows}
    evidence = Evidence(by_demand, lambda demand: _evidence(record, by_demand[demand], outcomes))
    # The p-values of demands that were not run are missing.
    is_stopped = any(row.tier == "block" and row.outcome == "not run" for row in rows)
    for row in rows:
        demand = _demand_of(row)
        if row.outcome == "skipped" and _lacks_baseline(record, row, evidence.of(demand)):
            yield row
            continue
        if row.outcome in _NOT_DECIDED:
            continue
        verdict = evidence.verdict(demand, Policy(row.policy, row.confidence))
        is_open = is_stopped and row.policy == "allow" and verdict.outcome in _BY_P_VALUES
        outcomes_by_values = _BY_P_VALUES if is_open else (verdict.outcome,)
        ends = (None, None) if verdict.curve is None else verdict.curve.interval(row.confidence)
        explanation = row.explanation
        facts_of_row = row.within_noise, explanation.value, *(explanation.interval or (None, None))
        facts_by_values = verdict.within_noise, verdict.value, *ends
        is_same = all(map(_agree, facts_of_row, facts_by_values))
        if row.outcome not in outcomes_by_values or not is_same:
            raise UserError(
                f"the verdict on {row.name} contradicts the values of the record",
                where=where,
                got=_decision_text(row.outcome, *facts_of_row),
                allowed=_decision_text(verdict.outcome, *facts_by_values),
                hint=RUN_AGAIN,
            )


def _agree(first: Fact, second: Fact) -> bool:
    """True if two numbers differ by rounding at most, or other facts are equal."""
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=ROUNDING, abs_tol=ROUNDING)
    return first == second


def _decision_text(outcome: str, within_noise: Fact, value: Fact, low: Fact, high: Fact) -> str:
    """Return what decides a verdict, such as `fail at 0.4 (0.38 to 0.42)`."""
    number = f"{value:.6g}" if isinstance(value, float) else value
    at = "" if value is None else f" at {number}"
    ends = "" if low is None else f" ({low:.6g} to {high:.6g})"
    noise = ", with the bound inside" if within_noise else ""
    return f"{outcome}{at}{ends}{noise}"


def _lacks_baseline(record: Record, row: VerdictRow, evidence: Judged) -> bool:
    """True if a skipped demand may have had no baseline."""
    is_drop = row.key in DROPS
    has_baseline = record.reference is not None or any(
        input_row.kind == "baseline" for input_row in record.inputs
    )
    is_first = record.first_release and not has_baseline and (is_drop or row.dimension == "parity")
    return isinstance(evidence, Unmeasurable) and (is_first or (is_drop and row.optional))


def _demand_of(row: VerdictRow) -> Demand:
    """Return the demand behind a verdict, with all that decides it."""
    number = Part(row.number, "", "high" if row.key == "min" else "low", "")
    request = Request(row.dimension, number, slice=row.slice, kind=row.kind)
    return Demand(
        request,
        row.key,
        row.bound,
        tier=row.tier,
        optional=row.optional,
        file=row.file,
        line=row.line,
        allow_masked=row.allow_masked,
        min_images=row.min_images,
        min_groups=row.min_groups,
        waiver=row.waiver,
    )


def _evidence(record: Record, row: VerdictRow, outcomes: Mapping[str, Outcome]) -> Judged:
    """Return the evidence for or against a demand; a reason if the record has none."""
    if row.is_on_grade:
        return _grade(record.grade_of(row))
    outcome = outcomes.get(row.dimension, Unmeasurable(row.dimension, "not measured"))
    if isinstance(outcome, Measurement) and row.epsilon:
        outcome = replace(outcome, masked=outcome.masked_at.get(row.epsilon, ()))
    if row.key not in DROPS:
        return evidence_of(_demand_of(row), outcome)
    loss = row.judged
    if loss is None or not isinstance(outcome, Measurement):
        return Unmeasurable(row.dimension, "no drop", missing_data=True)
    return Drop(
        loss.value,
        loss.unit,
        loss.n,
        loss.curve,
        sample=loss.sample,
        before=0.0,
        after=0.0,
        baseline="",
        paired=False,
        masked=outcome.masked,
    )


def _grade(row: GradeRow | None) -> Grade | Unmeasurable:
    """Return the grade of a row, with the letter of its percentile."""
    if row is None:
        return Unmeasurable(QUBA, "not graded")
    return Grade(
        score=row.score,
        percentile=row.percentile,
        letter=None if row.letter is None or row.percentile is None else letter(row.percentile),
        population=row.population,
        protocol_of_population=row.protocol_of_population,
        complete=row.complete,
        curve=None if row.limits is None else ConfidenceCurve(row.limits),
        least=dict(row.least),
        groups=row.groups,
    )
