"""Why a model does not answer: another number of classes, too coarse a precision, or its own error."""

from __future__ import annotations

from torch import Tensor

from quba_check.core.facts import short_class_names
from quba_check.doctor.finding import Finding
from quba_check.doctor.layer_diagnosis import first_not_finite
from quba_check.doctor.subject import ModelUnderTest
from quba_check.errors import HeadError, ModelError
from quba_check.suites.suite import Suite

IMAGENET = 1000
IMAGENET_21K = (21_841, 21_843, 11_221, 10_450)
"""Head sizes of models trained on ImageNet-21k or one of its cleaned versions."""


def no_answer(error: ModelError, patient: ModelUnderTest, inputs: Tensor) -> Finding:
    """The finding for a model that fails on a batch.

    Args:
        error: how it fails.
        patient: whose model it is.
        inputs: the batch, (N, 3, H, W).
    """
    if isinstance(error, HeadError):
        return wrong_head(error, patient.classifier.spec, patient.suite)
    precision, images = patient.classifier.precision, len(inputs)
    part = first_not_finite(patient.classifier, inputs)
    where = "" if part is None else f"; the first part that gives NaN or infinity is {part}"
    if precision != "fp32" and _answers_exactly(patient, inputs):
        return Finding(
            check="steadiness",
            problem=str(error),
            evidence=f"in {precision}; in fp32 the same {images} images get finite answers{where}",
            fix="--quba-precision fp32",
        )
    return Finding(
        check="steadiness",
        problem=str(error),
        evidence=f"in {precision}, on {images} images{where}",
        fix="the model must give one finite number for each class and image",
    )


def wrong_head(error: HeadError, spec: str, suite: Suite) -> Finding:
    """The finding for a head of another size, with what that size usually means."""
    theirs, ours, classes = error.theirs, error.classes, suite.classes
    advice = suite.head.advice(theirs)
    hint, expected = "", f"the suite has {ours:,}"
    if advice:
        expected = suite.head.expected if suite.head.columns else expected
    elif theirs == ours + 1:
        hint = "; one more: a class for the background, or labels that were counted from 1"
    elif theirs == IMAGENET:
        hint = "; 1,000 is ImageNet's number: the head was never replaced"
    elif theirs in IMAGENET_21K:
        hint = f"; {theirs:,} is ImageNet-21k's number: the head was never replaced"
    first = ", ".join(short_class_names(classes)[:3]) + (", …" if len(classes) > 3 else "")
    return Finding(
        check="steadiness",
        problem=f"{spec}: the model has {theirs:,} classes, {expected}.",
        evidence=f"{theirs:,} numbers an image; {len(classes):,} classes in the suite ({first}){hint}",
        fix=advice or f"give a model of {ours:,} classes, or the suite of this model's classes",
    )


def _answers_exactly(patient: ModelUnderTest, inputs: Tensor) -> bool:
    try:
        patient.show(inputs, exact=True)
    except ModelError:
        return False
    return True
