"""Comparison of the first BatchNorm's input with its running statistics.

The running statistics are those of the training images. Images with the preprocessing of training give the
same mean and variance, whatever their labels; another normalisation differs visibly on a few images.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor, nn

from quba_check.doctor.subject import ModelUnderTest, Variant
from quba_check.engine.batching import default_batch
from quba_check.errors import QubaError
from quba_check.models.errors import model_errors
from quba_check.suites.suite import Example

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


def batchnorm_shift(
    subject: ModelUnderTest, examples: Sequence[Example], variant: Variant
) -> BatchNormShift | None:
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
    mean, variance = _float64(layer.running_mean), _float64(layer.running_var)
    alive = variance > _DEAD * variance.max()
    input_variance = variances.mean(dim=0) + means.var(dim=0, correction=0)
    ratio = (input_variance.clamp(min=torch.finfo(torch.float64).tiny) / variance)[alive]
    shift = ((means.mean(dim=0) - mean).square() / variance)[alive]
    divergence = 0.5 * (ratio + shift - 1 - ratio.log())
    return BatchNormShift(name, float(divergence.mean()), float(ratio.log().mean().exp()))


def _float64(tensor: Tensor) -> Tensor:
    """Return a tensor in float64, on the CPU because Apple's GPUs have no float64."""
    return tensor.cpu().double()
