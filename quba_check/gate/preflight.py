"""Before a gate run: its setup, its plan, and the doctor's findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quba_check.core.protocols import ProtocolName
from quba_check.core.view import CLEAN_SET, View
from quba_check.demands.demand import Demand
from quba_check.errors import HeadError, SuiteError
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import PlannedDemand, shown_path
from quba_check.messages import listed

if TYPE_CHECKING:
    from quba_check.core.work import PlannedView
    from quba_check.doctor.examination import Examination
    from quba_check.doctor.finding import Finding

SHOWN = 3
"""Largest number of places or demands in a finding."""
OTHER_POPULATION = (
    "name a `population:` measured on this suite, or set `allow_other_suite: true`, or remove the demand"
)
COMPLETE = "complete the sets, or name the dimensions under `allow_missing`, or remove the demand"


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """The work of one model under one protocol.

    Attributes:
        model: name of the model.
        protocol: the protocol.
        device: the device that runs the model.
        views: stored views to predict, without those that an earlier protocol of the model predicts already.
        shared: number of views left out for that reason.
        may_run_openvino: True for a torch module in float32 on a CPU, without a requested runtime.
    """

    model: str
    protocol: ProtocolName
    device: str
    views: tuple[PlannedView, ...]
    shared: int
    may_run_openvino: bool = False


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The work of a run.

    Attributes:
        models: by model and protocol.
        suite: name of the suite.
    """

    models: Sequence[ModelPlan]
    suite: str

    @property
    def views(self) -> list[PlannedView]:
        """The views of all models."""
        return [view for plan in self.models for view in plan.views]


def plan_run(gate: GateSession) -> RunPlan:
    """Plan the selected demands of a run.

    Models are loaded and files are listed; no image is read.

    Raises:
        UserError: a model or the data cannot be used.
    """
    seen: set[str] = set()
    plans = []
    order = list(gate.models)
    for model, protocol in sorted(gate.models_and_protocols(), key=lambda key: order.index(key[0])):
        evaluation = gate.evaluation(model, protocol)
        views = evaluation.planned_work()
        new = tuple(view for view in views if view.cache_entry not in seen)
        seen |= {view.cache_entry for view in new}
        shared = len(views) - len(new)
        plans.append(ModelPlan(model, protocol, evaluation.device, new, shared, evaluation.may_run_openvino))
    return RunPlan(plans, gate.suite.name)


def prepare(gate: GateSession, demands: Sequence[PlannedDemand]) -> Iterator[tuple[list[str], bool]]:
    """Select demands, load their models, predict first images and examine the models.

    Yields the texts on the setup once the models are loaded, then each finding of the doctor, with True.
    Findings change no verdict: a demand is judged by its measurement.

    Raises:
        UserError: a model, its outputs, or the data cannot be used.
    """
    gate.select(demands)
    gate.check_calls()
    for key in gate.models_and_protocols():
        gate.evaluation(*key)
    yield list(setup_lines(gate, gate.models)), False
    gate.check()
    for _, examination in examinations(gate, demands, short=True):
        yield from (([f"doctor: {finding.text()}"], True) for finding in examination.findings)


def setup_lines(gate: GateSession, models: Iterable[str]) -> Iterator[str]:
    """Yield lines on models, data and baseline.

    Args:
        gate: the session; a missing baseline is stated if one of its demands needs one.
        models: names of models; those that are not loaded have no line.
    """
    loaded = {name: evaluation for (name, _), evaluation in gate.loaded.evaluations.items()}
    texts: dict[str, list[str]] = {}
    for model in (name for name in models if name in loaded):
        texts.setdefault(loaded[model].origin_text, []).append(model)
    yield from (f"model {listed(names)}: {text}" for text, names in texts.items())
    suite = gate.suite
    is_local = suite.location == str(suite.root)
    data = f"data {suite.name}: {shown_path(suite.root, Path.cwd()) if is_local else suite.location}"
    views = {suite.listing_view(view) for evaluation in loaded.values() for view in evaluation.planned_views}
    with suppress(SuiteError):  # reported by the demand that needs the set
        for count in suite.counts(views & {View(CLEAN_SET)}).values():
            data += f", {count.images:,}{'' if count.found is None else f' of {count.found:,}'} clean images"
    yield data
    reference = gate.options.reference
    run = gate.approved.run
    if run is not None:
        record = run.record
        yield f"baseline {run.file}: {record.model.name}, run of {record.environment.time.partition('T')[0]}"
    elif gate.approved.stated or any(_is_from_baseline(demand) for demand in gate.demands(gate.files)):
        missing = ": ".join(["no baseline", *gate.approved.stated])
        yield missing if gate.approved.is_missing else f"baseline: the reference {reference}"


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
        text = gate.models[model].text
        suite = gate.suite
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


def _is_from_baseline(planned: PlannedDemand) -> bool:
    """Return True for a drop that is not counted from the model's own preprocessing."""
    return planned.demand.needs_baseline and planned.demand.is_comparative


def _drops_without_baseline(gate: GateSession, demands: Iterable[PlannedDemand]) -> Iterator[Finding]:
    """Report demands on drops in a run without a baseline."""
    drops = [planned.demand for planned in filter(_is_from_baseline, demands) if not planned.demand.optional]
    if drops and gate.approved.is_missing and not gate.options.first_release:
        names = listed(dict.fromkeys(demand.shown_name for demand in drops), SHOWN)
        reason, fix = gate.approved.problem_and_advice
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
