"""Verdicts of other threshold files on a stored run, without model or images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.grade import Grade
from quba_check.core.measurement import Unmeasurable
from quba_check.demands.demand import Demand, Thresholds
from quba_check.records.record import Record
from quba_check.tuning.record_facts import check_fresh, check_protocol, suite_facts
from quba_check.verdicts import Judged, Verdict
from quba_check.verdicts.evidence import Evidence, evidence_in, grade_of
from quba_check.verdicts.explanation import grade_row, verdict_row


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The verdicts of a threshold file on a stored run.

    Attributes:
        verdicts: the verdicts on its demands, in file order.
        record: the run's record with these verdicts, the file and its grade.
    """

    verdicts: tuple[Verdict, ...]
    record: Record


def what_if(run: StoredRun, thresholds: Thresholds, baseline: StoredRun | None = None) -> WhatIf:
    """Judge a stored run by a threshold file.

    Values and confidence limits are those of the record. A score has limits only with per-image results;
    without them it is judged by itself.

    Args:
        run: the run.
        thresholds: the file.
        baseline: the baseline of demands on drops.

    Raises:
        ThresholdError: the file is for the other protocol, or for fresh predictions.
    """
    record = run.record
    check_protocol(thresholds, record)
    check_fresh(thresholds, record)
    find = partial(_evidence, run=run, thresholds=thresholds, baseline=baseline)
    evidence = Evidence(thresholds.demands, find)
    verdicts = tuple(evidence.verdict(demand, thresholds.policy) for demand in thresholds.demands)
    rows = tuple(verdict_row(verdict, f"{thresholds.label}::{verdict.demand.name}") for verdict in verdicts)
    grades = [verdict.evidence for verdict in verdicts if isinstance(verdict.evidence, Grade)]
    judged = {
        "verdicts": rows,
        "grades": tuple(grade_row(grade, thresholds.label) for grade in grades[:1]) or record.grades,
        "inputs": (*thresholds.inputs, *(row for row in record.inputs if "threshold file" not in row.kind)),
        "unselected": 0,
    }
    return WhatIf(verdicts, record.model_copy(update=judged))


def _evidence(demand: Demand, run: StoredRun, thresholds: Thresholds, baseline: StoredRun | None) -> Judged:
    record = run.record
    if demand.is_on_grade:
        return grade_of(thresholds, run.measurements(), record.protocol, suite_facts(record))
    is_compared = demand.needs_baseline and not demand.request.pipeline
    if baseline is None and is_compared and thresholds.baseline:  # its name may be misspelt
        reason = f"there is no approved record of the baseline {thresholds.baseline}"
        return Unmeasurable(demand.dimension, f"{reason}. Approve one with 'quba-check approve'")
    return evidence_in(run, demand, baseline)
