"""Which part of a model answers otherwise, where that can be told from what goes in and out of its parts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from quba_check.errors import ModelError
from quba_check.models.classifier import Classifier

CLOSE = 1e-3
"""Difference, as a share of the largest value, up to which what goes into a part counts as the same."""


@dataclass(frozen=True, slots=True)
class Call:
    """What one call of a part made of one image.

    Attributes:
        part: the part's name.
        received: what went in; None where it cannot be told.
        returned: what came out, likewise.
    """

    part: str
    received: Tensor | None
    returned: Tensor | None


def first_difference(classifier: Classifier, one: Tensor, at: int, other: Tensor, there: int) -> str | None:
    """The innermost part that makes different things of the same image in two batches.

    Args:
        classifier: the model.
        one: a batch of inputs, (N, 3, H, W).
        at: position of the image in it.
        other: another batch, or the same once more.
        there: position of the image in that.

    Returns:
        `'drop' (Dropout)`; None where no single part can be named, as in compiled programs.
    """
    first, second = _calls(classifier, one, at), _calls(classifier, other, there)
    parts = dict(classifier.module.named_modules())
    # Calls are in the order in which they ended: inner ones before those around them.
    for here, elsewhere in zip(first, second, strict=False):
        if here.part != elsewhere.part:
            return None
        same = _alike(here.received, elsewhere.received)
        if here.part and same and not _alike(here.returned, elsewhere.returned):
            return f"'{here.part}' ({type(parts[here.part]).__name__})"
    return None


def first_not_finite(classifier: Classifier, batch: Tensor) -> str | None:
    """The innermost part that makes NaN or infinity of finite values of an image; None as above."""
    parts = dict(classifier.module.named_modules())
    for at in range(len(batch)):
        for call in _calls(classifier, batch, at):
            was_finite = call.received is None or bool(call.received.isfinite().all())
            if call.part and was_finite and call.returned is not None and not call.returned.isfinite().all():
                return f"'{call.part}' ({type(parts[call.part]).__name__})"
    return None


def _calls(classifier: Classifier, batch: Tensor, at: int) -> list[Call]:
    made: list[Call] = []
    # A compiled program takes no hooks; answers that cannot be used are what is looked into here.
    with (
        contextlib.suppress(ModelError, RuntimeError),
        _watched(classifier.module, made, len(batch), at),
        torch.no_grad(),
    ):
        classifier.raw(batch)
    return made


@contextlib.contextmanager
def _watched(module: nn.Module, made: list[Call], images: int, at: int) -> Iterator[None]:
    received: list[Tensor | None] = []

    def row(value: Any) -> Tensor | None:
        value = value[0] if isinstance(value, tuple) and value else value
        if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != images:
            return None
        return value[at].detach().float().cpu().clone()

    def before(_part: nn.Module, arguments: tuple[Any, ...]) -> None:
        received.append(row(arguments))

    def after(name: str) -> Any:
        def hook(_part: nn.Module, _arguments: tuple[Any, ...], returned: Any) -> None:
            made.append(Call(name, received.pop(), row(returned)))

        return hook

    handles = []
    try:
        for name, part in module.named_modules():
            handles += [part.register_forward_pre_hook(before), part.register_forward_hook(after(name))]
        yield
    finally:
        for handle in handles:
            handle.remove()


def _alike(one: Tensor | None, other: Tensor | None) -> bool:
    """Whether both are the same but for rounding; what cannot be compared counts as the same."""
    if one is None or other is None:
        return True
    if one.shape != other.shape:
        return False
    return float((one - other).abs().max()) <= CLOSE * max(float(one.abs().max()), 1e-12)
