"""The check for input gradients that mislead the attacks behind adversarial_robustness."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from quba_check.dimensions.adversarial_robustness import SURER, ZERO_GRADIENTS, has_constant_output
from quba_check.doctor.finding import Finding
from quba_check.doctor.significance import ALPHA, binomial_tail
from quba_check.doctor.subject import BATCH, ModelUnderTest
from quba_check.engine.attacks import fgsm_point, gradient
from quba_check.engine.batching import default_batch
from quba_check.errors import UnmeasurableError

DIMENSION = "adversarial_robustness"


def check(subject: ModelUnderTest) -> Iterator[Finding]:
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

    n, size, spec = len(examples), default_batch(classifier.device), classifier.spec
    batches = list(zip(torch.split(pixels, size), torch.split(label, size), strict=True))
    try:
        parts = [gradient(logits, points, labels) for points, labels in batches]
    except UnmeasurableError as error:
        yield _finding(n, f"{DIMENSION} cannot be measured: {error}.")
        return
    clean = torch.cat([part.logits for part in parts])
    is_zero = torch.cat([part.is_zero for part in parts]).cpu().numpy()
    confidence, predicted = clean.softmax(dim=1).max(dim=1)
    hidden = is_zero & ~has_constant_output(is_zero, predicted.cpu().numpy(), confidence.cpu().numpy())
    if binomial_tail(int(hidden.sum()), n, ZERO_GRADIENTS) < ALPHA:
        yield _finding(n, f"{spec}: {is_zero.sum()} of {n} images have no input gradient to attack along.")
        return
    with torch.no_grad():
        points = [fgsm_point(batch, part.direction) for (batch, _), part in zip(batches, parts, strict=True)]
        attacked = torch.cat([logits(batch) for batch in points])
    correct = clean.argmax(dim=1) == label
    is_surer = _true_probability(attacked, label) > _true_probability(clean, label)
    n_surer, n_correct = int((is_surer & correct).sum()), int(correct.sum())
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
