"""Input gradients that would mislead the attacks behind adversarial_robustness."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from quba_check.dimensions.adversarial_robustness import SURER, ZERO_GRADIENTS
from quba_check.doctor.finding import Finding
from quba_check.doctor.significance import ALPHA, at_least
from quba_check.doctor.subject import BATCH, ModelUnderTest
from quba_check.engine.attacks import fgsm_point, gradient
from quba_check.errors import UnmeasurableError
from quba_check.models.outputs import to_logits

DIMENSION = "adversarial_robustness"


def check(patient: ModelUnderTest) -> Iterator[Finding]:
    """Images without an input gradient, and a gradient step that makes the model surer.

    The gate takes the attacks of such a model as no evidence of robustness. A sign is reported if the images
    show it by more than chance.
    """
    classifier = patient.classifier
    examples = patient.sample(limit=BATCH)
    pixels = classifier.denormalise(patient.inputs(examples))
    label = torch.tensor([example.label for example in examples], device=classifier.device)

    def logits(points: Tensor) -> Tensor:
        patient.forwards += len(points)
        raw = classifier.raw(classifier.normalise(points), exact=True)
        return classifier.select_classes(to_logits(raw, patient.outputs))

    try:
        clean = gradient(logits, pixels, label)
    except UnmeasurableError as why:
        yield _finding(len(examples), f"{DIMENSION} cannot be measured: {why}.")
        return
    flat, n = int(clean.is_zero.sum()), len(examples)
    if at_least(flat, n, ZERO_GRADIENTS) < ALPHA:
        yield _finding(n, f"{classifier.spec}: {flat} of {n} images have no input gradient to attack along.")
        return
    with torch.no_grad():
        attacked = logits(fgsm_point(pixels, clean.direction))
    right = clean.logits.argmax(dim=1) == label
    gains = _true_probability(attacked, label) > _true_probability(clean.logits, label)
    surer, n_right = int((gains & right).sum()), int(right.sum())
    if at_least(surer, n_right, SURER) < ALPHA:
        yield _finding(
            n,
            f"{classifier.spec}: an attack along the gradient makes the model surer of {surer} of the "
            f"{n_right} images that it gets right.",
        )


def _true_probability(logits: Tensor, label: Tensor) -> Tensor:
    return logits.softmax(dim=1).gather(1, label[:, None])[:, 0]


def _finding(images: int, problem: str) -> Finding:
    return Finding(
        check="gradients",
        problem=problem,
        evidence=f"on {images} clean images; the gate takes such attacks as no evidence of robustness",
        fix="let true gradients pass from the outputs to the images, without detach, rounding or argmax, or "
        "drop the demand",
    )
