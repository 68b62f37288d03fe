"""Preprocessing, outputs and class names in the metadata of exports."""

from __future__ import annotations

import ast
import io
import json
import struct
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from quba_check.errors import ModelError
from quba_check.models.preprocessing.config import CLASS_NAMES, KEYS, PreprocessingConfig, short_repr

CLASSIFIERS = "quba-check judges classifiers."
_KEYS = {"task", "imgsz", "names"}
"""Keys that exporters of ultralytics write, and no other together."""
_LARGEST = 10_000_000
"""Largest text of metadata in bytes."""


def exported_config(metadata: object, spec: str) -> tuple[PreprocessingConfig, ...]:
    """Return the config in the metadata of an export of ultralytics.

    Exported classifiers end with a softmax.

    Args:
        metadata: a mapping, or its text in JSON or Python. Others give no config.
        spec: the model's spec, for messages and the source.

    Raises:
        ModelError: the model was trained for another task.
    """
    metadata = _parsed(metadata)
    if not isinstance(metadata, Mapping) or not metadata.keys() >= _KEYS:
        return ()
    values: dict[str, Any] = {"channels": 3} | {key: _parsed(value) for key, value in metadata.items()}
    if values["task"] != "classify":
        raise ModelError(
            f"is a model of ultralytics for the task {short_repr(values['task'])}",
            where=spec,
            hint=CLASSIFIERS,
        )
    stated = ultralytics_values(values["imgsz"], values["names"], values["channels"])
    return (PreprocessingConfig(stated | {"outputs": "probabilities"}, f"the metadata of {spec}"),)


def ultralytics_values(size: object, names: Any, channels: object = 3) -> dict[str, Any]:
    """Return the values of a config for ultralytics' validation transform of classifiers.

    Args:
        size: its `imgsz`, a side or (height, width); left out if it is neither.
        names: names of the classes by their numbers; left out if it is not that.
        channels: channels of the input.
    """
    height, width = size if isinstance(size, (tuple, list)) and len(size) == 2 else (size, size)
    values: dict[str, Any] = {
        "interpolation": "bilinear",
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
        "crop_pct": 1.0,
        "crop_mode": "center" if height == width else "squash",
    }
    if KEYS["input_size"][0]((channels, height, width)):
        values["input_size"] = (channels, height, width)
    with suppress(AttributeError, KeyError, TypeError, ValueError):
        by_number = {int(number): str(name) for number, name in names.items()}
        values[CLASS_NAMES] = tuple(by_number[number] for number in range(len(by_number)))
    return values


def openvino_metadata(model: Any, path: Path) -> dict[str, Any]:
    """Return the metadata of an OpenVINO export of ultralytics; empty for other models.

    The file `metadata.yaml` next to it need not exist: the graph has the names, and a kind of resize for
    all tasks except classification.

    Args:
        model: the graph.
        path: its file.
    """
    places = [["model_info", key] for key in ("model_type", "labels", "resize_type")]
    kind, labels, resize = (
        model.get_rt_info(place).astype(str) if model.has_rt_info(place) else "" for place in places
    )
    if "YOLO" not in kind:
        return {}
    metadata = {"task": "detect" if resize else "classify", "imgsz": None}
    with suppress(Exception):  # missing, or not YAML
        metadata |= YAML(typ="safe", pure=True).load(path.with_name("metadata.yaml"))
    return metadata | {"names": dict(enumerate(labels.split()))}


def tflite_configs(content: bytes, tables: bytes, spec: str) -> tuple[PreprocessingConfig, ...]:
    """Return the configs in the metadata of a TFLite file.

    It is that of ultralytics, else TFLite Metadata.

    Args:
        content: the file. Texts, such as the labels, are in a zip archive at its end.
        tables: its buffer of TFLite Metadata; empty without one.
        spec: the model's spec, for messages and sources.

    Raises:
        ModelError: it is a model of ultralytics for another task.
    """
    texts: dict[str, str] = {}
    with suppress(Exception), zipfile.ZipFile(io.BytesIO(content)) as archive:  # no archive, or a damaged one
        small = [member for member in archive.infolist() if member.file_size <= _LARGEST]
        texts = {member.filename: archive.read(member).decode(errors="replace") for member in small}
    for text in texts.values():
        config = exported_config(text, spec)
        if config:
            return config
    values: dict[str, Any] = {}
    with suppress(Exception):  # no tables, or damaged ones
        values = _normalisation(tables)
    labels = [text for name, text in texts.items() if "label" in name.lower() and name.endswith(".txt")]
    if len(labels) == 1:
        values[CLASS_NAMES] = tuple(filter(None, map(str.strip, labels[0].splitlines())))
    return (PreprocessingConfig(values, f"the metadata of {spec}"),) if values else ()


def _normalisation(content: bytes) -> dict[str, Any]:
    """Return mean and standard deviation of the first input in TFLite Metadata.

    The numbers are those of the fields in its schema, `metadata_schema.fbs`.
    """
    from flatbuffers.table import Table

    def vector(table: Any, number: int) -> tuple[int, int]:
        offset = table.Offset(4 + 2 * number)
        return (table.VectorLen(offset), table.Vector(offset)) if offset else (0, 0)

    tables = [Table(content, *struct.unpack_from("<I", content))]
    for number, most in ((3, 1), (2, 1), (4, 9)):  # the first graph, its first input, its process units
        vectors = [vector(table, number) for table in tables]
        places = [start + 4 * k for length, start in vectors for k in range(min(length, most))]
        tables = [Table(content, tables[0].Indirect(place)) for place in places]
    for unit in tables:
        kind = unit.Offset(4)
        options = unit.Offset(6)
        if kind and options and content[unit.Pos + kind] == 1:  # NormalizationOptions
            found = Table(content, unit.Indirect(unit.Pos + options))
            mean, std = (np.frombuffer(content, "<f4", *vector(found, number)) / 255 for number in (0, 1))
            values = {"mean": tuple(mean.tolist()), "std": tuple(std.tolist())}
            return values if all(KEYS[name][0](value) for name, value in values.items()) else {}
    return {}


def _parsed(value: object) -> object:
    """Return the value of a text in JSON or Python; others unchanged."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    if isinstance(text, str) and len(text) <= _LARGEST:
        for parse in (json.loads, ast.literal_eval):
            with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                return parse(text)
    return value
