"""The record of a run, as JSON; every report is rendered from it alone.

A reader ignores unknown keys, which later versions may add.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, computed_field

from quba_check.core.protocols import ProtocolName
from quba_check.messages import grouped
from quba_check.records.measurement import AnyMeasurementRow, JsonRow, MeasurementRow, QuantityRow
from quba_check.records.predictions import PredictionsRow
from quba_check.records.verdict import DROPS, GradeRow, OverallVerdict, VerdictRow, overall_verdict
from quba_check.strict_yaml.schema import SchemaVersion

InputKind = Literal["threshold file", "extended threshold file", "manifest", "preprocessing", "baseline"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 as 64 hex digits."""
SPACE = "label space="
PIPELINE = "serving pipeline="
"""Start of the keys of rules in `SuiteRow.contents`, before the name of a set or a pipeline."""
LARGEST_TEXT = 64 * 2**10
"""Largest size in bytes of a file whose text is stored."""


class InputRow(JsonRow):
    """A file that the run read, apart from model and images.

    Attributes:
        kind: its role.
        path: its path, as messages show it.
        sha256: hex digest of its bytes.
        text: its content, for YAML files of at most 64 kB; else None.
        demands: of a threshold file, SHA-256 (hex) of its demands after `extends`, see `demands_digest`; else
            None.
        settings: of a threshold file, `uncertain` and `confidence`; `protocol`, null if it states none;
            `quba`, the settings of the grade, null without a demand on score or grade; and `predictions`, if
            the file states it; else None.
    """

    _exact: ClassVar = frozenset({"text", "settings"})

    kind: InputKind
    path: str
    sha256: Sha256
    text: str | None = None
    demands: Sha256 | None = None
    settings: dict[str, Any] | None = None


class FindingRow(JsonRow):
    """A finding of the doctor, before the run or from its clean answers.

    Attributes:
        severity: `problem`, or `remark` for one that may be intended.
        title: one sentence on the place and the error.
        text: evidence and fix.
    """

    _of_lines: ClassVar = frozenset({"text"})

    severity: Literal["problem", "remark"]
    title: str
    text: str = ""


def yaml_input(kind: InputKind, path: str, content: bytes) -> InputRow:
    """Return the row of a YAML file.

    Args:
        kind: its role.
        path: its path, as messages show it.
        content: its bytes, valid UTF-8.

    >>> yaml_input("manifest", "data/quba-data.yaml", b"schema: 1").text
    'schema: 1'
    """
    text = content.decode("utf-8-sig") if len(content) <= LARGEST_TEXT else None
    return InputRow(kind=kind, path=path, sha256=hashlib.sha256(content).hexdigest(), text=text)


class ModelRow(JsonRow):
    """The measured model.

    Attributes:
        spec: the value of `--model`.
        name: name in reports.
        fingerprint: content hash of the model's structure, weights and custom code.
        generation: number of the stored predictions that were used; above 1 if the model no longer gave the
            answers of earlier ones.
        parameters: number of parameters, as a count.
        classes: number of classes of its outputs.
        outputs: kind of its outputs: `logits`, `probabilities` or `sigmoids`; None if unknown.
        preprocessing: the preprocessing of images as timm's data config, with its origin in `source`.
        files: SHA-256 (hex) of each file that the model was loaded from, by name; empty for callables, or if
            unknown.
    """

    spec: str
    name: str
    fingerprint: str
    generation: int = 1
    parameters: int
    preprocessing: dict[str, Any]
    classes: int
    outputs: str | None = None
    files: dict[str, Sha256] = Field(default_factory=dict)


class PreprocessedImages(NamedTuple):
    """Values of a `SetRow` on the preprocessing of its images."""

    generated: str | None = None
    preprocessing: Literal["fast", "exact"] | None = None
    cropped: bool | None = None


class SetRow(JsonRow):
    """A set of the suite.

    Attributes:
        images: number of images in use.
        expected: published number of images, if stated.
        found: number of images in the set, if that is more.
        groups: number of groups of the images in use, if declared.
        slices: content hash of the values in their slice columns; None if none are declared.
        generated: for generated corruptions: `generated@224` with their side in pixels, and `+jpeg85` if
            encoded.
        preprocessing: `fast` if JPEG files were prepared by torchvision and torch; `exact` for Pillow and
            timm's transform; None if unknown.
        cropped: images pass the whole evaluation transform, with its crop; None if unknown.
    """

    images: int
    expected: int | None = None
    found: int | None = None
    groups: int | None = None
    slices: str | None = None
    generated: str | None = None
    preprocessing: Literal["fast", "exact"] | None = None
    cropped: bool | None = None


class SuiteRow(JsonRow):
    """The suite of a run.

    Attributes:
        name: name in the manifest.
        root: the data folder.
        fingerprint: content hash of `contents`.
        sets: the sets by name.
        sample: `one` if each image was measured under one corruption, else `all`.
        contents: content hash of the images and labels of each measured view, and of the rules behind its
            numbers: decided sets, label spaces, serving pipelines.
        classes: content hash of the class list.
    """

    _exact: ClassVar = frozenset({"root"})

    name: str
    root: str
    fingerprint: str
    sample: Literal["one", "all"] = "all"
    contents: dict[str, str] = Field(default_factory=dict)
    classes: str | None = None
    sets: dict[str, SetRow] = Field(default_factory=dict)

    @property
    def images(self) -> dict[str, str]:
        """The contents without label spaces and serving pipelines."""
        return {
            name: digest for name, digest in self.contents.items() if not name.startswith((SPACE, PIPELINE))
        }

    @property
    def generates_corruptions(self) -> bool:
        """True if corruptions were generated from the clean images."""
        return any(row.generated is not None for row in self.sets.values())


class ComputeRow(JsonRow):
    """Settings of the model's passes, and their origin.

    Attributes:
        precision: number format of passes without gradients; those of attacks are float32.
        channels_last: convolution weights and inputs in memory format `channels_last`.
        runtime: what runs passes of unattacked images: torch, compile (`torch.compile`) or openvino.
        batch_size: images of a pass; None if unknown.
        requested: the requested precision; `auto` if chosen by the rule.
        reason: reason for these settings.
        images: images that were predicted both with these settings and by torch in float32; 0 without a
            check.
        flipped: images of these with another top-1 answer.
    """

    precision: str
    channels_last: bool
    runtime: str
    batch_size: int | None = None
    requested: str
    reason: str
    images: int = 0
    flipped: int = 0


class EnvironmentRow(JsonRow):
    """Versions, hardware, time and commit of a run.

    Attributes:
        versions: versions of Python and the packages that influence values.
        device: the device that ran the model.
        precision: number format of the forward passes.
        seed: seed of random starts, corruptions and limits.
        time: time of the record in UTC, in ISO 8601.
        git: commit of the working folder; None if there is no repository.
        compute: settings of the passes; None if unknown.
    """

    versions: dict[str, str]
    device: str
    precision: str
    seed: int
    time: str
    git: str | None = None
    compute: ComputeRow | None = None

    @property
    def arithmetic(self) -> str:
        """Device and precision, with the runtime if it is not torch."""
        runtime = "torch" if self.compute is None else self.compute.runtime
        return ", ".join([self.device, self.precision, *([] if runtime == "torch" else [runtime])])


class Record(JsonRow):
    """The results of one model under one protocol.

    Attributes:
        schema_version: version of this format.
        protocol: the protocol of all values.
        measurements: the dimensions by name: a value, the reason for none, or `not_measured`.
        verdicts: the verdicts on the selected demands.
        grades: the grade by each threshold file.
        limit: largest number of images of a set, selected by the seed; None for all.
        unselected: number of demands of the same threshold files that the command line left out.
        interrupted: the run was stopped before every selected demand was judged.
        first_release: the user stated that there is no baseline yet, so that drops are skipped.
        notes: notes on the run as a whole (defaults used, store repaired, …).
        inputs: the files that the run read, apart from model and images.
        command: words of the command line; values of options unknown to quba-check are replaced by `***`.
        findings: the doctor's findings on the model, before the run and from its clean answers.
        warnings: reasons to doubt the verdicts as a whole, shown before them.
        reference: the model that parity and drops compare with; None without `--quba-reference`.
        baseline: the baseline that the threshold files state: a name, path or URL; None without one.
        predictions: the origin of the answers; None if unknown.
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
    first_release: bool = False
    notes: tuple[str, ...] = ()
    inputs: tuple[InputRow, ...] = ()
    command: tuple[str, ...] = ()
    findings: tuple[FindingRow, ...] = ()
    warnings: tuple[str, ...] = ()
    reference: ModelRow | None = None
    baseline: str | None = None
    predictions: PredictionsRow | None = None

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def overall_verdict(self) -> OverallVerdict:
        """The verdict of the run, derived from its demands and never read from the file."""
        return overall_verdict(self.verdicts, interrupted=self.interrupted, unselected=self.unselected)

    @property
    def measured(self) -> dict[str, MeasurementRow]:
        """The measurements of the dimensions with a value over all images."""
        return {name: row for name, row in self.measurements.items() if isinstance(row, MeasurementRow)}

    def quantity(self, dimension: str, part: str | None = None) -> QuantityRow | None:
        """Return the value of a dimension, part or slice; None if the record has none."""
        row = self.measurements.get(dimension)
        return row.quantity(part) if isinstance(row, MeasurementRow) else None

    def judged(self, verdict: VerdictRow) -> QuantityRow | None:
        """Return the value, gap or drop behind a verdict; None if the record has none."""
        is_missing = verdict.judged is None and verdict.key not in DROPS
        return self.quantity(verdict.dimension, verdict.part) if is_missing else verdict.judged

    def bounded(self, verdict: VerdictRow) -> QuantityRow | None:
        """Return the bounded number of a demand; None if the record has none.

        For a drop this is the value itself.
        """
        return self.quantity(verdict.dimension, verdict.part) or verdict.judged

    def grade_of(self, verdict: VerdictRow) -> GradeRow | None:
        """Return the grade behind a demand on it; None if the record has none."""
        grades = {grade.file: grade for grade in self.grades}
        return grades.get(verdict.threshold_file)

    def files_by_grade(self) -> dict[GradeRow, list[str]]:
        """Return the distinct grades without their file, each with the threshold files that share it."""
        return grouped((grade.model_copy(update={"file": ""}), grade.file) for grade in self.grades)

    @property
    def stem(self) -> str:
        """Prefix of the file names of its copies in a store: time, model, protocol."""
        time = self.environment.time.replace(":", "").replace("-", "").removesuffix("+0000")
        return f"{time}-{self.model.fingerprint[:8]}-{self.protocol}"
