"""Search for the layer behind an unstable or non-finite answer."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from quba_check.errors import ModelError
from quba_check.models.classifier import Classifier

CLOSE = 1e-3
"""Largest difference of equal layer inputs or outputs, as a share of the largest value."""


class Call(NamedTuple):
    """One image's input and output in one call of a layer.

    Attributes:
        layer: the layer's name.
        received: its input; None if it has no row for each image.
        returned: its output, likewise.
    """

    layer: str
    received: Tensor | None
    returned: Tensor | None


def first_differing_layer(
    classifier: Classifier, one: Tensor, at: int, other: Tensor, other_at: int
) -> str | None:
    """Return the innermost layer with different outputs for the same input.

    The input is one image in two batches.

    Args:
        classifier: the model.
        one: a batch of inputs, (N, 3, H, W).
        at: position of the image in it.
        other: another batch, or the same again.
        other_at: position of the image in the other batch.

    Returns:
        `'drop' (Dropout)`; None if no layer can be named, as in compiled programs.
    """
    first, second = _calls(classifier, one, at), _calls(classifier, other, other_at)
    # Inner layers end before outer ones.
    for here, there in zip(first, second, strict=False):
        if here.layer != there.layer:
            return None
        is_same_input = here.layer and _is_close(here.received, there.received)
        if is_same_input and not _is_close(here.returned, there.returned):
            return _described(classifier, here.layer)
    return None


def first_non_finite_layer(classifier: Classifier, batch: Tensor) -> str | None:
    """Return the innermost layer with NaN or infinity from finite inputs; None as above."""
    for at in range(len(batch)):
        for call in _calls(classifier, batch, at):
            was_finite = call.received is None or bool(call.received.isfinite().all())
            if call.layer and was_finite and call.returned is not None and not call.returned.isfinite().all():
                return _described(classifier, call.layer)
    return None


def _described(classifier: Classifier, layer: str) -> str:
    return f"'{layer}' ({type(classifier.module.get_submodule(layer)).__name__})"


def _calls(classifier: Classifier, batch: Tensor, at: int) -> list[Call]:
    """Return the layer calls of one image, in the order of their ends."""
    names = {layer: name for name, layer in classifier.module.named_modules()}
    inputs: list[Tensor | None] = []
    calls: list[Call] = []

    def row(value: Any) -> Tensor | None:
        value = value[0] if isinstance(value, tuple) and value else value
        if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != len(batch):
            return None
        return value[at].detach().float().cpu().clone()

    # An input is copied before the layer runs, which can change it in place.
    def before(_layer: nn.Module, arguments: tuple[Any, ...]) -> None:
        inputs.append(row(arguments))

    def after(layer: nn.Module, _arguments: tuple[Any, ...], returned: Any) -> None:
        calls.append(Call(names.get(layer, ""), inputs.pop(), row(returned)))

    # Compiled programs take no hooks; invalid answers are the reason for this search.
    with (
        contextlib.suppress(ModelError, RuntimeError),
        register_module_forward_pre_hook(before),
        register_module_forward_hook(after),
        torch.no_grad(),
    ):
        classifier.raw(batch)
    return calls


def _is_close(one: Tensor | None, other: Tensor | None) -> bool:
    """True if both are equal up to rounding, or cannot be compared."""
    if one is None or other is None:
        return True
    if one.shape != other.shape:
        return False
    return float((one - other).abs().max()) <= CLOSE * max(float(one.abs().max()), 1e-12)
