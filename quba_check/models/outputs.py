"""What a model's outputs are, and the one form in which all else reads them: z with p = softmax(z)."""

from __future__ import annotations

import torch
from torch import Tensor

from quba_check.core.head import Head
from quba_check.errors import HeadError, ModelError, listed
from quba_check.models.fingerprint import unusual_form
from quba_check.models.preprocessing.config import OUTPUT_KINDS as OUTPUT_KINDS
from quba_check.models.preprocessing.config import OutputKind as OutputKind
from quba_check.models.preprocessing.config import key_text

SPECIFIC_TO_GENERAL: tuple[OutputKind, ...] = ("probabilities", "sigmoids", "logits")
"""What looks like one of them in some batches may be one further on in truth."""

ROW_SUM_TOLERANCE = 1e-3
HALF_ROW_SUM_TOLERANCE = 1e-2
ROUNDING = 1e-6
"""How far rounding may take a probability outside [0, 1]: the mean of several softmaxes can be 1.0000001."""
IMPOSSIBLE = -200.0
"""Stands for log 0: finite, and its softmax beside any possible class is 0 in float32."""


def output_kind(raw: Tensor, *, half: bool) -> OutputKind:
    """What a model returns, told from its outputs on real images.

    A value outside [0, 1] means logits (log-probabilities are logits whose rows happen to be normalised).
    Inside [0, 1], rows that all sum to 1 are probabilities, others are sigmoids, one a class. Where rows sum
    to 1, values may stray from [0, 1] by rounding.

    Args:
        raw: outputs of the model, (N, C), finite.
        half: the forward pass ran in bf16 or fp16, so that sums are coarser (within 1e-2 instead of 1e-3).

    Returns:
        The kind.

    >>> output_kind(torch.tensor([[0.25, 0.75]]), half=False)
    'probabilities'
    >>> output_kind(torch.tensor([[0.9, 0.8]]), half=False)
    'sigmoids'
    """
    tolerance = HALF_ROW_SUM_TOLERANCE if half else ROW_SUM_TOLERANCE
    stray = HALF_ROW_SUM_TOLERANCE if half else ROUNDING
    low, high = float(raw.min()), float(raw.max())
    sums = raw.double().sum(dim=1)
    if -stray <= low and high <= 1 + stray and bool(((sums - 1).abs() <= tolerance).all()):
        return "probabilities"
    return "sigmoids" if low >= 0 and high <= 1 else "logits"


def to_logits(raw: Tensor, kind: OutputKind) -> Tensor:
    """Class scores z whose softmax is the model's distribution; differentiable.

    Logits stay as they are. Of probabilities z = log p; where p is 0, z is finite and constant, and
    softmax(z) is 0 again. Of sigmoids z = log s − log(1 − s), with s held above 1.2e-38 and 1 − s above 6e-8,
    the smallest that float32 tells from 0 there.

    Args:
        raw: outputs of the model, (N, C).
        kind: what they are.

    Returns:
        z, (N, C), float32.

    >>> to_logits(torch.tensor([[0.5, 0.5, 0.0]]), "probabilities").softmax(dim=1).tolist()
    [[0.5, 0.5, 0.0]]
    """
    raw = raw.float()
    tiny = torch.finfo(torch.float32).tiny
    if kind == "probabilities":
        return torch.where(raw > 0, raw.clamp(min=tiny).log(), IMPOSSIBLE)
    if kind == "sigmoids":
        ulp = torch.finfo(torch.float32).eps / 2
        return raw.clamp(min=tiny).log() - (1 - raw).clamp(min=ulp).log()
    return raw


def checked(raw: object, *, batch: int, head: Head, spec: str) -> Tensor:
    """What a model returned for a batch, if that can be read as class scores.

    Args:
        raw: whatever the model returned.
        batch: number N of images that it was shown.
        head: the outputs that the suite expects.
        spec: the model's spec, for the message.

    Returns:
        `raw` as float32, (N, C).

    Raises:
        HeadError: it has another number of classes.
        ModelError: it is not a dense floating tensor, not (N, C), or not finite.
    """
    allowed = f"Allowed: a floating-point tensor of shape (images, classes), here ({batch}, {head.size})."
    if not isinstance(raw, Tensor):
        raise ModelError(f"{spec}: the model returns no tensor, got {_described(raw)}. {allowed}")
    if form := unusual_form(raw):
        raise ModelError(f"{spec}: the model returns a {form} tensor. {allowed}")
    if not raw.is_floating_point():
        raise ModelError(f"{spec}: the model returns no class scores, got a tensor of {raw.dtype}. {allowed}")
    if raw.ndim != 2 or raw.shape[0] != batch:
        raise ModelError(f"{spec}: the model's output has the wrong shape, got {tuple(raw.shape)}. {allowed}")
    if raw.shape[1] != head.size:
        general = f"Give a model of {head.size} classes, or the suite of this model's classes."
        raise HeadError(
            f"{spec}: the model gives {raw.shape[1]} numbers per image, {head.expected} classes. "
            f"{head.advice(raw.shape[1]) or general}",
            theirs=raw.shape[1],
            classes=head.size,
        )
    bad = int((~raw.detach().isfinite()).any(dim=1).sum())
    if bad:
        raise ModelError(
            f"{spec}: the model's output is not finite, got NaN or infinity for {bad} of {batch} images."
        )
    return raw.float()


def _described(value: object) -> str:
    kind = type(value).__name__
    if isinstance(value, dict):
        return f"a {kind} with the keys {listed((key_text(key) for key in value), 5)}"
    if isinstance(value, (tuple, list)):
        return f"a {kind} of {len(value)}"
    return f"a value of type {kind}"
