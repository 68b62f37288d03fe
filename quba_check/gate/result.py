"""The result of one judged demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from quba_check.core.grade import Grade
from quba_check.core.measurement import Measurement, Outcome
from quba_check.core.protocols import ProtocolName
from quba_check.dimensions import registry
from quba_check.gate.plan import PlannedDemand
from quba_check.gate.record_rows import content_hashes, set_rows, unread_file_notes
from quba_check.records.measurement import AnyMeasurementRow, row_of
from quba_check.records.record import SetRow
from quba_check.records.verdict import GradeRow, VerdictRow
from quba_check.verdicts import Verdict
from quba_check.verdicts.explanation import verdict_row

if TYPE_CHECKING:
    from quba_check.evaluation import Evaluation


class DemandResult(BaseModel):
    """The result of one judged demand, sent as JSON from a worker to the controller.

    Attributes:
        model: name of the model.
        protocol: protocol of the evaluation.
        verdict: the verdict.
        measurements: of the dimensions that the demand needed. A process sends each of them once for the same
            `inputs`, with its first demand, so that judging grows linearly with the demands.
        contents: content hashes of the image views behind them.
        sets: sizes of the sets behind them.
        notes: notes on the run, such as a damaged shard that was predicted again.
        properties: properties of the test in JUnit files.
        grade: the grade, for a demand on score or grade.
        images: values by image (`PerImage.to_bytes`) of dimensions without an earlier result in this process.
        inputs: hash of the model and of the files that the verdict rests on, see `inputs_hash`.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64", defer_build=True)

    model: str
    protocol: ProtocolName
    verdict: VerdictRow
    measurements: dict[str, AnyMeasurementRow] = Field(default_factory=dict)
    contents: dict[str, str] = Field(default_factory=dict)
    sets: dict[str, SetRow] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    properties: dict[str, float | str] = Field(default_factory=dict)
    grade: GradeRow | None = None
    images: tuple[bytes, ...] = ()
    inputs: str = ""

    @property
    def warns(self) -> bool:
        """True if the demand is waived, or not met and only warns."""
        return self.verdict.outcome == "waived" or (not self.verdict.is_met and self.verdict.tier == "warn")


def demand_result(
    planned: PlannedDemand,
    evaluation: Evaluation,
    verdict: Verdict,
    new: Mapping[str, Outcome],
    images: tuple[bytes, ...] = (),
) -> DemandResult:
    """Return the result of a demand.

    Args:
        planned: the demand.
        evaluation: of its model.
        verdict: the verdict.
        new: outcomes that no earlier result has, by dimension.
        images: see `DemandResult`.
    """
    measured = [name for name, outcome in new.items() if isinstance(outcome, Measurement)]
    grade = verdict.evidence if isinstance(verdict.evidence, Grade) else None
    return DemandResult(
        model=planned.model,
        protocol=planned.protocol,
        verdict=verdict_row(verdict, planned.node_id),
        measurements={
            name: row_of(outcome, registry[name], evaluation.facts.suite) for name, outcome in new.items()
        },
        contents=content_hashes(evaluation, measured),
        sets=set_rows(evaluation, measured),
        notes=(*evaluation.pop_notes(), *unread_file_notes(evaluation, measured)),
        properties=_properties(verdict, planned.protocol),
        grade=None if grade is None else GradeRow(file=planned.thresholds.label, **asdict(grade)),
        images=images,
    )


def _properties(verdict: Verdict, protocol: ProtocolName) -> dict[str, float | str]:
    """Return the JUnit properties of a verdict, with the interval of its message."""
    properties: dict[str, float | str | None] = {"value": verdict.value}
    if verdict.curve is not None and not isinstance(verdict.value, str):
        low, high = verdict.curve.interval(verdict.policy.confidence)
        properties |= {"interval_low": low, "interval_high": high}
    if verdict.outcome == "waived":
        properties["waiver"] = str(verdict.demand.waiver)
    properties |= {"groups": verdict.groups, "effective_images": verdict.effective}
    properties |= {verdict.demand.bound: verdict.demand.threshold, "unit": verdict.unit, "protocol": protocol}
    return {name: value for name, value in properties.items() if value is not None}
