"""What a checkpoint says of how its model was trained: architecture and preparation."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, resolve_data_config

from quba_check.models.preprocessing.config import (
    KEYS,
    PreprocessingConfig,
    key_text,
    preprocessing_config,
    short_repr,
)

ARGUMENTS = ("args", "hyper_parameters", "hparams", "config", "cfg")
"""Where training scripts keep what they were called with; timm and torchvision in the first."""
NAMES = ("architecture", "arch", "model_name", "model", "backbone", "encoder_name")
"""What they call the architecture, the most telling first."""
_TIMM = ("input_size", "img_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")


@dataclass(frozen=True, slots=True)
class Named:
    """An architecture that a checkpoint names, and where in it."""

    architecture: str
    where: str


def architectures_named(about: Mapping[str, Any]) -> tuple[Named, ...]:
    """The names of architectures that a checkpoint holds beside its weights, the most telling first.

    Args:
        about: what it holds, by key.
    """
    texts = [(where, value) for where, value in _names(about) if isinstance(value, str) and value]
    found = [Named(value, f"'{where}'") for where, value in texts if value == key_text(value)]
    return tuple(found)


def model_arguments(about: Mapping[str, Any]) -> dict[str, Any]:
    """What timm's `train.py` was told to build the architecture with (`--model-kwargs`)."""
    given = _arguments(about, "args").get("model_kwargs")
    return {str(key): value for key, value in given.items()} if isinstance(given, Mapping) else {}


@dataclass(frozen=True, slots=True)
class ConfigFromCheckpoint:
    """What a checkpoint says of the preparation.

    Attributes:
        config: what can be used of it; None where it says nothing.
        notes: what cannot be used, which is passed over.
    """

    config: PreprocessingConfig | None = None
    notes: tuple[str, ...] = ()


def config_from_checkpoint(about: Mapping[str, Any], *, spec: str) -> ConfigFromCheckpoint:
    """How a checkpoint says that images were prepared when its model was evaluated.

    Read are the arguments of timm's `train.py` (what was left to the architecture is left to it here), those
    of torchvision's reference scripts, and a `pretrained_cfg`.

    Args:
        about: what the checkpoint holds beside its weights.
        spec: the model's spec.
    """
    config = about.get("pretrained_cfg")
    if isinstance(config, Mapping) and config:
        # timm replaces zeros by its defaults, and fails on other unusable values.
        junk = {
            key: config[key] for key in KEYS if config.get(key) is not None and not _is_usable(key, config)
        }
        rest = {key: value for key, value in config.items() if key not in junk}
        said = resolve_data_config(pretrained_cfg={"url": "", **rest}) | junk  # timm takes no empty one
        source = f"pretrained_cfg in {spec}"
    else:
        arguments = _arguments(about, "args")
        said = _torchvisions(arguments) or _timms(arguments)
        source = f"args in {spec}"
    usable = {name: value for name, value in said.items() if name in KEYS and _is_usable(name, said)}
    notes = tuple(
        f"{name} of {source} cannot be used and is passed over, got {short_repr(value)}"
        for name, value in said.items()
        if name not in usable
    )
    if not usable:
        return ConfigFromCheckpoint(None, notes)
    return ConfigFromCheckpoint(
        preprocessing_config(usable, where=source, source=source, departs=True), notes
    )


def _is_usable(key: str, values: Mapping[str, Any]) -> bool:
    return KEYS[key][0](values[key])


def _timms(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What timm's script was given, in the form of `KEYS` where it can be brought into it."""
    said = {name: arguments[name] for name in _TIMM if arguments.get(name) not in (None, "")}
    for name in ("mean", "std"):
        if isinstance(said.get(name), (list, tuple)) and len(said[name]) == 1:
            said[name] = tuple(said[name]) * 3
    size = said.pop("img_size", None)
    if size is not None and "input_size" not in said:
        sides = tuple(size) if isinstance(size, (list, tuple)) else (size, size)
        said["input_size"] = (3, *sides)
    return said


def _torchvisions(arguments: Mapping[str, Any]) -> dict[str, Any]:
    crop, resize = arguments.get("val_crop_size"), arguments.get("val_resize_size")
    if not isinstance(crop, int) or not isinstance(resize, int) or resize < crop or crop < 1:
        return {}
    share = crop / resize
    if math.floor(crop / share) != resize:  # timm rounds the size of the resize down
        share = math.nextafter(share, 0)
    return {
        "input_size": (3, crop, crop),
        "interpolation": arguments.get("interpolation", "bilinear"),
        "mean": IMAGENET_DEFAULT_MEAN,
        "std": IMAGENET_DEFAULT_STD,
        "crop_pct": share,
    }


def _names(about: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("architecture", "arch"):
        yield name, about.get(name)
    config = about.get("pretrained_cfg")
    if isinstance(config, Mapping):
        yield "pretrained_cfg", config.get("architecture")
    for where in ARGUMENTS:
        arguments = _arguments(about, where)
        yield from ((f"{where}.{name}", arguments.get(name)) for name in NAMES)


def _arguments(about: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    given = about.get(where)
    if isinstance(given, argparse.Namespace):
        return vars(given)
    return given if isinstance(given, Mapping) else {}
