"""Findings for a model without valid answers: wrong head, coarse precision, exception."""

from __future__ import annotations

from torch import Tensor

from quba_check.core.facts import short_class_names
from quba_check.doctor.finding import Finding
from quba_check.doctor.layer_diagnosis import first_non_finite_layer
from quba_check.doctor.subject import ModelUnderTest
from quba_check.errors import HeadError, ModelError
from quba_check.suites.suite import Suite

IMAGENET = 1000
IMAGENET_21K = (21_841, 21_843, 11_221, 10_450)
"""Head sizes of models trained on ImageNet-21k or one of its cleaned versions."""


def failure_finding(error: ModelError, subject: ModelUnderTest, inputs: Tensor) -> Finding:
    """Return the finding for a model that fails on a batch.

    Args:
        error: the failure.
        subject: the model under examination.
        inputs: the batch, (N, 3, H, W).
    """
    if isinstance(error, HeadError):
        return head_finding(error, subject.classifier.spec, subject.suite)
    precision, n_images = subject.classifier.precision, len(inputs)
    layer = first_non_finite_layer(subject.classifier, inputs)
    first = "" if layer is None else f"; the first layer to return NaN or infinity is {layer}"
    evidence = f"in {precision}, on {n_images} images{first}"
    fix = "the model must return one finite number for each class and image"
    if precision != "fp32":
        try:
            subject.forward(inputs, exact=True)
        except ModelError:
            pass
        else:
            evidence = f"in {precision}; in fp32 the same {n_images} images get finite answers{first}"
            fix = "--quba-precision fp32"
    return Finding(check="steadiness", problem=str(error), evidence=evidence, fix=fix)


def head_finding(error: HeadError, spec: str, suite: Suite) -> Finding:
    """Return the finding for a head of another size, with its usual reason."""
    theirs, ours, classes = error.theirs, error.classes, suite.classes
    advice = suite.head.advice(theirs)
    hint, expected = "", f"the suite has {ours:,}"
    if advice:
        expected = suite.head.expected if suite.head.columns else expected
    elif theirs == ours + 1:
        hint = "; one more: a background class, or labels counted from 1"
    elif theirs == IMAGENET:
        hint = "; 1,000 is ImageNet's number: the head was never replaced"
    elif theirs in IMAGENET_21K:
        hint = f"; {theirs:,} is ImageNet-21k's number: the head was never replaced"
    first = ", ".join(short_class_names(classes)[:3]) + (", …" if len(classes) > 3 else "")
    return Finding(
        check="steadiness",
        problem=f"{spec}: the model has {theirs:,} classes, {expected}.",
        evidence=f"{theirs:,} outputs per image; {len(classes):,} classes in the suite ({first}){hint}",
        fix=advice or f"give a model of {ours:,} classes, or the suite of this model's classes",
    )
