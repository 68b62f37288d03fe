"""Common normalisations, resizes and crops, as candidates for the preprocessing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from quba_check.doctor.subject import Variant
from quba_check.models.preprocessing.config import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    INCEPTION_MEAN,
    INCEPTION_STD,
)

_BYTES = (1 / 255, 1 / 255, 1 / 255)
Triple = tuple[float, float, float]
NONE: tuple[Triple, Triple] = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
_NORMALISED: tuple[tuple[Triple, Triple], ...] = (
    (IMAGENET_MEAN, IMAGENET_STD),
    (INCEPTION_MEAN, INCEPTION_STD),
    (CLIP_MEAN, CLIP_STD),
)
_CLOSE = 0.02
_CROPS = (0.875, 0.95, 1.0)
_INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
_SIDES = (32, 64, 128, 224, 384)


def normalisation_candidates(current: Variant) -> list[Variant]:
    """The common normalisations other than the one in use."""
    preprocessing = current.preprocessing
    return [
        replace(current, preprocessing=replace(preprocessing, mean=mean, std=std))
        for mean, std in (*_NORMALISED, NONE, (NONE[0], _BYTES))
        if not is_close((mean, std), (preprocessing.mean, preprocessing.std))
    ]


def bgr_candidates(current: Variant) -> list[Variant]:
    """BGR channels, with the normalisation in use and with that of Caffe's models."""
    caffe = replace(current.preprocessing, mean=IMAGENET_MEAN, std=_BYTES)
    return [replace(current, is_bgr=True), replace(current, preprocessing=caffe, is_bgr=True)]


def geometry_candidates(current: Variant) -> list[Variant]:
    """Common crops, filters and sizes, each the only change to the preprocessing in use."""
    preprocessing = current.preprocessing
    sides = [side for side in _SIDES if side <= 2 * max(preprocessing.input_size)]
    squash = {"crop_mode": "squash", "crop_pct": 1.0}
    changes: list[tuple[str, dict[str, Any]]] = [
        *((f"crop_pct {crop:g}", {"crop_pct": crop}) for crop in _CROPS),
        *([] if preprocessing.crop_mode == "squash" else [("crop_mode squash", squash)]),
        *((f"interpolation {name}", {"interpolation": name}) for name in _INTERPOLATIONS),
        *((f"{side} × {side} pixels", {"input_size": (3, side, side)}) for side in sides),
    ]
    names = {replace(preprocessing, **change): name for name, change in changes}
    names.pop(preprocessing, None)
    # Small images are fast: if the time is limited, they come first.
    ranked = sorted(names, key=lambda candidate: candidate.input_size[1:])
    return [replace(current, preprocessing=candidate, name=names[candidate]) for candidate in ranked]


def is_close(one: tuple[Triple, Triple], other: tuple[Triple, Triple]) -> bool:
    """True if two normalisations are equal up to rounding."""
    pairs = zip((*one[0], *one[1]), (*other[0], *other[1]), strict=True)
    return all(abs(a - b) <= _CLOSE * max(abs(a), abs(b)) + 1e-6 for a, b in pairs)


def own_normalisation(module: nn.Module) -> str | None:
    """Name of an attribute or tensor that looks like a channel mean; None if missing."""
    means = [mean for mean, _ in _NORMALISED]
    for name, value in _triples(module):
        if any(is_close((value, value), (mean, mean)) for mean in means):
            return name
    return None


def _triples(module: nn.Module) -> Iterator[tuple[str, Triple]]:
    """Yield every attribute and tensor of three numbers; values above 1 are divided by 255."""
    for name, part in module.named_modules():
        attributes: dict[str, Any] = {**vars(part), **part._buffers, **part._parameters}
        for key, value in attributes.items():
            is_small = isinstance(value, torch.Tensor) and value.numel() == 3
            numbers = value.detach().flatten().tolist() if is_small else value
            if not isinstance(numbers, (list, tuple)) or len(numbers) != 3:
                continue
            if all(isinstance(x, (int, float)) for x in numbers):
                scale = 255 if all(x > 1 for x in numbers) else 1
                r, g, b = (float(x) / scale for x in numbers)
                yield f"{name}.{key}" if name else key, (r, g, b)
