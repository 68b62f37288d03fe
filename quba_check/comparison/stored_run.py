"""Stored runs: records with their per-image files, and differences that forbid a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quba_check.comparison.difference import RunValue
from quba_check.core.measurement import GroupsOfSets, Measurement, Outcome
from quba_check.core.protocols import ProtocolName
from quba_check.core.view import CLEAN_SET
from quba_check.errors import UserError
from quba_check.messages import listed, one_line
from quba_check.records.files import IMAGES_SUFFIX
from quba_check.records.measurement import NotMeasuredRow, measurements_of, outcome_of
from quba_check.records.per_image import CleanAnswers, PerImage
from quba_check.records.record import PIPELINE, SPACE, Record, SuiteRow
from quba_check.storage.locations import default_location
from quba_check.storage.opening import stored_files
from quba_check.storage.user_files import file_kind, read_bytes

LARGEST = 2**30
"""Largest size of a per-image file in bytes; files for ImageNet take a few million."""
THIS_RUN = "this run"
"""Name in messages of a run without a file of its record."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredRun:
    """A record with its name and, if available, its per-image results.

    Attributes:
        file: name of the record in messages.
        record: the record.
        images: the per-image results; None if they are not stored.
    """

    file: str
    record: Record
    images: PerImage | None = None

    def value_of(self, dimension: str, part: str | None = None) -> RunValue | None:
        """Return the value of a dimension or part; None if the run has none."""
        row = self.record.measured.get(dimension)
        fingerprint = self.record.model.fingerprint
        images = self.images or PerImage()
        return None if row is None else RunValue.of(row, dimension, part, images, fingerprint)

    def outcome(self, dimension: str) -> Outcome:
        """Return the recorded outcome of a dimension."""
        row = self.record.measurements.get(dimension, NotMeasuredRow(not_measured=True))
        return outcome_of(dimension, row)

    def conditions(self, dimension: str) -> RunConditions:  # noqa: ARG002
        """Return the conditions of the run."""
        return RunConditions.of(self.record)

    def measurements(self) -> dict[str, Measurement]:
        """Return the dimensions with a value over all images, with influences if stored."""
        images = self.images or PerImage()
        groups: GroupsOfSets = dict(images.groups.items())
        per_image: Mapping[str, Any] = images.influences
        return {
            name: replace(measurement, influences=per_image.get(name, {}), groups_of_sets=groups)
            for name, measurement in measurements_of(self.record.measurements).items()
        }

    def clean_answers(self, where: str = "") -> CleanAnswers:
        """Return the predictions on the clean set.

        Args:
            where: beginning of messages, before the name of the record.

        Raises:
            UserError: the run did not measure the clean set, or its predictions are not stored.
        """
        if self.images is not None and self.images.clean is not None:
            return self.images.clean
        record = f"{where}{self.file}"
        if self.record.suite.sets and CLEAN_SET not in self.record.suite.sets:
            raise UserError(
                f"its run did not measure the clean set, only {listed(self.record.suite.sets)}",
                where=record,
                allowed="a record of a run that measured accuracy or another dimension of clean images",
            )
        raise UserError(
            "its predictions on clean images are neither next to it nor in the store",
            where=record,
            allowed="a record with its predictions next to it, of a run that measured the clean set",
        )

    @property
    def failed_demands(self) -> list[str]:
        """Names of the unmet blocking demands."""
        return [row.shown_name for row in self.record.verdicts if row.blocks and row.outcome != "not run"]


def stored_run(path: Path, label: str, record: Record, store: str | Path | None) -> StoredRun:
    """Return a record with its per-image results, if found.

    Args:
        path: the record's file.
        label: its name in messages.
        record: its content.
        store: folder or URL of the store, which has a copy of every record; None for the default one.

    Raises:
        UserError: the file next to the record is damaged or of another run.
    """
    label = one_line(label)
    images = path.with_suffix(IMAGES_SUFFIX)
    name = f"{label.removesuffix(path.suffix)}{IMAGES_SUFFIX}"
    if file_kind(images, name, UserError) is not None:
        return StoredRun(label, record, _read(images, name, record))
    for copy in stored_files(store or default_location(), f"runs/{record.stem}-"):
        if copy.suffix != IMAGES_SUFFIX:
            continue
        try:
            return StoredRun(label, record, _read(copy, str(copy), record))
        except UserError:  # of another run in the same second
            continue
    return StoredRun(label, record)


def _read(path: Path, label: str, record: Record) -> PerImage:
    try:
        content = read_bytes(path, label, UserError, LARGEST)
    except UserError as why:
        raise UserError(f"{why}", allowed="a file that you may read, or the record alone") from why
    return PerImage.from_bytes(content, label, record)


NAMED = 3
"""Largest number of views in a message."""
CLASSES = "class list"


@dataclass(frozen=True, slots=True)
class RunConditions:
    """Conditions that the values of two runs must share to be compared.

    Attributes:
        protocol: the protocol.
        suite: the suite, with the content hashes of the images behind the values.
        limit: largest number of images that the run used of a set; None for all.
        seed: the seed.
    """

    protocol: ProtocolName
    suite: SuiteRow
    limit: int | None
    seed: int

    @classmethod
    def of(cls, record: Record) -> RunConditions:
        """Return the conditions of a stored run."""
        return cls(record.protocol, record.suite, record.limit, record.environment.seed)


def precision_notes(before: str, after: str) -> list[str]:
    """Return a note on runs of different precision; none if it is the same."""
    return [f"precision differs: {before} and {after}"] if before != after else []


def differences(before: Record, run: RunConditions) -> list[str]:
    """Return the differences between a record and a run in words; empty if comparable.

    Only views of both runs are compared. If their images differ because of an option, the option is named.

    Args:
        before: the record.
        run: the conditions of the run.
    """
    reasons = []
    ours = before.suite
    suite = run.suite
    if before.protocol != run.protocol:
        reasons.append(f"protocol ({before.protocol} and {run.protocol})")
    if ours.name != suite.name:
        reasons.append(f"suite ({ours.name} and {suite.name})")
    if ours.classes is not None and suite.classes is not None and ours.classes != suite.classes:
        reasons.append(CLASSES)
    if ours.sample != suite.sample:
        reasons.append(f"sampling of corruptions ({ours.sample} and {suite.sample})")
    # Contents of generated corruptions are those of the clean images.
    generated = [
        row.generated for suite_row in (ours, suite) for row in suite_row.sets.values() if row.generated
    ]
    encodings = dict.fromkeys(version.partition("+")[2] or "none" for version in generated)
    if len(encodings) > 1:
        reasons.append(f"encoding of corruptions ({' and '.join(encodings)})")
    shared = ours.sets.keys() & suite.sets.keys()
    crops = {name: {ours.sets[name].cropped, suite.sets[name].cropped} for name in shared}
    sets = sorted(name for name, cropped in crops.items() if cropped == {True, False})
    if sets:
        reasons.append(f"prepared of {listed(sets, NAMED)}")
    contents = _different_contents(ours, suite)
    rules = [name for name in contents if name.startswith((SPACE, PIPELINE))]
    views = [name for name in contents if name not in rules]
    reasons += [rule.replace("=", " ", 1) for rule in rules if rule.partition("=")[2] not in views]
    if views:
        reasons.append(f"images of {listed(views, NAMED)}{_sampling(before, run)}")
    return reasons


def _sampling(before: Record, run: RunConditions) -> str:
    """Return the options behind different images of two runs, as text."""
    if before.limit != run.limit:
        ours, theirs = ("no limit" if limit is None else f"{limit:,}" for limit in (before.limit, run.limit))
        return f" (--quba-limit: {ours} and {theirs})"
    if run.limit is not None and before.environment.seed != run.seed:
        return f" (--quba-seed: {before.environment.seed} and {run.seed})"
    return ""


def _different_contents(ours: SuiteRow, theirs: SuiteRow) -> list[str]:
    is_unknown = any(row.sets and not row.contents for row in (ours, theirs))  # an early version stored none
    if is_unknown or not (ours.contents or theirs.contents):
        return [] if ours.fingerprint == theirs.fingerprint else list(ours.sets) or ["the suite"]
    return [view for view, content in ours.contents.items() if theirs.contents.get(view, content) != content]
