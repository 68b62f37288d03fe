"""Whether the model's outputs are what they are taken for."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor

from quba_check.core.view import CLEAN
from quba_check.doctor.finding import Finding
from quba_check.doctor.significance import FEWEST
from quba_check.doctor.subject import BATCH, ModelUnderTest, contradicts
from quba_check.models.outputs import output_kind

_PEAKED = 0.5
_STRAY = 1e-3


def check(patient: ModelUnderTest) -> Iterator[Finding]:
    """Probabilities that are stated to be logits, other outputs than those stated, and softmax applied twice.

    Log-probabilities are logits whose rows happen to be normalised; nothing is said of them.
    """
    if not patient.has(CLEAN) or len(patient.sample(limit=FEWEST)) < FEWEST:
        return
    raw = patient.raw(patient.sample(limit=BATCH))
    spec, stated = patient.classifier.spec, patient.classifier.stated_outputs
    seen = output_kind(raw, half=patient.classifier.precision != "fp32")
    low, high = float(raw.min()), float(raw.max())
    if stated == "logits" and seen == "probabilities":
        yield Finding(
            check="outputs",
            problem=f"{spec}: the outputs are stated to be logits, but they are probabilities.",
            evidence=f"on {len(raw)} clean images all outputs are between {low:.3g} and {high:.3g}, "
            "and every row sums to 1",
            fix="state outputs: probabilities where logits are stated "
            "(quba_config or the preprocessing file)",
        )
    elif stated is not None and contradicts(seen, stated):
        yield Finding(
            check="outputs",
            problem=f"{spec}: the outputs are stated to be {stated}, but they are {seen}.",
            evidence=f"on {len(raw)} clean images outputs are between {low:.3g} and {high:.3g}, "
            f"and rows sum to {float(raw.sum(dim=1).min()):.3g} … {float(raw.sum(dim=1).max()):.3g}",
            fix=f"state outputs: {seen} (quba_config or the preprocessing file)",
        )
    elif seen == "probabilities" and (inner := twice_softmaxed(raw)) is not None:
        classes = raw.shape[1]
        bound = math.e / (math.e + classes - 1)
        yield Finding(
            check="outputs",
            problem=f"{spec}: the outputs went through softmax twice.",
            evidence=f"on {len(raw)} clean images no confidence is above {high:.3g}, where two softmaxes "
            f"over {classes} classes allow {bound:.3g}; without the second one it is {inner:.3g} on average",
            fix="remove one softmax: the one in the model's forward, or that of the code which calls it",
        )


def twice_softmaxed(raw: Tensor) -> float | None:
    """The mean confidence before a second softmax, if there was one.

    Of the softmax of probabilities q, log p differs from q by a constant, which is known as q sums to 1: what
    comes out must be probabilities again, for every image. The even distributions of an untrained model
    seldom pass that, and hardly ever with a high confidence.

    Args:
        raw: (N, C) probabilities.

    Returns:
        Mean of the highest q; None where there was no second softmax.

    >>> import torch
    >>> round(twice_softmaxed(torch.eye(4).softmax(dim=1)), 3)
    1.0
    >>> twice_softmaxed(torch.eye(4)) is None
    True
    """
    if float(raw.min()) <= 0:
        return None
    log_p = raw.double().log()
    inner = log_p + (1 - log_p.sum(dim=1, keepdim=True)) / raw.shape[1]
    confidence = float(inner.amax(dim=1).mean())
    fits = float(inner.min()) >= -_STRAY and float(inner.max()) <= 1 + _STRAY
    return confidence if fits and confidence >= _PEAKED else None
