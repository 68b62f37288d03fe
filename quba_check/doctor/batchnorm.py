"""What a model's first BatchNorm remembers of the images that it was trained on.

Its running statistics are those of training, so that images which are prepared as they were then give the
same mean and variance there, whatever their labels. Another normalisation shows at once, on a few images.
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
"""Channels of less than this share of the largest variance say nothing."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How far the first BatchNorm's input is from that of training.

    Attributes:
        layer: its name.
        divergence: mean over channels of the Kullback-Leibler divergence of a normal distribution with the
            mean and variance seen now from one with those remembered, in nats; 0 is a perfect match.
        ratio: geometric mean over channels of the variance seen now over the one remembered.
    """

    layer: str
    divergence: float
    ratio: float


class _ReachedError(QubaError):
    """Ends a forward pass where all that is wanted has been seen."""


def first_batchnorm(module: nn.Module) -> tuple[str, nn.BatchNorm2d] | None:
    """The first BatchNorm over images that remembers statistics, and its name."""
    for name, part in module.named_modules():
        if isinstance(part, nn.BatchNorm2d) and part.running_mean is not None:
            return name, part
    return None


def mismatch(patient: ModelUnderTest, examples: Sequence[Example], variant: Variant) -> Mismatch | None:
    """How far the first BatchNorm is from training when the model is shown a batch of images.

    Only the layers before it are computed.

    Returns:
        None where the model has no such layer, or does not come to it.
    """
    found = first_batchnorm(patient.classifier.module)
    if found is None:
        return None
    name, layer = found
    seen: list[Tensor] = []

    def look(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].detach().double())
        raise _ReachedError

    handle = layer.register_forward_pre_hook(look)
    try:
        with model_errors(f"{patient.classifier.spec}: the model fails before '{name}':"), torch.no_grad():
            patient.classifier.module(patient.inputs(examples, variant=variant))
    except _ReachedError:
        pass
    finally:
        handle.remove()
    return _compared(name, layer, seen[0]) if seen else None


def _compared(name: str, layer: nn.BatchNorm2d, seen: Tensor) -> Mismatch | None:
    mean, variance = layer.running_mean, layer.running_var
    if mean is None or variance is None:
        return None
    mean, variance = mean.double(), variance.double()
    alive = variance > _DEAD * variance.max()
    now = seen.var(dim=(0, 2, 3), unbiased=False).clamp(min=torch.finfo(torch.float64).tiny)
    ratio = (now / variance)[alive]
    shift = ((seen.mean(dim=(0, 2, 3)) - mean).square() / variance)[alive]
    divergence = 0.5 * (ratio + shift - 1 - ratio.log())
    return Mismatch(name, float(divergence.mean()), float(ratio.log().mean().exp()))
