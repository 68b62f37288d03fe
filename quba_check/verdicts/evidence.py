"""The evidence of demands: measurements, the worst slice, drops from a baseline, grades."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Protocol

from quba_check.comparison.baseline import Baseline, OwnPreprocessing, drop, incompatibility
from quba_check.comparison.stored_run import RunConditions, StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.facts import SuiteFacts
from quba_check.core.grade import Grade
from quba_check.core.measurement import Drop, Measurement, Outcome, Unmeasurable
from quba_check.core.protocols import ProtocolName
from quba_check.core.request import EACH, target_name
from quba_check.demands.demand import Demand, Policy, Thresholds
from quba_check.errors import UserError
from quba_check.grading import GradedRun, Population, grade, population, read_population, unreachable_grade
from quba_check.records.verdict import QUBA
from quba_check.verdicts.class_drops import largest_drop
from quba_check.verdicts.decision import Judged, Verdict, decide, p_value
from quba_check.verdicts.slices import with_slices
from quba_check.verdicts.stored_answers import number_of

NO_RECORD = "there is no baseline to compare with"
NAME_A_RECORD = (
    "Name a record with --quba-baseline FILE.json (what-if: --baseline), or a model with --quba-reference"
)
NO_BASELINE = f"{NO_RECORD}. {NAME_A_RECORD}"


class JudgedRun(Baseline, Protocol):
    """The live or stored run that demands are judged on."""

    def outcome(self, dimension: str) -> Outcome:
        """Return the outcome of a dimension."""

    def conditions(self, dimension: str) -> RunConditions:
        """Return the conditions of a dimension's value."""


class Evidence:
    """The evidence on the demands of a threshold file, and their verdicts.

    Args:
        demands: those that are judged.
        find: returns the evidence for or against a demand; called once for each.
    """

    def __init__(self, demands: Iterable[Demand], find: Callable[[Demand], Judged]) -> None:
        self.of = cache(find)
        blocking = {demand.name: demand for demand in demands if demand.tier == "block"}
        self._blocking = blocking
        self._p_value = cache(lambda name: p_value(blocking[name], self.of(blocking[name])))

    def verdict(self, demand: Demand, policy: Policy) -> Verdict:
        """Return the verdict on a demand; under `allow` it depends on the other blocking demands."""
        p_values = (self._p_value(name) for name in self._blocking if name != demand.name)
        return decide(demand, self.of(demand), policy, (p for p in p_values if p is not None))


def evidence_in(run: JudgedRun, demand: Demand, baseline: Baseline | None) -> Judged:
    """Return a run's evidence for or against a demand, except on the grade.

    Args:
        run: the run.
        demand: the demand. Its drop behind a pipeline is counted from the run itself.
        baseline: the run that other drops are counted from; None without one.
    """
    if demand.request.pipeline:
        baseline = OwnPreprocessing(run, demand.request)
    loss = None if baseline is None else partial(drop_from_baseline, demand, baseline, run)
    return evidence_of(demand, run.outcome(demand.dimension), loss)


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
    demand: Demand, baseline: Baseline, run: JudgedRun, measured: Measurement
) -> Drop | Unmeasurable:
    """Return the loss against a baseline, for a demand on a drop.

    Args:
        demand: the demand.
        baseline: the stored run, or the reference of this session on the same images.
        run: the run that is judged.
        measured: what it measured, with the signs of a masked value.
    """
    request = demand.request
    conditions = run.conditions(demand.dimension)
    if isinstance(baseline, StoredRun):
        reason = incompatibility(baseline, request, conditions, measured.parts if demand.part is None else ())
        if reason is not None:
            return reason
    before = number_of(baseline, request, conditions)
    after = number_of(run, request, conditions)
    if request.target == EACH:
        change = largest_drop(demand, baseline.file, before, after)
    else:
        change = drop(baseline.file, request, before, after, relative=demand.key == "max_relative_drop")
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
