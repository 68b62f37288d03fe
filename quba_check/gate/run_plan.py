"""The work of a gate run before it starts, for all its models and protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quba_check.core.protocols import ProtocolName
from quba_check.gate.session import GateSession

if TYPE_CHECKING:
    from quba_check.engine.plan import PlannedView


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
        stops_early: True if sets may be left before all images were predicted.
    """

    models: Sequence[ModelPlan]
    suite: str
    stops_early: bool

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
    return RunPlan(plans, gate.suite.name, gate.options.early_stop)
