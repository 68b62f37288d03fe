"""Kinds of model outputs, and their conversion to scores z with p = softmax(z)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from quba_check.core.classes import Head
from quba_check.errors import HeadError, ModelError
from quba_check.messages import listed
from quba_check.models.identity.state import unusual_form
from quba_check.models.preprocessing.config import OUTPUT_KINDS as OUTPUT_KINDS
from quba_check.models.preprocessing.config import OutputKind as OutputKind
from quba_check.models.preprocessing.config import key_text

SPECIFIC_TO_GENERAL: tuple[OutputKind, ...] = ("probabilities", "sigmoids", "logits")
"""Outputs that look like one kind in some batches may turn out to be a later one."""

ROW_SUM_TOLERANCE = 1e-3
HALF_ROW_SUM_TOLERANCE = 1e-2
ROUNDING = 1e-6
"""Rounding error of probabilities: the mean of several softmaxes can be 1.0000001."""
IMPOSSIBLE = -200.0
"""Finite replacement of log 0; next to any possible class its softmax is 0 in float32."""


def output_kind(raw: Tensor, *, half: bool, step: float = 0.0) -> OutputKind:
    """Return the kind of outputs of a model, judged by its outputs on real images.

    A value outside [0, 1] means logits (log-probabilities are logits with normalised rows). Inside [0, 1],
    rows that all sum to 1 are probabilities, others are sigmoids, one per class. If rows sum to 1, values may
    leave [0, 1] by a rounding error. Quantisation rounds each value by up to half a step, and 1 by up to a
    whole one; a zero is never rounded up.

    Args:
        raw: outputs of the model, (N, C), finite.
        half: the forward pass ran in bf16 or fp16; sums may then differ from 1 by 1e-2 instead of 1e-3.
        step: step of quantised outputs; 0 if they are not quantised.

    >>> output_kind(torch.tensor([[0.25, 0.75]]), half=False)
    'probabilities'
    >>> output_kind(torch.tensor([[0.9, 0.8]]), half=False)
    'sigmoids'
    >>> output_kind(torch.tensor([[254.0, 0.0, 0.0]]) / 256, half=False, step=1 / 256)
    'probabilities'
    """
    tolerance = HALF_ROW_SUM_TOLERANCE if half else ROW_SUM_TOLERANCE
    rounding = max(HALF_ROW_SUM_TOLERANCE if half else ROUNDING, step)
    values = raw.detach().cpu()  # Apple's GPUs have no float64
    low, high = float(values.min()), float(values.max())
    excess = values.double().sum(dim=1) - 1
    above = ((values > 0).sum(dim=1) * (step / 2)).clamp(min=tolerance)
    below = max(tolerance, (values.shape[1] + 1) * step / 2)
    is_one = bool(((excess >= -below) & (excess <= above)).all())
    if -rounding <= low and high <= 1 + rounding and is_one:
        return "probabilities"
    return "sigmoids" if low >= 0 and high <= 1 else "logits"


def to_logits(raw: Tensor, kind: OutputKind, temperature: float = 1.0) -> Tensor:
    """Convert outputs to class scores z whose softmax is the model's distribution; differentiable.

    Logits are divided by the temperature. For probabilities z = log p; where p is 0, z is a finite constant,
    and softmax(z) is 0 again. For sigmoids z = log s − log(1 − s), with s clamped to at least 1.2e-38 and
    1 − s to at least 6e-8, the smallest nonzero values there in float32.

    Args:
        raw: outputs of the model, (N, C).
        kind: their kind.
        temperature: divisor of logits; 1 for other kinds.

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
    return raw if temperature == 1 else raw / temperature


def class_scores(raw: object) -> tuple[object, str]:
    """Return the class scores among a model's outputs, and a description of their place.

    They are the tensor itself, `logits` of an object or a dict, or the first value of a tuple or list.

    >>> class_scores((torch.zeros(1), None))[1], class_scores({"logits": torch.zeros(1)})[1]
    ('the first of 2 outputs', "the output 'logits'")
    >>> class_scores(torch.zeros(1))[1]
    ''
    """
    if isinstance(raw, Tensor):
        return raw, ""
    logits = raw.get("logits") if isinstance(raw, Mapping) else getattr(raw, "logits", None)
    if isinstance(logits, Tensor):
        return logits, "the output 'logits'"
    if isinstance(raw, (tuple, list)) and raw and isinstance(raw[0], Tensor):
        return raw[0], f"the first of {len(raw)} outputs"
    return raw, ""


def check_outputs(raw: object, *, batch: int, head: Head, spec: str) -> Tensor:
    """Return the outputs of a model, checked to be a table of class scores.

    Args:
        raw: the value that the model returned.
        batch: number N of images in the batch.
        head: the outputs expected by the suite.
        spec: the model's spec, for the message.

    Returns:
        `raw` as float32, (N, C), or (N, 1) if one output is enough.

    Raises:
        HeadError: the number of classes is wrong.
        ModelError: the value is not a dense floating tensor, or not (N, C).
    """
    allowed = f"a floating-point tensor of shape (images, classes), here ({batch}, {head.size})"
    error = partial(ModelError, where=spec, allowed=allowed)
    if not isinstance(raw, Tensor):
        raise error("the model does not return a tensor", got=_type_of(raw))
    form = unusual_form(raw)
    if form:
        raise error(f"the model returns a {form} tensor")
    if not raw.is_floating_point():
        raise error("the model does not return class scores", got=f"a tensor of {raw.dtype}")
    is_single = head.positive is not None and raw.numel() == batch
    if is_single and raw.ndim <= 2 and raw.shape[:1] == (batch,):
        return raw.float().reshape(batch, 1)
    if raw.ndim != 2 or raw.shape[0] != batch:
        raise error("the model's output has the wrong shape", got=f"{tuple(raw.shape)}")
    if raw.shape[1] != head.size:
        general = f"Give a model of {head.size} classes, or the suite of this model's classes."
        count = "1 number" if raw.shape[1] == 1 else f"{raw.shape[1]} numbers"
        raise HeadError(
            f"the model gives {count} per image, {head.expected} classes",
            where=spec,
            hint=head.advice(raw.shape[1]) or general,
            theirs=raw.shape[1],
            classes=head.size,
        )
    return raw.float()


def check_finite(raw: Tensor, *, spec: str) -> Tensor:
    """Return the outputs of a model, checked to be finite; this waits for the device.

    Args:
        raw: outputs of the model, (N, C).
        spec: the model's spec, for the message.

    Raises:
        ModelError: a value is NaN or infinite.
    """
    is_finite = bool(raw.detach().sum().isfinite())  # NaN and infinity spread to the sum
    n_invalid = 0 if is_finite else int((~raw.detach().isfinite()).any(dim=1).sum())
    if n_invalid:
        raise ModelError(
            "the model's output is not finite",
            where=spec,
            got=f"NaN or infinity for {n_invalid} of {len(raw)} images",
        )
    return raw


def _type_of(value: object) -> str:
    kind = type(value).__name__
    if isinstance(value, dict):
        return f"a {kind} with the keys {listed((key_text(key) for key in value), 5)}"
    return f"a value of type {kind}"
