"""The file of `--quba-preprocessing`: preprocessing and kind of outputs, stated by the user."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from quba_check.errors import InvalidValueError, ModelError
from quba_check.messages import did_you_mean
from quba_check.models.preprocessing.config import (
    KEYS,
    CropMode,
    Interpolation,
    OutputKind,
    PreprocessingConfig,
    plain,
)
from quba_check.strict_yaml import Strict, describe, read_yaml, validate
from quba_check.strict_yaml.schema import SchemaVersion

Positive = Annotated[int, Field(gt=0)]
Divisor = Annotated[float, Field(gt=0)]


class PreprocessingFile(Strict):
    """Preprocessing and kind of outputs of a model. Missing keys are taken from the model."""

    schema_version: SchemaVersion | None = Field(None, alias="schema", description="Version of this format.")
    input_size: tuple[Literal[1, 3], Positive, Positive] | None = Field(
        None, description="Channels, height and width of the model's input, for example [3, 224, 224]."
    )
    interpolation: Interpolation | None = Field(None, description="Filter of the resize.")
    mean: tuple[float, float, float] | tuple[float] | None = Field(
        None, description="Means of red, green and blue, or of grey, to subtract, of values in [0, 1]."
    )
    std: tuple[Divisor, Divisor, Divisor] | tuple[Divisor] | None = Field(
        None, description="Divisors of red, green and blue, or of grey, after that."
    )
    crop_pct: float | None = Field(
        None, gt=0, description="Side of the crop as a share of the resized image's, for example 0.875."
    )
    crop_mode: CropMode | None = Field(
        None, description="center crops, center_floor rounds its corner down, squash stretches, border pads."
    )
    outputs: OutputKind | None = Field(
        None, description="Kind of the model's outputs; without it, it is detected on real images."
    )
    ignore: tuple[int, ...] | None = Field(
        None, description='Positions of outputs that are no classes, for example [0] for "background".'
    )
    temperature: float | None = Field(
        None, description="Divisor of the logits before the softmax, from 0.001 to 1000, for example 1.5."
    )

    @field_validator(*KEYS, mode="before")
    @classmethod
    def _check(cls, value: Any, info: ValidationInfo) -> Any:
        is_usable, allowed = KEYS[info.field_name or ""]
        if not is_usable(value):
            got = str(value) if isinstance(value, list) else describe(value)
            near = did_you_mean(value, allowed.split(", ")) if isinstance(value, str) else ""
            raise InvalidValueError(got=got, allowed=allowed, hint=near)
        return plain(value)


def read_preprocessing(path: str | Path, label: str = "") -> PreprocessingConfig:
    """Read a preprocessing file.

    Args:
        path: the file.
        label: its name in messages, records and reports; by default the path.

    Raises:
        ModelError: the file is invalid; the message has file and line of every error.
    """
    label = label or str(path)
    document = read_yaml(Path(path), label, ModelError)
    values = validate(document, PreprocessingFile).model_dump(exclude_none=True, exclude={"schema_version"})
    return PreprocessingConfig(values, label, departs=True, content=document.content)
