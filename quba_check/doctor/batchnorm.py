"""Comparison of the first BatchNorm's input with its running statistics.

The running statistics are those of the training images. Images with the preprocessing of training give the
same mean and variance, whatever their labels; another normalisation differs visibly on a few images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quba_check.doctor.subject import ModelUnderTest, Variant
from quba_check.errors import QubaError
from quba_check.models.classifier import model_errors
from quba_check.suites.suite import Example

_DEAD = 1e-3
"""Channels below this share of the largest variance are ignored."""


@dataclass(frozen=True, slots=True)
class BatchNormShift:
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
    layers = ((name, part) for name, part in module.named_modules() if isinstance(part, nn.BatchNorm2d))
    name, layer = next(((name, part) for name, part in layers if part.running_mean is not None), ("", None))
    if layer is None:
        return None
    batches: list[Tensor] = []

    def stop_with_input(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        batches.append(inputs[0].detach().double())
        raise _ReachedError

    handle = layer.register_forward_pre_hook(stop_with_input)
    try:
        with model_errors(f"{subject.classifier.spec}: the model fails before '{name}':"), torch.no_grad():
            module(subject.inputs(examples, variant=variant))
    except _ReachedError:
        pass
    finally:
        handle.remove()
    return _shift(name, layer, batches[0]) if batches else None


def _shift(name: str, layer: nn.BatchNorm2d, batch: Tensor) -> BatchNormShift | None:
    if layer.running_mean is None or layer.running_var is None:
        return None
    mean, variance = layer.running_mean.double(), layer.running_var.double()
    alive = variance > _DEAD * variance.max()
    batch_variance = batch.var(dim=(0, 2, 3), unbiased=False).clamp(min=torch.finfo(torch.float64).tiny)
    ratio = (batch_variance / variance)[alive]
    shift = ((batch.mean(dim=(0, 2, 3)) - mean).square() / variance)[alive]
    divergence = 0.5 * (ratio + shift - 1 - ratio.log())
    return BatchNormShift(name, float(divergence.mean()), float(ratio.log().mean().exp()))
