"""The checks of the model's outputs and of its input gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from quba_check.core.view import FGSM
from quba_check.dimensions.adversarial_robustness import SURER, ZERO_GRADIENTS, has_constant_output
from quba_check.doctor.finding import Finding
from quba_check.doctor.significance import ALPHA, binomial_tail
from quba_check.doctor.subject import BATCH, PROBE, ModelUnderTest
from quba_check.engine.attacks import fgsm_point, gradient
from quba_check.engine.batching import default_batch
from quba_check.errors import UnmeasurableError

_PEAKED = 0.5
_STRAY = 1e-3
_NEAR = 0.02
"""Distance from 1 of the sum of a row that an unknown rounding can explain."""
_NEARLY_ALL = 0.9


def check_outputs(subject: ModelUnderTest) -> Iterator[Finding]:
    """Report outputs of another kind than stated or guessed, and softmax applied twice.

    Log-probabilities are logits with normalised rows, and are not reported. In the short form, a few images
    decide whether more are shown.
    """
    if subject.has_enough_images() and (not subject.short or any(_findings(subject, PROBE))):
        yield from _findings(subject, BATCH)


def _findings(subject: ModelUnderTest, limit: int) -> Iterator[Finding]:
    """Yield the findings on a number of clean images."""
    raw = subject.raw(subject.sample(limit=limit))
    stated = subject.classifier.stated_outputs
    observed = subject.observed_outputs
    low, high = float(raw.min()), float(raw.max())
    sums = raw.sum(dim=1)
    step = subject.classifier.output_step
    below = max(_NEAR, step * raw.shape[1])  # each class may be rounded down
    above = ((raw > 0).sum(dim=1) * (step / 2)).clamp(min=_NEAR)  # but only to the nearest step up
    near = int(((sums >= 1 - below) & (sums <= 1 + above)).sum())
    is_near = near >= _NEARLY_ALL * len(raw)
    finding = partial(subject.finding, "outputs")
    on_images = f"on {len(raw)} clean images"
    where = "(quba_config or the preprocessing file)"
    all_sums = f"{float(sums.min()):.3g} … {float(sums.max()):.3g}"
    if stated is None and observed != "logits" and is_near != (observed == "probabilities"):
        yield finding(
            f"the outputs are taken for {observed}, but {'nearly' if is_near else 'not'} all rows sum to 1.",
            f"{on_images} {near} rows sum to 1 within {below:g}; all sums are {all_sums}",
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


GRADIENTS_DIMENSION = "adversarial_robustness"


def check_gradients(subject: ModelUnderTest) -> Iterator[Finding]:
    """Report images without an input gradient, and an attack that makes the model more confident.

    The gate does not accept the attacks of such a model as evidence of robustness. Both are reported if the
    images show them significantly.
    """
    classifier = subject.classifier
    examples = subject.sample(limit=BATCH)
    pixels = classifier.denormalise(subject.inputs(examples))
    label = torch.tensor([example.label for example in examples], device=classifier.device)

    def logits(points: Tensor) -> Tensor:
        subject.forwards += len(points)
        return subject.scores(classifier.raw(classifier.normalise(points), exact=True))

    n = len(examples)
    size = default_batch(classifier.device)
    spec = classifier.spec
    batches = list(zip(torch.split(pixels, size), torch.split(label, size), strict=True))
    try:
        parts = [gradient(logits, points, labels) for points, labels in batches]
    except UnmeasurableError as error:
        yield _finding(n, f"{GRADIENTS_DIMENSION} cannot be measured: {error}.")
        return
    clean = torch.cat([part.logits for part in parts])
    is_zero = torch.cat([part.is_zero for part in parts]).cpu().numpy()
    confidence, predicted = clean.softmax(dim=1).max(dim=1)
    hidden = is_zero & ~has_constant_output(is_zero, predicted.cpu().numpy(), confidence.cpu().numpy())
    if binomial_tail(int(hidden.sum()), n, ZERO_GRADIENTS) < ALPHA:
        yield _finding(n, f"{spec}: {is_zero.sum()} of {n} images have no input gradient to attack along.")
        return
    with torch.no_grad():
        points = [
            fgsm_point(batch, part.direction, FGSM.radius)
            for (batch, _), part in zip(batches, parts, strict=True)
        ]
        attacked = torch.cat([logits(batch) for batch in points])
    correct = clean.argmax(dim=1) == label
    is_surer = _true_probability(attacked, label) > _true_probability(clean, label)
    n_surer = int((is_surer & correct).sum())
    n_correct = int(correct.sum())
    if binomial_tail(n_surer, n_correct, SURER) < ALPHA:
        yield _finding(
            n,
            f"{spec}: an attack along the gradient makes the model more confident on {n_surer} of "
            f"its {n_correct} correct images.",
        )


def _true_probability(logits: Tensor, label: Tensor) -> Tensor:
    return logits.softmax(dim=1).gather(1, label[:, None])[:, 0]


def _finding(n_images: int, problem: str) -> Finding:
    return Finding(
        check="gradients",
        problem=problem,
        evidence=f"on {n_images} clean images; the gate does not accept such attacks as evidence of "
        "robustness",
        fix="let true, finite gradients pass from the outputs to the images, without detach, rounding or "
        "argmax, or remove the demand",
    )
