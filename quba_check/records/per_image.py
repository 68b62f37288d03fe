"""Per-image results of a run, in a small file next to its record."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quba_check.core.measurement import Measurement
from quba_check.core.predictions import Predictions, SliceColumn, outputs_digest
from quba_check.core.request import target_name
from quba_check.errors import UserError
from quba_check.records.record import Record
from quba_check.storage.packed_arrays import check_unpacked, unpacked_array

FORMAT = 1
_ABOUT = "about"
_NAMES = "names"
_LABEL = "label"
_TOP1 = "top1"
_INDEX = "index"
_CONFIDENCE = "wrong_confidence"
_LOG_OF_LOSS = "wrong_log_of_loss"
_EXACT = 2_000
"""Largest number of wrong images with exact probabilities; those of more are stored in 128 steps."""
_SMALLEST = float(np.finfo(np.float32).smallest_subnormal)
"""The smallest probability above 0, used for 0 in logarithms."""
OfSamples = Mapping[str, NDArray[np.float64]]
GroupsBySet = Mapping[str, NDArray[np.int64]]
"""By set of images, (n,) identifiers of the group of each image."""


@dataclass(frozen=True, slots=True, eq=False)
class CleanAnswers:
    """The model's predictions on the clean set.

    Attributes:
        names: the images' files, relative to the suite's folder.
        label: (n,) class of each image; of several right ones, the predicted one.
        predicted: (n,) predicted class of each image.
        classes: names of the classes.
        index: (n,) position of each image in the set; None if unknown.
        confidence: (w,) probability of the predicted class of the w wrong images, in their order; None if
            unknown.
        loss: (w,) cross-entropy of the wrong images, -log of the probability of the true class; likewise.
        outputs: SHA-256 (hex) of the predicted classes, their probabilities and those of the true classes, of
            all images; None if unknown.
        slices: the slices of the images, by column.
    """

    names: Sequence[str]
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    classes: Sequence[str]
    index: NDArray[np.int64] | None = None
    confidence: NDArray[np.float64] | None = None
    loss: NDArray[np.float64] | None = None
    outputs: str | None = None
    slices: Mapping[str, SliceColumn] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        table: Predictions,
        names: Sequence[str],
        classes: Sequence[str],
        slices: Mapping[str, SliceColumn] = MappingProxyType({}),
    ) -> CleanAnswers:
        """Return the predictions of a table, given the names and slices of its images."""
        label = table.matched_label
        wrong = table.predicted != label
        confidence = table.confidence[wrong].astype(np.float64)
        loss = -np.log(np.maximum(table.true_probability[wrong].astype(np.float64), _SMALLEST))
        outputs = outputs_digest([table])
        return cls(names, label, table.predicted, classes, table.index, confidence, loss, outputs, slices)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(n,) True for the correctly classified images."""
        return np.equal(self.predicted, self.label)

    @property
    def wrong(self) -> NDArray[np.intp]:
        """Rows (w,) of the misclassified images."""
        return np.flatnonzero(~self.correct)


@dataclass(frozen=True, slots=True, eq=False)
class PerImage:
    """The contribution of each image to each value, and the predictions on the clean set.

    Attributes:
        influences: (n,) contributions by dimension or part (`corruption_robustness.fog`), then by set.
        clean: predictions on the clean set; None if no dimension used it.
        groups: groups of images, for sets that have them.
    """

    influences: Mapping[str, OfSamples] = field(default_factory=dict)
    clean: CleanAnswers | None = None
    groups: GroupsBySet = field(default_factory=dict)

    @classmethod
    def of(cls, measurement: Measurement, clean: CleanAnswers | None = None) -> PerImage:
        """Return the results of one dimension and its parts."""
        influences = {measurement.dimension: measurement.influences}
        for name, part in (*measurement.parts.items(), *measurement.on_slices()):
            influences[target_name(measurement.dimension, name)] = part.influences
        by_name = {
            target: {str(sample): array for sample, array in samples.items() if len(array)}
            for target, samples in influences.items()
        }
        groups = {str(sample): group for sample, group in measurement.groups_of_sets.items()}
        return cls({target: samples for target, samples in by_name.items() if samples}, clean, groups)

    def merged(self, other: PerImage) -> PerImage:
        """Merge with further results of the same run."""
        influences = {**self.influences, **other.influences}
        return PerImage(influences, self.clean or other.clean, {**self.groups, **other.groups})

    def to_bytes(self, record: Record | None = None) -> bytes:
        """Return the content of an npz file.

        Args:
            record: the record next to it, stored for a check when the file is read again.
        """
        arrays: dict[str, NDArray[Any]] = {}
        entries: list[dict[str, Any]] = []
        for target, samples in self.influences.items():
            for sample, array in samples.items():
                arrays[f"deviations/{len(entries)}"], decoding = encode(array)
                entries.append({"target": target, "sample": sample, **decoding})
        metadata: dict[str, Any] = {"format": FORMAT, "deviations": entries, "groups": list(self.groups)}
        arrays |= {f"groups/{number}": group for number, group in enumerate(self.groups.values())}
        if record is not None:
            metadata["of"] = identity(record)
        if self.clean is not None:
            metadata["classes"] = list(self.clean.classes)
            metadata["outputs"] = self.clean.outputs
            metadata["slices"] = [[name, column.names] for name, column in self.clean.slices.items()]
            for number, column in enumerate(self.clean.slices.values()):
                arrays[f"slices/{number}"] = column.numbers.astype(np.uint16)
            clean_arrays, metadata["wrong"] = _answer_arrays(self.clean)
            arrays |= clean_arrays
        arrays[_ABOUT] = _bytes(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")))
        # LZMA is smaller, but takes seconds for 50,000 images: too slow between processes.
        return _zipped(arrays, zipfile.ZIP_DEFLATED if record is None else zipfile.ZIP_LZMA)

    @classmethod
    def from_bytes(cls, content: bytes, where: str, record: Record | None = None) -> PerImage:
        """Read the content of an npz file.

        Args:
            content: the bytes.
            where: name of the file in messages.
            record: the record next to it.

        Raises:
            UserError: the file is not valid, has a later format, or belongs to another record.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as file:
                entries = file.infolist()
                check_unpacked(sum(entry.file_size for entry in entries), len(content))
                arrays = {
                    entry.filename.removesuffix(".npy"): unpacked_array(file, entry) for entry in entries
                }
            metadata = json.loads(bytes(arrays[_ABOUT]))
            _check_belongs(metadata, where, record)
            groups = {
                str(sample): arrays[f"groups/{number}"].astype(np.int64)
                for number, sample in enumerate(metadata.get("groups", ()))
            }
            return cls(_influences(metadata, arrays), _clean(metadata, arrays), groups)
        except UserError:
            raise
        except Exception as why:  # of zipfile, numpy and JSON, for damaged or foreign files
            raise UserError(
                "not a file of predictions per image",
                where=where,
                allowed="the file that a run wrote next to its record",
            ) from why


def identity(record: Record) -> list[str]:
    """Return the common values of a record and its per-image file."""
    return [record.model.fingerprint, record.protocol, record.suite.fingerprint, record.environment.time]


def _check_belongs(metadata: dict[str, Any], where: str, record: Record | None) -> None:
    if metadata["format"] > FORMAT:
        raise UserError(
            f"format {metadata['format']} is newer than this version reads", where=where, allowed=f"{FORMAT}"
        )
    if record is not None and metadata.get("of", identity(record)) != identity(record):
        raise UserError(
            "it belongs to another run than the record next to it",
            where=where,
            allowed="the two files of one run, or the record alone",
        )


def _influences(metadata: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Mapping[str, OfSamples]:
    influences: dict[str, dict[str, NDArray[np.float64]]] = {}
    for number, entry in enumerate(metadata["deviations"]):
        target = entry["target"]
        sample = entry["sample"]
        if not isinstance(target, str) or not isinstance(sample, str):
            raise TypeError("names that are not strings")
        influences.setdefault(target, {})[sample] = decode(arrays[f"deviations/{number}"], entry)
    return influences


def _clean(metadata: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> CleanAnswers | None:
    if _NAMES not in arrays:
        return None
    label = arrays[_LABEL].astype(np.int64)
    predicted = label + arrays[_TOP1].astype(np.int64)
    text = bytes(arrays[_NAMES]).decode(errors="surrogateescape")
    names = [name.replace("\0", "\n") for name in text.split("\n")] if text else []
    classes = [str(name) for name in metadata["classes"]]
    index = np.cumsum(arrays[_INDEX], dtype=np.int64) if _INDEX in arrays else None
    slices = {
        str(name): SliceColumn(tuple(map(str, values)), arrays[f"slices/{number}"].astype(np.intp))
        for number, (name, values) in enumerate(metadata.get("slices", ()))
    }
    outputs = metadata.get("outputs")
    answers = CleanAnswers(names, label, predicted, classes, index, outputs=outputs, slices=slices)
    numbers = [column.numbers for column in slices.values()]
    columns = [column for column in (label, predicted, index, *numbers) if column is not None]
    if any(column.shape != (len(names),) for column in columns):
        raise ValueError("columns of different lengths")
    used = np.concatenate([label, predicted])
    if len(names) and not 0 <= used.min() <= used.max() < len(classes):
        raise ValueError("a class that has no name")
    if any(len(names) and column.numbers.max() >= len(column.names) for column in slices.values()):
        raise ValueError("a slice that has no name")
    wrong = metadata.get("wrong")
    if not wrong:
        return answers
    confidence, log_of_loss = (
        _stored_numbers(arrays[name], wrong[name], len(answers.wrong)) for name in (_CONFIDENCE, _LOG_OF_LOSS)
    )
    return replace(answers, confidence=confidence, loss=np.exp(log_of_loss))


def _answer_arrays(clean: CleanAnswers) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays of the predictions, and decoding parameters for the wrong images."""
    smaller = np.int16 if len(clean.classes) <= np.iinfo(np.int16).max else np.int32
    arrays: dict[str, NDArray[Any]] = {
        # A file name may hold a line break, but no NUL.
        _NAMES: _bytes("\n".join(name.replace("\n", "\0") for name in clean.names)),
        # Differences take few bytes: most predictions are the label, and positions are in order.
        _LABEL: clean.label.astype(smaller),
        _TOP1: (clean.predicted - clean.label).astype(smaller),
    }
    if clean.index is not None:
        arrays[_INDEX] = np.diff(clean.index, prepend=0).astype(np.int32)
    metadata: dict[str, Any] = {}
    if clean.confidence is not None and clean.loss is not None:
        for name, values in ((_CONFIDENCE, clean.confidence), (_LOG_OF_LOSS, np.log(clean.loss))):
            if len(values) <= _EXACT:
                arrays[name] = values.astype(np.float32)
                metadata[name] = {}
            else:
                mean = float(values.mean())
                arrays[name], decoding = encode(values - mean)
                metadata[name] = {"mean": mean, **decoding}
    return arrays, metadata


def _stored_numbers(stored: NDArray[Any], metadata: dict[str, Any], n: int) -> NDArray[np.float64]:
    """Return the decoded (n,) numbers of the wrong images."""
    values = decode(stored, metadata) + metadata["mean"] if metadata else stored.astype(np.float64)
    if values.shape != (n,):
        raise ValueError("another number of wrong images")
    return values


def _zipped(arrays: Mapping[str, NDArray[Any]], compression: int) -> bytes:
    """Zip arrays as `numpy.savez_compressed` does, with a choice of compression.

    LZMA needs a fifth less here, and numpy reads it too.
    """
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as file:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), compression)
    return whole.getvalue()


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(errors="surrogateescape"), np.uint8)


_LEVELS = 256
_STEPS = 128
_DIGITS = 11
"""The digits are relative to the largest influence; smaller differences come from the order of sums."""


def encode(influences: NDArray[np.float64]) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Encode an array in few bytes, exactly for at most 256 different values.

    Others are rounded to 128 steps, which increases a standard error by 0.3 % for a range of 30 standard
    influences.

    Args:
        influences: (n,), n at least 1.

    Returns:
        uint8 codes, a byte an image, or a bit an image for at most two values; and parameters of decoding:
        `n` and `values`, or `n`, `low` and `step`.
    """
    scale = float(np.abs(influences).max()) or 1.0
    rounded = np.round(influences / scale, _DIGITS)
    values, positions = np.unique(rounded, return_inverse=True)
    metadata: dict[str, Any] = {"n": len(influences)}
    if len(values) <= _LEVELS:
        first = np.zeros(len(values))
        first[positions] = influences
        metadata["values"] = first.tolist()
        codes = positions.astype(np.uint8)
        return np.packbits(codes) if len(values) <= 2 else codes, metadata
    low, high = float(influences.min()), float(influences.max())
    step = (high - low) / (_STEPS - 1)
    return np.round((influences - low) / step).astype(np.uint8), metadata | {"low": low, "step": step}


def decode(codes: NDArray[np.uint8], metadata: dict[str, Any]) -> NDArray[np.float64]:
    """Return the array (n,) in float64.

    Raises:
        ValueError: the codes do not fit n numbers.

    >>> codes, metadata = encode(np.array([0.25, 0.25, -0.75, 0.25]))
    >>> codes.tolist(), decode(codes, metadata).tolist()
    ([208], [0.25, 0.25, -0.75, 0.25])
    """
    n = metadata["n"]
    is_packed = "values" in metadata and len(metadata["values"]) <= 2
    if not isinstance(n, int) or n < 1 or codes.dtype != np.uint8:
        raise ValueError(f"codes of {codes.dtype} for {n} numbers")
    if codes.shape != (-(-n // 8) if is_packed else n,):
        raise ValueError(f"codes of shape {codes.shape} for {n} numbers")
    if is_packed:
        codes = np.unpackbits(codes, count=n)
    influences: NDArray[np.float64]
    if "values" in metadata:
        influences = np.array(metadata["values"], np.float64)[codes]
    else:
        steps = metadata["low"] + metadata["step"] * codes.astype(np.float64)
        influences = steps - steps.mean()
    if influences.shape != (n,) or not np.isfinite(influences).all():
        raise ValueError(f"{influences.shape} numbers for {n} images, or one that is not finite")
    return influences
