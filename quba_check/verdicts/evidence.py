"""The evidence of demands: measurements, the worst slice, drops from a baseline, grades."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from quba_check.comparison.baseline import Baseline, drop, incompatibility
from quba_check.comparison.difference import RunValue
from quba_check.comparison.stored_run import RunConditions, StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.facts import SuiteFacts
from quba_check.core.grade import Grade
from quba_check.core.measurement import Drop, Measurement, Outcome, Unmeasurable
from quba_check.core.protocols import ProtocolName
from quba_check.core.request import EACH, target_name
from quba_check.demands.demand import Demand, Thresholds
from quba_check.errors import UserError
from quba_check.grading import GradedRun, Population, grade, population, read_population, unreachable_grade
from quba_check.records.verdict import QUBA
from quba_check.verdicts.class_drops import largest_drop
from quba_check.verdicts.slices import with_slices
from quba_check.verdicts.stored_answers import stored_value

NO_RECORD = "there is no baseline to compare with"
NAME_A_RECORD = (
    "Name a record with --quba-baseline FILE.json (what-if: --baseline), or a model with --quba-reference"
)
NO_BASELINE = f"{NO_RECORD}. {NAME_A_RECORD}"


def evidence_of(
    demand: Demand, outcome: Outcome, loss: Callable[[Measurement], Drop | Unmeasurable] | None = None
) -> Measurement | Drop | Unmeasurable:
    """Return the evidence for or against a demand, unless it is on the grade.

    Args:
        demand: the demand.
        outcome: the outcome of its dimension.
        loss: returns the loss of a measurement against the baseline; None without a baseline.
    """
    if isinstance(outcome, Unmeasurable):
        return outcome
    judged: Measurement | Unmeasurable = outcome
    for request in reversed(demand.requests):  # its own number last
        name = request.on_all_images.name
        judged = outcome.unmeasured.get(name, outcome)
        if request.levels and judged is outcome and outcome.levels.get(name) != request.levels:
            target = target_name(request.dimension, name)
            reason = f"{target} was not measured with these probabilities of classes"
            return Unmeasurable(request.dimension, f"{reason}. Run the gate with this file")
        if request.slice and judged is outcome:
            judged = with_slices(replace(demand, request=request), outcome)
        if isinstance(judged, Unmeasurable):
            return judged
    if not demand.needs_baseline:
        return judged
    if loss is None:
        return Unmeasurable(demand.dimension, NO_BASELINE, missing_data=True)
    return loss(outcome)


def drop_from_baseline(
    demand: Demand, baseline: Baseline, after: RunValue | None, run: RunConditions, measured: Measurement
) -> Drop | Unmeasurable:
    """Return the loss against a baseline, for a demand on a drop.

    Args:
        demand: the demand.
        baseline: the stored run, or the reference of this session on the same images.
        after: the value of this run; None if it has none.
        run: the conditions of this run.
        measured: what this run measured, with the signs of a masked value.
    """
    reason = None
    parts = measured.parts if demand.part is None else ()
    request = demand.request
    if isinstance(baseline, StoredRun):
        reason = incompatibility(baseline, request, run, parts)
        before = None if reason else stored_value(baseline, request, run)
    else:
        before = baseline.value_of(demand.dimension, demand.part)
    is_relative = demand.bound == "max_relative_drop"
    if reason is None and request.target == EACH:
        change = largest_drop(demand, baseline.file, before, after)
    else:
        change = reason or drop(baseline.file, request, before, after, relative=is_relative)
    return replace(change, masked=measured.masked_for(request)) if isinstance(change, Drop) else change


def population_of(thresholds: Thresholds) -> Population:
    """Return the reference population of a threshold file.

    Raises:
        PopulationError: the population cannot be read, or its file changed since the threshold file was read.
    """
    settings = thresholds.quba
    if settings.population_sha256 is None:
        return population(settings.population)
    return read_population(Path(settings.population), settings.population_sha256)


def unreachable_grade_of(
    thresholds: Thresholds, unmeasurable: Mapping[str, str], suite: SuiteFacts
) -> Grade | None:
    """Return a grade without letter if no values could get one, else None.

    Args:
        thresholds: the file.
        unmeasurable: reasons why dimensions cannot be measured on the suite, by name.
        suite: facts of the suite.
    """
    run = GradedRun("standard", suite.name, suite.class_count)
    return unreachable_grade(unmeasurable, thresholds.quba, population=population_of(thresholds), run=run)


def grade_of(
    thresholds: Thresholds, measured: Mapping[str, Measurement], protocol: ProtocolName, suite: SuiteFacts
) -> Grade | Unmeasurable:
    """Return the grade by the settings of a threshold file, or the reason against one.

    Args:
        thresholds: the file.
        measured: measurements by name of the dimension.
        protocol: the protocol of the run.
        suite: facts of the suite.
    """
    published = {name: measured[name] for name in PUBLISHED_DIMENSIONS if name in measured}
    try:
        return grade(
            {name: measurement.value for name, measurement in published.items()},
            thresholds.quba,
            population=population_of(thresholds),
            run=GradedRun(protocol, suite.name, suite.class_count, suite.generates_corruptions),
            measured=published,
        )
    except UserError as error:
        return Unmeasurable(QUBA, str(error))
