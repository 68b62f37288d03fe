"""Common preprocessings as candidates, and the first BatchNorm's input under one.

The running statistics of a BatchNorm are those of the training images. Images with the preprocessing of
training give the same mean and variance, whatever their labels; another normalisation differs visibly on a
few images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from quba_check.doctor.subject import BATCH, ModelUnderTest, Variant
from quba_check.engine.batching import default_batch
from quba_check.errors import QubaError
from quba_check.models.errors import model_errors
from quba_check.models.preprocessing.config import IMAGENET_MEAN, IMAGENET_STD
from quba_check.models.preprocessing.preprocessing import for_channels

_BYTES = (1 / 255, 1 / 255, 1 / 255)
Triple = tuple[float, float, float]
MeanAndStd = tuple[tuple[float, ...], tuple[float, ...]]
NONE: tuple[Triple, Triple] = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
_NORMALISED: tuple[tuple[Triple, Triple], ...] = (
    (IMAGENET_MEAN, IMAGENET_STD),
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),  # Inception
    ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),  # CLIP
)
_CLOSE = 0.02
_CROPS = (0.875, 0.95, 1.0)
_INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
_SIDES = (32, 64, 128, 224, 384)


def normalisation_candidates(current: Variant) -> list[Variant]:
    """The common normalisations other than the one in use."""
    preprocessing = current.preprocessing
    candidates = [
        [for_channels(values, preprocessing.input_size[0]) for values in pair]
        for pair in (*_NORMALISED, NONE, (NONE[0], _BYTES))
    ]
    return [
        replace(current, preprocessing=replace(preprocessing, mean=mean, std=std))
        for mean, std in candidates
        if not is_close((mean, std), (preprocessing.mean, preprocessing.std))
    ]


def bgr_candidates(current: Variant) -> list[Variant]:
    """BGR channels, with the normalisation in use and with that of Caffe's models."""
    if current.preprocessing.is_grey:
        return []
    caffe = replace(current.preprocessing, mean=IMAGENET_MEAN, std=_BYTES)
    return [replace(current, is_bgr=True), replace(current, preprocessing=caffe, is_bgr=True)]


def geometry_candidates(current: Variant) -> list[Variant]:
    """Common crops, filters and sizes, each the only change to the preprocessing in use."""
    preprocessing = current.preprocessing
    channels = preprocessing.input_size[0]
    sides = [side for side in _SIDES if side <= 2 * max(preprocessing.input_size)]
    squash = {"crop_mode": "squash", "crop_pct": 1.0}
    changes: list[tuple[str, dict[str, Any]]] = [
        *((f"crop_pct {crop:g}", {"crop_pct": crop}) for crop in _CROPS),
        *([] if preprocessing.crop_mode == "squash" else [("crop_mode squash", squash)]),
        *((f"interpolation {name}", {"interpolation": name}) for name in _INTERPOLATIONS),
        *((f"{side} × {side} pixels", {"input_size": (channels, side, side)}) for side in sides),
    ]
    names = {replace(preprocessing, **change): name for name, change in changes}
    names.pop(preprocessing, None)
    # Small images are fast: if the time is limited, they come first.
    ranked = sorted(names, key=lambda candidate: candidate.input_size[1:])
    return [replace(current, preprocessing=candidate, name=names[candidate]) for candidate in ranked]


def is_close(normalisation: MeanAndStd, other: MeanAndStd) -> bool:
    """True if two normalisations are equal up to rounding."""
    mean, std = (for_channels(values, len(normalisation[0])) for values in other)
    pairs = zip((*normalisation[0], *normalisation[1]), (*mean, *std), strict=True)
    return all(abs(a - b) <= _CLOSE * max(abs(a), abs(b)) + 1e-6 for a, b in pairs)


def own_normalisation(module: nn.Module) -> str | None:
    """Name of an attribute or tensor that looks like a channel mean; None if missing."""
    for name, value in _triples(module):
        if any(is_close((value, value), (mean, mean)) for mean, _ in _NORMALISED):
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


_DEAD = 1e-3
"""Channels below this share of the largest variance are ignored."""


class BatchNormShift(NamedTuple):
    """Distance of the first BatchNorm's input from that of training.

    Attributes:
        layer: name of the BatchNorm.
        divergence: Kullback-Leibler divergence of normal distributions with the input's and the running mean
            and variance, in nats, averaged over channels; 0 is a perfect match.
        variance_ratio: input variance over running variance, geometric mean over channels.
    """

    layer: str
    divergence: float
    variance_ratio: float


class _ReachedError(QubaError):
    """Ends a forward pass at the BatchNorm."""


def batchnorm_shift(subject: ModelUnderTest, variant: Variant) -> BatchNormShift | None:
    """Return the shift of the first BatchNorm's input on a batch of clean images.

    The forward pass ends at that layer.

    Returns:
        None if the model has no BatchNorm2d with running statistics, or does not reach it.
    """
    module = subject.classifier.module
    layers = [(name, part) for name, part in module.named_modules() if isinstance(part, nn.BatchNorm2d)]
    name, layer = next(((name, part) for name, part in layers if part.running_mean is not None), ("", None))
    if layer is None or layer.running_mean is None or layer.running_var is None:
        return None
    moments: list[Tensor] = []

    def stop_with_input(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        moments.append(_float64(torch.stack(torch.var_mean(inputs[0].detach(), dim=(2, 3), correction=0))))
        raise _ReachedError

    examples = subject.sample(limit=BATCH)
    size = default_batch(subject.classifier.device)
    with layer.register_forward_pre_hook(stop_with_input):
        for inputs in torch.split(subject.inputs(examples, variant=variant), size):
            with (
                suppress(_ReachedError),
                model_errors(f"the model fails before '{name}':", where=subject.classifier.spec),
                torch.no_grad(),
            ):
                module(inputs)
    if not moments:
        return None
    variances, means = torch.cat(moments, dim=1)  # (N, channels) within each image
    mean = _float64(layer.running_mean)
    variance = _float64(layer.running_var)
    alive = variance > _DEAD * variance.max()
    input_variance = variances.mean(dim=0) + means.var(dim=0, correction=0)
    ratio = (input_variance.clamp(min=torch.finfo(torch.float64).tiny) / variance)[alive]
    shift = ((means.mean(dim=0) - mean).square() / variance)[alive]
    divergence = 0.5 * (ratio + shift - 1 - ratio.log())
    return BatchNormShift(name, float(divergence.mean()), float(ratio.log().mean().exp()))


def _float64(tensor: Tensor) -> Tensor:
    """Return a tensor in float64, on the CPU because Apple's GPUs have no float64."""
    return tensor.cpu().double()
