"""The demands of threshold files on the models of a gate session."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Demand, Thresholds


@dataclass(frozen=True, slots=True)
class PlannedDemand:
    """A demand of a threshold file on one model.

    Attributes:
        node_id: id of its pytest item.
        model: name of the model.
        protocol: protocol of the measurement.
        thresholds: the file.
        demand: the demand.
    """

    node_id: str
    model: str
    protocol: ProtocolName
    thresholds: Thresholds
    demand: Demand

    @property
    def key(self) -> tuple[str, ProtocolName]:
        """Model and protocol, which identify the evaluation."""
        return self.model, self.protocol


def plan_demands(
    models: Collection[str], files: Iterable[Thresholds], protocol: ProtocolName
) -> list[PlannedDemand]:
    """Return the demands of threshold files, in file order, model by model.

    Args:
        models: names of the models.
        files: the threshold files.
        protocol: protocol of files that state none.
    """
    return [
        PlannedDemand(
            _node_id(thresholds, demand, model if len(models) > 1 else None),
            model,
            thresholds.protocol or protocol,
            thresholds,
            demand,
        )
        for thresholds in files
        for model in models
        for demand in thresholds.demands
    ]


def _node_id(thresholds: Thresholds, demand: Demand, model: str | None) -> str:
    """Return `FILE::accuracy[min]`, or `FILE::accuracy[min-MODEL]` if there are several models."""
    name = demand.name if model is None else f"{demand.name.removesuffix(']')}-{model}]"
    return f"{thresholds.label}::{name}"
