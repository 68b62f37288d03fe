"""What the judging of one demand leaves behind."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from quba_check.core.protocols import ProtocolName
from quba_check.records.measurement import AnyMeasurementRow
from quba_check.records.record import SetRow
from quba_check.records.verdict import GradeRow, VerdictRow


class DemandResult(BaseModel):
    """What the judging of one demand leaves behind; travels as JSON from a worker to the controller.

    Attributes:
        model: name of the model.
        protocol: protocol of the evaluation.
        verdict: the verdict.
        measurements: of every dimension that the demand looked at.
        contents: addresses of the image views behind them.
        sets: sizes of the sets behind them.
        notes: remarks on the run (a damaged artefact made again, …).
        properties: what JUnit files show of it.
        grade: the grade, where the demand was on score or grade.
        images: what was found image by image (`PerImage.to_bytes`), of dimensions that no earlier row of this
            process was about.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

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

    @property
    def is_met(self) -> bool:
        """Whether the demand passed, or may go without."""
        return self.verdict.is_met

    @property
    def blocks(self) -> bool:
        """Whether it keeps the model from being released."""
        return self.verdict.blocks

    @property
    def warns(self) -> bool:
        """Whether it is not met and only warns."""
        return not self.is_met and self.verdict.tier == "warn"
