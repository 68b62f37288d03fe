"""The models of a run are sent to the doctor, each once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from quba_check.demands.demand import QUBA, Demand, Thresholds
from quba_check.errors import HeadError
from quba_check.protocol.dimension import PUBLISHED_DIMENSIONS
from quba_check.protocol.settings import ProtocolName
from quba_check.run import Run

if TYPE_CHECKING:
    from quba_check.doctor.examination import Examination


def examinations(
    run: Run,
    demands: Iterable[tuple[str, Thresholds, Demand]],
    *,
    short: bool,
    order: Sequence[str] | None = None,
) -> Iterator[tuple[str, Examination]]:
    """Each model that demands are about, by name, with its examination.

    Args:
        run: models and suite.
        demands: model name, file and demand.
        short: as before a gate run; see `doctor.visit`.
        order: class names in the order of the models' outputs, where the user says so.

    Raises:
        UserError: a model cannot be loaded, for another reason than its number of classes.
    """
    protocols: dict[str, ProtocolName] = {}
    needs: dict[str, dict[str, list[str]]] = {}
    for model, thresholds, demand in demands:
        # Protocols differ in nothing that the doctor looks at but a crop: the first one will do.
        protocols.setdefault(model, run.protocol_of(thresholds))
        wanted = needs.setdefault(model, {})
        for dimension in _needed(thresholds, demand):
            places = wanted.setdefault(dimension, [])
            if demand.place not in places:
                places.append(demand.place)
    for model, protocol in protocols.items():
        yield model, _examination(run, model, protocol, needs[model], short=short, order=order)


def _needed(thresholds: Thresholds, demand: Demand) -> tuple[str, ...]:
    """The dimensions without which a demand cannot be met."""
    if demand.optional:
        return ()
    if demand.dimension != QUBA:
        return (demand.dimension,)
    return tuple(name for name in PUBLISHED_DIMENSIONS if name not in thresholds.quba.allow_missing)


def _examination(
    run: Run,
    model: str,
    protocol: ProtocolName,
    needs: dict[str, list[str]],
    *,
    short: bool,
    order: Sequence[str] | None,
) -> Examination:
    from quba_check.doctor.examination import Examination
    from quba_check.doctor.response import wrong_head
    from quba_check.doctor.visit import visit

    try:
        evaluation = run.evaluation(model, protocol)
    except HeadError as error:
        suite = run.suite
        finding = wrong_head(error, run.models[model], suite.classes)
        return Examination(
            model=run.models[model],
            suite=suite.name,
            root=str(suite.root),
            form="short" if short else "full",
            checks=(finding.check,),
            findings=(finding,),
        )
    run.announce(f"doctor: examining {model}")
    return visit(evaluation, needs, short=short, order=order)
