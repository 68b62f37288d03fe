"""Keys and values of a preprocessing config. Imports no torch."""

from __future__ import annotations

import math
import reprlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, get_args

from quba_check.errors import ModelError
from quba_check.messages import known_names, listed

OutputKind = Literal["logits", "probabilities", "sigmoids"]
OUTPUT_KINDS: tuple[OutputKind, ...] = get_args(OutputKind)
_SYNONYMS: dict[Any, OutputKind] = {"sigmoid": "sigmoids"}
"""Of a model with a single output."""
Interpolation = Literal["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"]
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)
CropMode = Literal["center", "center_floor", "squash", "border"]
CROP_MODES: tuple[CropMode, ...] = get_args(CropMode)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of the most common normalisation."""
CLASS_NAMES = "class_names"
"""Key of a config for the names of all outputs, in order; not for files of users."""
LARGEST = 1e6
"""Largest mean and standard deviation, and the inverse of the smallest deviation, safe in float32."""
_TINY = sys.float_info.min
_HUGE = sys.float_info.max
_MAX_KEY_LENGTH = 100


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
    error = partial(ModelError, where=where)
    if not isinstance(config, Mapping):
        raise error("is not a dict", got=type(config).__name__, hint=f"Allowed keys: {listed(KEYS)}.")
    for key, value in config.items():
        if key not in KEYS:
            raise error(f"unknown key '{key_text(key)}'", **known_names(key_text(key), KEYS))
        is_usable, allowed = KEYS[key]
        if not is_usable(value):
            raise error(f"{key} cannot be used", got=short_repr(value), allowed=allowed)
    return PreprocessingConfig({key: plain(value) for key, value in config.items()}, source, departs)


def crop_share(crop: int, resized: int) -> float:
    """Return the `crop_pct` of a crop after a resize to a side.

    The transform rounds the resized side down.

    >>> crop_share(224, 256), math.floor(110 / crop_share(110, 143))
    (0.875, 143)
    """
    share = crop / resized
    return share if math.floor(crop / share) == resized else math.nextafter(share, 0)


def plain(value: Any) -> Any:
    """Return a valid value with tuples for lists, and without synonyms."""
    return tuple(value) if isinstance(value, list) else _SYNONYMS.get(value, value)


def configs_of_module(module: object, *, spec: str, source: str = "") -> list[PreprocessingConfig]:
    """Return the config of a module itself: its `quba_config`, else its `pretrained_cfg`; none without both.

    Args:
        module: the module that classifies.
        spec: its spec, for messages and sources.
        source: name of its `pretrained_cfg` in reports, if not by its spec.

    Raises:
        ModelError: the config has an unknown key or an invalid value.
    """
    config = getattr(module, "quba_config", None)
    if config is not None:
        return [preprocessing_config(config, where=f"{spec}: quba_config", source=f"quba_config of {spec}")]
    config = getattr(module, "pretrained_cfg", None)
    where = f"{spec}: pretrained_cfg"
    if not config:
        return []
    source = source or f"pretrained_cfg of {spec}"
    names = ()
    if isinstance(config, Mapping):
        # Checked before timm replaces zeros by its defaults.
        stated = {key: config[key] for key in KEYS if config.get(key) is not None}
        preprocessing_config(stated, where=where, source=source)
        from timm.data import resolve_data_config

        names = config.get("label_names") or ()
        config = resolve_data_config(pretrained_cfg=dict(config))
    own = preprocessing_config(config, where=where, source=source)
    return [replace(own, values={**own.values, CLASS_NAMES: tuple(map(str, names))}) if names else own]


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


def _is_between(value: object, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _is_of_channels(value: object, low: float, high: float) -> bool:
    return (
        isinstance(value, (tuple, list))
        and len(value) in (1, 3)
        and all(_is_between(part, low, high) for part in value)
    )


def _is_size(value: Any) -> bool:
    is_whole = isinstance(value, (tuple, list)) and all(isinstance(side, int) for side in value)
    return is_whole and _is_of_channels(value, 1, math.inf) and len(value) == 3 and value[0] in (1, 3)


def _are_positions(value: Any) -> bool:
    is_list = isinstance(value, (tuple, list)) and len(value) > 0
    return (
        is_list
        and all(type(position) is int and position >= 0 for position in value)
        and len({*value}) == len(value)
    )


KEYS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "input_size": (
        _is_size,
        "three whole numbers (channels, height, width), with 3 channels, or 1 for grey images",
    ),
    "interpolation": (lambda value: value in INTERPOLATIONS, ", ".join(INTERPOLATIONS)),
    "mean": (
        lambda value: _is_of_channels(value, -LARGEST, LARGEST),
        "three numbers, or one for all channels, for values in [0, 1]",
    ),
    "std": (
        lambda value: _is_of_channels(value, 1 / LARGEST, LARGEST),
        "three numbers above 0, or one for all channels, for values in [0, 1]",
    ),
    "crop_pct": (lambda value: _is_between(value, _TINY, _HUGE), "a number above 0"),
    "crop_mode": (lambda value: value in CROP_MODES, ", ".join(CROP_MODES)),
    "outputs": (lambda value: value in (*OUTPUT_KINDS, *_SYNONYMS), ", ".join(OUTPUT_KINDS)),
    "ignore": (_are_positions, "positions of outputs, such as [0]"),
    "temperature": (lambda value: _is_between(value, 1e-3, 1e3), "a number from 0.001 to 1000"),
}
"""For each key a check of its value, and the allowed values for messages."""
