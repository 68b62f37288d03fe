"""Examination of the models of a gate session by the doctor, each model once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from quba_check.demands.demand import Demand
from quba_check.errors import HeadError
from quba_check.gate.plan import PlannedDemand
from quba_check.gate.session import GateSession
from quba_check.messages import listed

if TYPE_CHECKING:
    from quba_check.doctor.examination import Examination
    from quba_check.doctor.finding import Finding

SHOWN = 3
"""Largest number of places or demands in a finding."""
OTHER_POPULATION = (
    "name a `population:` measured on this suite, or set `allow_other_suite: true`, or remove the demand"
)
COMPLETE = "complete the sets, or name the dimensions under `allow_missing`, or remove the demand"


def examinations(
    gate: GateSession,
    demands: Iterable[PlannedDemand],
    *,
    short: bool,
    order: Sequence[str] | None = None,
    estimate_order: bool = False,
) -> Iterator[tuple[str, Examination]]:
    """Examine each model with demands; yield its name and the examination, which the session keeps.

    Args:
        gate: models and suite.
        demands: the demands to prepare for.
        short: the short form, before a gate run; see `examine_model`.
        order: class names in the order of the model's outputs, None if unknown.
        estimate_order: propose a class order estimated from the answers.

    Raises:
        UserError: a model cannot be loaded, for another reason than its number of classes.
    """
    by_model: dict[str, list[PlannedDemand]] = {}
    for planned in demands:
        by_model.setdefault(planned.model, []).append(planned)
    from quba_check.doctor.determinism import head_finding
    from quba_check.doctor.examination import Examination, examine_model

    for model, model_demands in by_model.items():
        text, suite = gate.models[model].text, gate.suite
        try:
            # Of a protocol's settings, only the crop affects the doctor: the first protocol is enough.
            evaluation = gate.evaluation(model, model_demands[0].protocol)
        except HeadError as error:
            finding = head_finding(error, text, suite)
            examination = Examination(
                model=text,
                suite=suite.name,
                root=suite.location,
                form="short" if short else "full",
                checks=(finding.check,),
                findings=(finding,),
            )
        else:
            needs = _needed_dimensions(gate, model_demands)
            gate.callbacks.announce(f"doctor: examining {model}")
            examination = examine_model(
                evaluation, needs, short=short, order=order, estimate_order=estimate_order
            )
            findings = (
                *_unreachable_grades(gate, model_demands),
                *_drops_without_baseline(gate, model_demands),
                *_relevant_findings(examination.findings, model_demands),
            )
            examination = examination.model_copy(update={"findings": findings})
        gate.examinations[model] = examination
        yield model, examination


def _relevant_findings(findings: Iterable[Finding], demands: Sequence[PlannedDemand]) -> Iterator[Finding]:
    """Yield the findings that matter to the demands.

    Findings on gradients are dropped if every demand allows masked values, and are a `remark` if no blocking
    demand forbids them.
    """
    from quba_check.doctor.outputs import GRADIENTS_DIMENSION

    forbidding = [
        planned.demand
        for planned in demands
        if (planned.demand.dimension == GRADIENTS_DIMENSION and not planned.demand.allow_masked)
        or (planned.demand.is_on_grade and not planned.thresholds.quba.allow_masked)
    ]
    for finding in findings:
        if finding.check != "gradients":
            yield finding
        elif forbidding:
            blocks = any(demand.tier == "block" for demand in forbidding)
            yield finding if blocks else finding.model_copy(update={"severity": "remark"})


def _needed_dimensions(gate: GateSession, demands: Iterable[PlannedDemand]) -> dict[str, list[str]]:
    """Return the dimensions that demands cannot go without, with the places of these demands."""
    needs: dict[str, list[str]] = {}
    for planned in demands:
        demand = planned.demand
        allowed = planned.thresholds.quba.allow_missing if demand.is_on_grade else ()
        for name in () if demand.optional else gate.dimensions_of(planned):
            if name not in allowed and demand.source_line not in needs.setdefault(name, []):
                needs[name].append(demand.source_line)
    return needs


def _unreachable_grades(gate: GateSession, demands: Iterable[PlannedDemand]) -> Iterator[Finding]:
    """Report demands on grades out of reach on this suite, grouped by reason."""
    by_reason: dict[tuple[str, str], list[Demand]] = {}
    for planned in demands:
        grade = gate.unreachable_grade(planned) if planned.demand.is_on_grade else None
        if grade is not None:
            fix = OTHER_POPULATION if grade.other_suite else COMPLETE
            reason = grade.other_suite or "; ".join(grade.notes)
            by_reason.setdefault((reason, fix), []).append(planned.demand)
    for (reason, fix), unreachable in by_reason.items():
        yield _finding("no grade can be reached", reason, unreachable, fix)


def _drops_without_baseline(gate: GateSession, demands: Iterable[PlannedDemand]) -> Iterator[Finding]:
    """Report demands on drops in a run without a baseline."""
    needing = (planned.demand for planned in demands if planned.demand.needs_baseline)
    drops = [demand for demand in needing if not demand.optional]
    options = gate.options
    if drops and gate.baseline is None and options.reference is None and not options.first_release:
        names = listed(dict.fromkeys(demand.name for demand in drops), SHOWN)
        reason, _, fix = gate.approved.reason_for_none.partition(". ")
        yield _finding(f"{names} cannot be measured", reason, drops, fix[:1].lower() + fix[1:])


def _finding(problem: str, reason: str, demands: Sequence[Demand], fix: str) -> Finding:
    """Return a finding: a problem if one of the demands blocks, else a `remark`."""
    from quba_check.doctor.finding import Finding

    locations = listed(dict.fromkeys(demand.source_line for demand in demands), SHOWN)
    return Finding(
        check="sets",
        problem=f"{problem}: {reason}.",
        evidence=f"demanded by {locations}",
        fix=fix,
        severity="problem" if any(demand.tier == "block" for demand in demands) else "remark",
    )
