"""The record: what one run leaves behind, as JSON. Every report is rendered from it and from nothing else.

Later versions of schema 1 may add keys; a reader ignores keys that it does not know.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, computed_field

from quba_check.core.protocols import ProtocolName
from quba_check.records.measurement import AnyMeasurementRow, JsonRow
from quba_check.records.verdict import GradeRow, OverallVerdict, VerdictRow, overall_verdict
from quba_check.strict_yaml.schema import SchemaVersion


class ModelRow(JsonRow):
    """The model that was measured.

    Attributes:
        classes: number of classes it answers with.
        outputs: what its outputs were taken for: `logits`, `probabilities` or `sigmoids`; None if unknown.
        preparation: how images were prepared, as timm's data config, with `source` saying where it is from.
    """

    spec: str
    name: str
    fingerprint: str
    parameters: int
    preparation: dict[str, Any]
    classes: int
    outputs: str | None = None


class SetRow(JsonRow):
    """A set of the suite.

    Attributes:
        images: looked at.
        expected: as published; None where the manifest does not say.
        found: how many there are, if that is more.
        generated: for corruptions made from the clean images: `generated@224`, the side in pixels that they
            were made at, with `+jpeg85` where they were encoded; None for images that are stored.
    """

    images: int
    expected: int | None = None
    found: int | None = None
    generated: str | None = None


class SuiteRow(JsonRow):
    """The suite it was measured on.

    Attributes:
        sample: `one` marks a gate run: each image was shown under one corruption, not under all.
        contents: address of the images and labels of each view that was looked at; `fingerprint` is theirs.
        classes: address of the class list.
    """

    name: str
    root: str
    fingerprint: str
    sample: Literal["one", "all"] = "all"
    contents: dict[str, str] = Field(default_factory=dict)
    classes: str | None = None
    sets: dict[str, SetRow] = Field(default_factory=dict)

    @property
    def generates_corruptions(self) -> bool:
        """Whether corruptions were made from the clean images."""
        return any(row.generated is not None for row in self.sets.values())


class EnvironmentRow(JsonRow):
    """Where and when."""

    versions: dict[str, str]
    device: str
    precision: str
    seed: int
    time: str
    git: str | None = None


class Record(JsonRow):
    """All that one (model, protocol) left behind.

    Attributes:
        limit: images of a set that were looked at at most; None: all. Which ones, the seed says.
        unselected: demands of the same threshold files that the command line left out.
        interrupted: the run was stopped before every selected demand was judged.
        notes: remarks on the run as a whole (defaults used, store repaired, …).
    """

    schema_version: SchemaVersion = Field(default=1, alias="schema")
    model: ModelRow
    suite: SuiteRow
    protocol: ProtocolName
    measurements: dict[str, AnyMeasurementRow]
    verdicts: tuple[VerdictRow, ...] = ()
    grades: tuple[GradeRow, ...] = ()
    environment: EnvironmentRow
    limit: int | None = None
    unselected: int = Field(default=0, ge=0)
    interrupted: bool = False
    notes: tuple[str, ...] = ()

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def overall_verdict(self) -> OverallVerdict:
        """The verdict of the whole run, derived from its demands, never read from the file."""
        return overall_verdict(self.verdicts, interrupted=self.interrupted, unselected=self.unselected)

    @property
    def stem(self) -> str:
        """How the names of its copies in a store begin: an ISO time that can stand there, model, protocol."""
        time = self.environment.time.replace(":", "").replace("-", "").removesuffix("+0000")
        return f"{time}-{self.model.fingerprint[:8]}-{self.protocol}"

    def to_json(self) -> str:
        """The record as indented JSON text, numbers at full precision."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"
