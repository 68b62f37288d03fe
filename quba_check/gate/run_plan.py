"""The setup and the work of a gate run before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quba_check.core.protocols import ProtocolName
from quba_check.core.view import CLEAN_SET, View
from quba_check.errors import SuiteError
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import shown_path

if TYPE_CHECKING:
    from quba_check.engine.work import PlannedView


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """The work of one model under one protocol.

    Attributes:
        model: name of the model.
        protocol: the protocol.
        device: the device that runs the model.
        views: stored views to predict, without those that an earlier protocol of the model predicts already.
        shared: number of views left out for that reason.
    """

    model: str
    protocol: ProtocolName
    device: str
    views: tuple[PlannedView, ...]
    shared: int


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
        device = str(evaluation.classifier.device)
        plans.append(ModelPlan(model, protocol, device, new, len(views) - len(new)))
    return RunPlan(plans, gate.suite.name)


def setup_lines(gate: GateSession, models: Iterable[str]) -> Iterator[str]:
    """Yield lines on models, data and baseline.

    Args:
        gate: the session; a missing baseline is stated if one of its demands needs one.
        models: names of models; those that are not loaded have no line.
    """
    loaded = {name: evaluation for (name, _), evaluation in gate.evaluations.items()}
    for model in (name for name in models if name in loaded):
        preprocessing = loaded[model].classifier.preprocessing
        way_out = "; to change it: --quba-preprocessing=FILE.yaml" if preprocessing.is_assumed else ""
        yield f"model {model}: {preprocessing.describe()} (from {preprocessing.source}{way_out})"
    suite = gate.suite
    is_local = suite.location == str(suite.root)
    data = f"data {suite.name}: {shown_path(suite.root, Path.cwd()) if is_local else suite.location}"
    views = {suite.listing_view(view) for one in loaded.values() for view in one.engine.run_views}
    with suppress(SuiteError):  # reported by the demand that needs the set
        for count in suite.counts(views & {View(CLEAN_SET)}).values():
            data += f", {count.images:,}{'' if count.found is None else f' of {count.found:,}'} clean images"
    yield data
    reference = gate.options.reference
    if (run := gate.baseline) is not None:
        record = run.record
        yield f"baseline {run.file}: {record.model.name}, run of {record.environment.time.partition('T')[0]}"
    elif gate.approved.stated or any(one.demand.needs_baseline for one in gate.demands(gate.files)):
        missing = ": ".join(["no baseline", *gate.approved.stated])
        yield missing if reference is None else f"baseline: the reference {reference}"
