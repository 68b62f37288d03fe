"""What a run found image by image, in a file beside its record: small enough to be committed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quba_check.comparison.compact import compact, restored
from quba_check.errors import UserError
from quba_check.packed_arrays import check_unpacked, unpacked_array
from quba_check.protocol.measurement import Measurement
from quba_check.protocol.record import Record

FORMAT = 1
_ABOUT, _NAMES, _LABEL, _TOP1 = "about", "names", "label", "top1"
OfSamples = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class CleanAnswers:
    """The model's answers on the clean set, image by image.

    Attributes:
        names: the images' files, relative to the suite's folder.
        label: (n,) class of each image.
        top1: (n,) class that the model chose.
        classes: names of the classes.
    """

    names: Sequence[str]
    label: NDArray[np.int64]
    top1: NDArray[np.int64]
    classes: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class PerImage:
    """What each image adds to each value, and the answers on the clean set.

    Attributes:
        deviations: by dimension or part (`corruption_robustness.fog`), then by the set of images.
        clean: answers on the clean set; None where no dimension looked at it.
    """

    deviations: Mapping[str, OfSamples] = field(default_factory=dict)
    clean: CleanAnswers | None = None

    @classmethod
    def of(cls, measurement: Measurement, clean: CleanAnswers | None = None) -> PerImage:
        """That of one dimension and its parts."""
        found = {measurement.dimension: measurement.deviations}
        found |= {
            f"{measurement.dimension}.{name}": part.deviations for name, part in measurement.parts.items()
        }
        named = {
            target: {str(sample): array for sample, array in samples.items() if len(array)}
            for target, samples in found.items()
        }
        return cls({target: samples for target, samples in named.items() if samples}, clean)

    def merged(self, other: PerImage) -> PerImage:
        """Both of one run in one."""
        return replace(
            self, deviations={**self.deviations, **other.deviations}, clean=self.clean or other.clean
        )

    def to_bytes(self, record: Record | None = None) -> bytes:
        """An npz file's content.

        Args:
            record: the record that it stands beside; read again, it is held to that.
        """
        arrays: dict[str, NDArray[Any]] = {}
        kept: list[dict[str, Any]] = []
        for target, samples in self.deviations.items():
            for sample, array in samples.items():
                small = compact(array)
                arrays[f"deviations/{len(kept)}"] = small.codes
                kept.append({"target": target, "sample": sample, **small.about})
        about: dict[str, Any] = {"format": FORMAT, "deviations": kept}
        if record is not None:
            about["of"] = identity(record)
        if self.clean is not None:
            about["classes"] = list(self.clean.classes)
            arrays[_NAMES] = _bytes("\n".join(self.clean.names))
            # Most answers are the label, and labels stand in order: both take few bytes.
            arrays[_LABEL] = self.clean.label.astype(np.int32)
            arrays[_TOP1] = (self.clean.top1 - self.clean.label).astype(np.int32)
        arrays[_ABOUT] = _bytes(json.dumps(about, ensure_ascii=False, separators=(",", ":")))
        # The smaller form takes seconds for 50,000 images; what only travels between processes does without.
        return _zipped(arrays, zipfile.ZIP_DEFLATED if record is None else zipfile.ZIP_LZMA)

    @classmethod
    def from_bytes(cls, content: bytes, where: str, record: Record | None = None) -> PerImage:
        """Read an npz file's content.

        Args:
            content: the bytes.
            where: how messages call the file.
            record: the record that it stands beside.

        Raises:
            UserError: it is no such file, of a later format, or belongs to another record.
        """
        try:
            arrays = _arrays(content)
            about = json.loads(bytes(arrays[_ABOUT]))
            _check_belongs(about, where, record)
            return cls(_deviations(about, arrays), _clean(about, arrays))
        except UserError:
            raise
        except Exception as why:  # of zipfile, numpy and JSON, for bytes that nobody of ours wrote
            raise UserError(
                f"{where}: not a file of answers by image. Allowed: one that --quba-report wrote beside a "
                "record."
            ) from why


def identity(record: Record) -> list[str]:
    """What a record and the file beside it have in common."""
    return [record.model.fingerprint, record.protocol, record.suite.fingerprint, record.environment.time]


def _check_belongs(about: dict[str, Any], where: str, record: Record | None) -> None:
    if about["format"] > FORMAT:
        raise UserError(
            f"{where}: format {about['format']} is newer than this version reads. Allowed: {FORMAT}."
        )
    if record is not None and about.get("of", identity(record)) != identity(record):
        raise UserError(
            f"{where}: it belongs to another run than the record beside it. "
            "Allowed: the two files that one --quba-report wrote, or the record alone."
        )


def _arrays(content: bytes) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        check_unpacked(sum(entry.file_size for entry in file.infolist()), len(content))
        return {entry.filename.removesuffix(".npy"): unpacked_array(file, entry) for entry in file.infolist()}


def _deviations(about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, OfSamples]:
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for number, kept in enumerate(about["deviations"]):
        array = restored(arrays[f"deviations/{number}"], kept)
        if not isinstance(kept["target"], str) or not isinstance(kept["sample"], str):
            raise TypeError("names that are no text")
        found.setdefault(kept["target"], {})[kept["sample"]] = array
    return dict(found)


def _clean(about: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> CleanAnswers | None:
    if _NAMES not in arrays:
        return None
    label = arrays[_LABEL].astype(np.int64)
    top1 = label + arrays[_TOP1].astype(np.int64)
    names = bytes(arrays[_NAMES]).decode().split("\n")
    classes = [str(name) for name in about["classes"]]
    if not label.shape == top1.shape == (len(names),):
        raise ValueError("answers for other images than the names'")
    if min(label.min(), top1.min()) < 0 or max(label.max(), top1.max()) >= len(classes):
        raise ValueError("answers that are no classes")
    return CleanAnswers(names, label, top1, classes)


def _zipped(arrays: Mapping[str, NDArray[Any]], compression: int) -> bytes:
    """As `numpy.savez_compressed`, but LZMA needs a fifth less here; numpy reads both."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), compression)
    return whole.getvalue()


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)
