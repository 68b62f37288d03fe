"""The check of the model's output kind: logits, probabilities or sigmoids."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from torch import Tensor

from quba_check.doctor.finding import Finding
from quba_check.doctor.subject import BATCH, PROBE, ModelUnderTest

_PEAKED = 0.5
_STRAY = 1e-3
_NEAR = 0.02
"""Distance from 1 of the sum of a row that quantisation or another rounding can explain."""
_NEARLY_ALL = 0.9


def check(subject: ModelUnderTest) -> Iterator[Finding]:
    """Report outputs of another kind than stated or guessed, and softmax applied twice.

    Log-probabilities are logits with normalised rows, and are not reported. In the short form, a few images
    decide whether more are shown.
    """
    if subject.has_enough_images() and (not subject.short or any(_findings(subject, PROBE))):
        yield from _findings(subject, BATCH)


def _findings(subject: ModelUnderTest, limit: int) -> Iterator[Finding]:
    """Yield the findings on a number of clean images."""
    raw = subject.raw(subject.sample(limit=limit))
    stated, observed = subject.classifier.stated_outputs, subject.observed_outputs
    low, high = float(raw.min()), float(raw.max())
    sums = raw.sum(dim=1)
    near = int(((sums - 1).abs() <= _NEAR).sum())
    is_near = near >= _NEARLY_ALL * len(raw)
    finding = partial(subject.finding, "outputs")
    on_images, where = f"on {len(raw)} clean images", "(quba_config or the preprocessing file)"
    all_sums = f"{float(sums.min()):.3g} … {float(sums.max()):.3g}"
    if stated is None and observed != "logits" and is_near != (observed == "probabilities"):
        yield finding(
            f"the outputs are taken for {observed}, but {'nearly' if is_near else 'not'} all rows sum to 1.",
            f"{on_images} {near} rows sum to 1 within {_NEAR:g}; all sums are {all_sums}",
            f"state outputs: probabilities, or sigmoids {where}",
            severity="remark",
        )
    elif stated is not None and subject.contradicts(stated) and not (is_near and observed == "sigmoids"):
        is_certain = observed == "probabilities"  # and stated to be logits
        yield finding(
            f"the outputs are stated to be {stated}, but they are {observed}.",
            f"{on_images} {'all ' if is_certain else ''}outputs are between {low:.3g} and {high:.3g}, and "
            + ("every row sums to 1" if is_certain else f"rows sum to {all_sums}"),
            f"state outputs: {observed}{' instead of logits' if is_certain else ''} {where}",
        )
    elif observed == "probabilities" and (inner := twice_softmaxed(raw)) is not None:
        classes = raw.shape[1]
        bound = math.e / (math.e + classes - 1)
        yield finding(
            "softmax is applied twice to the outputs.",
            f"{on_images} no confidence is above {high:.3g}; two softmaxes over {classes} "
            f"classes allow {bound:.3g}; without the second one it is {inner:.3g} on average",
            "remove one softmax: the one in the model's forward, or that of the calling code",
        )


def twice_softmaxed(raw: Tensor) -> float | None:
    """Return the mean confidence before a second softmax; None without a second softmax.

    For p = softmax(q) of probabilities q, log p differs from q by a constant, known because q sums to 1. The
    result must be probabilities again, for every image. The flat distributions of an untrained model seldom
    pass that, and almost never with a high confidence.

    Args:
        raw: (N, C) probabilities.

    Returns:
        Mean of the highest q, in [0, 1].

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
