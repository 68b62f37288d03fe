"""Keys and values of a preprocessing config. Imports no torch."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, ValidationInfo, ValidatorFunctionWrapHandler, field_validator

from quba_check.errors import ModelError
from quba_check.messages import did_you_mean
from quba_check.strict_yaml import Strict, describe
from quba_check.strict_yaml.schema import SchemaVersion

OutputKind = Literal["logits", "probabilities", "sigmoids"]
OUTPUT_KINDS: tuple[OutputKind, ...] = get_args(OutputKind)
Interpolation = Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"]
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)
CropMode = Literal["center", "squash", "border"]
CROP_MODES: tuple[CropMode, ...] = get_args(CropMode)
LARGEST = 1e6
"""Largest mean and standard deviation, and the inverse of the smallest deviation, safe in float32."""
Side = Annotated[int, Field(gt=0)]
Mean = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Divisor = Annotated[float, Field(ge=1 / LARGEST, le=LARGEST)]
Share = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Temperature = Annotated[float, Field(ge=1e-3, le=1e3)]
_MAX_KEY_LENGTH = 100
KEYS = {
    "input_size": "three whole numbers (3, height, width)",
    "interpolation": ", ".join(INTERPOLATIONS),
    "mean": "three numbers, for values in [0, 1]",
    "std": "three numbers above 0, for values in [0, 1]",
    "crop_pct": "a number above 0",
    "crop_mode": ", ".join(CROP_MODES),
    "outputs": ", ".join(OUTPUT_KINDS),
    "temperature": "a number from 0.001 to 1000",
}
"""For each key the allowed values, for messages."""
_ALL = ", ".join(KEYS)


class PreprocessingFile(Strict):
    """Preprocessing and kind of outputs of a model. Missing keys are taken from the model."""

    schema_version: SchemaVersion | None = Field(None, alias="schema", description="Version of this format.")
    input_size: tuple[Literal[3], Side, Side] | None = Field(
        None, description="Channels, height and width of the model's input, for example [3, 224, 224]."
    )
    interpolation: Interpolation | None = Field(None, description="Filter of the resize.")
    mean: tuple[Mean, Mean, Mean] | None = Field(
        None, description="Means of red, green and blue that are subtracted, of values in [0, 1]."
    )
    std: tuple[Divisor, Divisor, Divisor] | None = Field(
        None, description="Divisors of red, green and blue after that."
    )
    crop_pct: Share | None = Field(
        None, description="Side of the crop as a share of the resized image's, for example 0.875."
    )
    crop_mode: CropMode | None = Field(
        None, description="center crops, squash does not keep the aspect ratio, border pads."
    )
    outputs: OutputKind | None = Field(
        None, description="Kind of the model's outputs; without it, it is detected on real images."
    )
    temperature: Temperature | None = Field(
        None, description="Divisor of the logits before the softmax, for example 1.5."
    )

    @field_validator(*KEYS, mode="wrap")
    @classmethod
    def _check(cls, value: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        with suppress(ValidationError):
            if value is not None:
                return check(tuple(value) if isinstance(value, list) else value)
        allowed = KEYS[info.field_name or ""]
        got = str(value) if isinstance(value, list) else describe(value)
        near = did_you_mean(value, allowed.split(", ")) if isinstance(value, str) else ""
        raise ValueError(f"got {got}. Allowed: {allowed}.{near}")


def is_usable(key: str, value: object) -> bool:
    """Return True if a value is allowed for one of `KEYS`."""
    try:
        # As from a file: an integer of numpy would not fit into a record.
        PreprocessingFile.model_validate_json(json.dumps({key: value}))
    except (TypeError, ValueError, RecursionError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class PreprocessingConfig:
    """The preprocessing and the outputs of a model, as stated by one source.

    Attributes:
        values: valid values for some of `KEYS`; sequences are tuples.
        source: name of the source in records and reports.
        departs: True if it overrides the model's own config, which reports mention.
        content: the bytes of the user's file, if it comes from one.
    """

    values: Mapping[str, Any]
    source: str
    departs: bool = False
    content: bytes = field(default=b"", repr=False, compare=False)


def preprocessing_config(
    config: object, *, where: str, source: str, departs: bool = False
) -> PreprocessingConfig:
    """Return a config with checked keys and values.

    Args:
        config: a mapping with some of `KEYS`.
        where: beginning of messages.
        source: its name in records and reports.
        departs: True if it overrides the model's own config.

    Raises:
        ModelError: it is not a mapping, or has an unknown key or an invalid value.
    """
    if not isinstance(config, Mapping):
        raise ModelError(f"{where}: is not a dict, got {type(config).__name__}. Allowed keys: {_ALL}.")
    for key, value in config.items():
        if key not in KEYS:
            raise ModelError(
                f"{where}: unknown key '{key_text(key)}'. Allowed: {_ALL}.{did_you_mean(key_text(key), KEYS)}"
            )
        if not is_usable(key, value):
            raise ModelError(f"{where}: {key} cannot be used, got {short_repr(value)}. Allowed: {KEYS[key]}.")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    return PreprocessingConfig(values, source, departs)


def fallback_config(values: Mapping[str, Any], source: str) -> PreprocessingConfig:
    """Return a model's preprocessing, for another one that does not state its own.

    Args:
        values: the fields of its preprocessing, as in records.
        source: its name in records and reports.

    Raises:
        ModelError: a value is not valid, as in a record that was edited.
    """
    keys = ("input_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")
    # The default of crop_mode is not worth a note on a model that states all else.
    stated = {key: values[key] for key in keys if values.get(key) not in (None, "center")}
    return preprocessing_config(stated, where=source, source=source)


def short_repr(value: object) -> str:
    """Return the repr of a value from a file, on one line, shortened.

    >>> short_repr([0] * 100)
    '[0, 0, 0, 0, 0, 0, ...]'
    """
    try:
        return reprlib.repr(value)
    except Exception:  # noqa: BLE001  an integer of 5,000 digits, or a type defined by the file
        return f"a value of type {type(value).__name__}"


def key_text(key: object) -> str:
    """Return a key from a file as text, on one line, shortened."""
    if isinstance(key, str) and key.isprintable() and len(key) <= _MAX_KEY_LENGTH:
        return key
    return short_repr(key)
