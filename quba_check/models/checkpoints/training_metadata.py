"""Architecture and preprocessing in a checkpoint, as stored by training scripts."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from typing import Any

from timm.data import resolve_data_config

from quba_check.models.preprocessing.config import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    KEYS,
    PreprocessingConfig,
    key_text,
    preprocessing_config,
    short_repr,
)

ARGUMENTS = ("args", "hyper_parameters", "hparams", "config", "cfg")
"""Keys for the arguments of training scripts; timm and torchvision use the first."""
NAMES = ("architecture", "arch", "model_name", "model", "backbone", "encoder_name")
"""Arguments that name the architecture, the most specific first."""
_TIMM = ("input_size", "img_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")


def named_architectures(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the architectures named in a checkpoint and their places there.

    The most specific name comes first.

    Args:
        metadata: the content of the checkpoint apart from its weights, by key.
    """
    config = metadata.get("pretrained_cfg")
    places = {name: metadata.get(name) for name in ("architecture", "arch")}
    places["pretrained_cfg"] = config.get("architecture") if isinstance(config, Mapping) else None
    for where in ARGUMENTS:
        arguments = _arguments(metadata, where)
        places |= {f"{where}.{name}": arguments.get(name) for name in NAMES}
    return [
        (name, f"'{place}'")
        for place, name in places.items()
        if isinstance(name, str) and name and name == key_text(name)
    ]


def model_arguments(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the architecture, from `--model-kwargs` of timm's `train.py`."""
    arguments = _arguments(metadata, "args").get("model_kwargs")
    return {str(key): value for key, value in arguments.items()} if isinstance(arguments, Mapping) else {}


def config_from_checkpoint(
    metadata: Mapping[str, Any], *, spec: str
) -> tuple[PreprocessingConfig | None, list[str]]:
    """Return the evaluation preprocessing stated in a checkpoint, and notes on unusable values.

    The sources are a `pretrained_cfg`, else the arguments of torchvision's reference scripts or of timm's
    `train.py`. Values that timm's script left to the architecture are left to it here too.

    Args:
        metadata: the content of the checkpoint apart from its weights, by key.
        spec: the model's spec, for messages.
    """
    config = metadata.get("pretrained_cfg")
    if isinstance(config, Mapping) and config:
        # timm replaces zeros by its defaults, and fails on other unusable values.
        own = {key: config[key] for key in KEYS if config.get(key) is not None}
        unusable = {key: value for key, value in own.items() if not KEYS[key][0](value)}
        usable_rest = {key: value for key, value in config.items() if key not in unusable}
        # timm rejects an empty config.
        settings = resolve_data_config(pretrained_cfg={"url": "", **usable_rest}) | unusable
        source = f"pretrained_cfg in {spec}"
    else:
        arguments = _arguments(metadata, "args")
        settings = _torchvision_config(arguments) or _timm_config(arguments)
        source = f"args in {spec}"
    usable = {name: value for name, value in settings.items() if name in KEYS and KEYS[name][0](value)}
    notes = [
        f"{name} of {source} cannot be used and is ignored, got {short_repr(value)}"
        for name, value in settings.items()
        if name not in usable
    ]
    stated = preprocessing_config(usable, where=source, source=source, departs=True) if usable else None
    return stated, notes


def _timm_config(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of timm's script under the names in `KEYS`."""
    config = {name: arguments[name] for name in _TIMM if arguments.get(name) not in (None, "")}
    for name in ("mean", "std"):
        if isinstance(config.get(name), (list, tuple)) and len(config[name]) == 1:
            config[name] = tuple(config[name]) * 3
    size = config.pop("img_size", None)
    if size is not None and "input_size" not in config:
        sides = tuple(size) if isinstance(size, (list, tuple)) else (size, size)
        config["input_size"] = (3, *sides)
    return config


def _torchvision_config(arguments: Mapping[str, Any]) -> dict[str, Any]:
    crop, resize = arguments.get("val_crop_size"), arguments.get("val_resize_size")
    if not isinstance(crop, int) or not isinstance(resize, int) or resize < crop or crop < 1:
        return {}
    share = crop / resize
    if math.floor(crop / share) != resize:  # timm rounds the resized side down
        share = math.nextafter(share, 0)
    return {
        "input_size": (3, crop, crop),
        "interpolation": arguments.get("interpolation", "bilinear"),
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "crop_pct": share,
    }


def _arguments(metadata: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    arguments = metadata.get(where)
    if isinstance(arguments, argparse.Namespace):
        return vars(arguments)
    return arguments if isinstance(arguments, Mapping) else {}
