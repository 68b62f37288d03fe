"""The models of a run are sent to the doctor, each once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from quba_check.demands.demand import Demand, Thresholds
from quba_check.errors import HeadError, listed
from quba_check.gate.session import GateSession

if TYPE_CHECKING:
    from quba_check.doctor.examination import Examination
    from quba_check.doctor.finding import Finding

SHOWN = 3
"""Largest number of places or demands in a finding."""
OTHER_POPULATION = (
    "give `population:` models measured on this suite, or say `allow_other_suite: true`, or drop the demand"
)
COMPLETE = "complete the sets, or name the dimensions under `allow_missing`, or drop the demand"


def examinations(
    run: GateSession,
    demands: Iterable[tuple[str, Thresholds, Demand]],
    *,
    short: bool,
    order: Sequence[str] | None = None,
) -> Iterator[tuple[str, Examination]]:
    """Each model that demands are about, by name, with its examination.

    Args:
        run: models and suite.
        demands: model name, file and demand.
        short: as before a gate run; see `doctor.cached_examination`.
        order: class names in the order of the models' outputs, where the user says so.

    Raises:
        UserError: a model cannot be loaded, for another reason than its number of classes.
    """
    asked: dict[str, list[tuple[Thresholds, Demand]]] = {}
    for model, thresholds, demand in demands:
        asked.setdefault(model, []).append((thresholds, demand))
    for model, own in asked.items():
        yield model, _examination(run, model, own, short=short, order=order)


def _examination(
    run: GateSession,
    model: str,
    demands: Sequence[tuple[Thresholds, Demand]],
    *,
    short: bool,
    order: Sequence[str] | None,
) -> Examination:
    from quba_check.doctor.cached_examination import cached_examination
    from quba_check.doctor.examination import Examination
    from quba_check.doctor.model_failures import head_finding

    # Of a protocol's settings, only the crop affects the doctor: the first protocol is enough.
    first, _ = demands[0]
    try:
        evaluation = run.evaluation(model, run.protocol_of(first))
    except HeadError as error:
        suite = run.suite
        finding = head_finding(error, run.models[model].text, suite)
        return Examination(
            model=run.models[model].text,
            suite=suite.name,
            root=str(suite.root),
            form="short" if short else "full",
            checks=(finding.check,),
            findings=(finding,),
        )
    needs: dict[str, list[str]] = {}
    for thresholds, demand in demands:
        for dimension in _needed(run, model, thresholds, demand):
            places = needs.setdefault(dimension, [])
            if demand.place not in places:
                places.append(demand.place)
    run.announce(f"doctor: examining {model}")
    examination = cached_examination(evaluation, needs, short=short, order=order)
    hopeless = (*_grades(run, model, demands), *_drops(run, demands))
    findings = _without_allowed(examination.findings, demands)
    return examination.model_copy(update={"findings": (*hopeless, *findings)})


def _without_allowed(
    findings: Iterable[Finding], demands: Sequence[tuple[Thresholds, Demand]]
) -> Iterator[Finding]:
    """Yield findings as the demands take them: misleading gradients may be allowed, or only warn."""
    from quba_check.doctor.gradients import DIMENSION

    strict = [
        demand
        for thresholds, demand in demands
        if (demand.dimension == DIMENSION and not demand.allow_masked)
        or (demand.is_on_grade and not thresholds.quba.allow_masked)
    ]
    for finding in findings:
        if finding.check != "gradients":
            yield finding
        elif strict:
            blocks = any(demand.tier == "block" for demand in strict)
            yield finding if blocks else finding.model_copy(update={"severity": "remark"})


def _needed(run: GateSession, model: str, thresholds: Thresholds, demand: Demand) -> Sequence[str]:
    """Return the dimensions needed to meet a demand."""
    if demand.optional:
        return ()
    measured = run.dimensions_of(model, thresholds, demand)
    if not demand.is_on_grade:
        return measured
    return [name for name in measured if name not in thresholds.quba.allow_missing]


def _grades(run: GateSession, model: str, demands: Iterable[tuple[Thresholds, Demand]]) -> Iterator[Finding]:
    """Report demands on grades out of reach on this suite, grouped by reason."""
    by_reason: dict[tuple[str, str], list[Demand]] = {}
    for thresholds, demand in demands:
        grade = run.unreachable_grade(model, thresholds) if demand.is_on_grade else None
        if grade is not None:
            fix = OTHER_POPULATION if grade.other_suite else COMPLETE
            by_reason.setdefault((grade.other_suite or "; ".join(grade.notes), fix), []).append(demand)
    for (reason, fix), asked in by_reason.items():
        yield _finding("no grade can be reached", reason, asked, fix)


def _drops(run: GateSession, demands: Iterable[tuple[Thresholds, Demand]]) -> Iterator[Finding]:
    """Report demands on drops in a run without a baseline."""
    drops = [demand for _, demand in demands if demand.needs_baseline and not demand.optional]
    if drops and run.baseline is None:
        names = listed(dict.fromkeys(demand.name for demand in drops), SHOWN)
        fix = "name a record with --quba-baseline FILE.json, or let the demand be `optional: true`"
        yield _finding(f"{names} cannot be measured", "there is no baseline", drops, fix)


def _finding(problem: str, reason: str, demands: Sequence[Demand], fix: str) -> Finding:
    """Return a problem if one of the demands blocks, else a remark."""
    from quba_check.doctor.finding import Finding

    places = listed(dict.fromkeys(demand.place for demand in demands), SHOWN)
    return Finding(
        check="sets",
        problem=f"{problem}: {reason}.",
        evidence=f"demanded by {places}",
        fix=fix,
        severity="problem" if any(demand.tier == "block" for demand in demands) else "remark",
    )
