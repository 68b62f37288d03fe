"""What a checkpoint says of how its model was trained: architecture and preparation."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, resolve_data_config

from quba_check.models.vocabulary import Statement, statement

ARGUMENTS = ("args", "hyper_parameters", "hparams", "config", "cfg")
"""Where training scripts keep what they were called with; timm and torchvision in the first."""
NAMES = ("architecture", "arch", "model_name", "model", "backbone", "encoder_name")
"""What they call the architecture, the most telling first."""
_TIMM = ("input_size", "img_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")
_TORCHVISION = ("val_resize_size", "val_crop_size", "interpolation")


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
    found = [Named(value, f"'{where}'") for where, value in _names(about) if isinstance(value, str) and value]
    return tuple(found)


def model_arguments(about: Mapping[str, Any]) -> dict[str, Any]:
    """What timm's `train.py` was told to build the architecture with (`--model-kwargs`)."""
    given = _arguments(about, "args").get("model_kwargs")
    return {str(key): value for key, value in given.items()} if isinstance(given, Mapping) else {}


def preparation_stated(
    about: Mapping[str, Any], pretrained_cfg: Mapping[str, Any], *, spec: str
) -> Statement | None:
    """How a checkpoint says that images were prepared when its model was evaluated.

    Read are the arguments of timm's `train.py` (what was left to the architecture is left to it here), those
    of torchvision's reference scripts, and a `pretrained_cfg`.

    Args:
        about: what the checkpoint holds beside its weights.
        pretrained_cfg: of the architecture, which completes what timm's arguments leave open.
        spec: the model's spec.

    Raises:
        ModelError: a value that cannot be used.
    """
    config = about.get("pretrained_cfg")
    if isinstance(config, Mapping) and config:
        where = "pretrained_cfg"
        return statement(
            resolve_data_config(pretrained_cfg=config),
            where=f"{spec}: {where}",
            source=f"{where} in {spec}",
            departs=True,
        )
    arguments = _arguments(about, "args")
    if all(arguments.get(name) for name in _TORCHVISION):
        said = _torchvisions(arguments)
    else:
        said = _timms(arguments, pretrained_cfg)
    if not said:
        return None
    return statement(said, where=f"{spec}: args", source=f"args in {spec}", departs=True)


def _timms(arguments: Mapping[str, Any], pretrained_cfg: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: arguments[name] for name in _TIMM if arguments.get(name) not in (None, "")}
    if not given:
        return {}
    try:
        resolved = resolve_data_config(given, pretrained_cfg=pretrained_cfg)
    except (AssertionError, TypeError):  # no arguments of timm's, though they are called the same
        return {}
    stated = {"input_size" if name == "img_size" else name for name in given}
    return {name: resolved[name] for name in _TIMM if name in stated}


def _torchvisions(arguments: Mapping[str, Any]) -> dict[str, Any]:
    crop, resize = arguments["val_crop_size"], arguments["val_resize_size"]
    share = crop / resize
    if math.floor(crop / share) != resize:  # timm rounds the size of the resize down
        share = math.nextafter(share, 0)
    return {
        "input_size": (3, crop, crop),
        "interpolation": arguments["interpolation"],
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
