"""The check for invalid answers, and those that depend on mode, state, chance or batch."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from quba_check.core.facts import short_class_names
from quba_check.doctor.finding import Finding
from quba_check.doctor.subject import PROBE, ModelUnderTest
from quba_check.errors import HeadError, ModelError
from quba_check.messages import listed
from quba_check.models.classifier import Classifier
from quba_check.models.identity.state import Version, state_digest
from quba_check.suites.suite import Suite

CHECK = "steadiness"
SAME_BATCH = {"fp32": 1e-4, "bf16": 2e-2, "fp16": 1e-2}
"""Largest difference of answers to the same batch, as a share of a row's range: a GPU may add in another
order."""
OTHER_BATCH = {"fp32": 1e-3, "bf16": 1e-1, "fp16": 5e-2}
"""The same for an image in another batch: kernels differ with the batch size, and rounding with them."""
SHOWN = 3
CLOSE = 1e-3
"""Largest difference of equal layer inputs or outputs, as a share of the largest value."""
IMAGENET = 1000
IMAGENET_21K = (21_841, 21_843, 11_221, 10_450)
"""Head sizes of models trained on ImageNet-21k or one of its cleaned versions."""


def check(subject: ModelUnderTest) -> Iterator[Finding]:
    """Report the first reason for unstable answers; others may follow from it.

    It takes two passes of a batch of eight, and one of half of it in reverse order.
    """
    classifier = subject.classifier
    finding = partial(subject.finding, CHECK)
    before = _state(subject)
    training = _in_train_mode(classifier.module)
    examples = subject.sample(limit=PROBE)
    batch = inputs = subject.inputs(examples)
    half = inputs[: (len(inputs) + 1) // 2].flip(0)
    try:
        answers = classifier.select_classes(subject.raw(examples))
        same_batch, same_text = _difference(answers, subject.forward(inputs))
        batch = half
        other_batch, other_text = _difference(answers[: len(half)].flip(0), subject.forward(half))
    except ModelError as error:
        if training:
            yield _train_mode_finding(subject, training, str(error))
        else:
            yield _failure_finding(error, subject, batch)
        return
    after = set(_state(subject))
    changed = list(dict.fromkeys(name for name, content in before if (name, content) not in after))
    training = training or _in_train_mode(classifier.module)
    if training:
        worst = same_text if same_batch >= other_batch else other_text
        yield _train_mode_finding(subject, training, f"in another pass, {worst}")
    elif changed:
        yield _written_tensors_finding(subject, changed, 2 * len(inputs) + len(half))
    elif same_batch > SAME_BATCH[classifier.compute.precision]:
        cause = _first_differing_layer(classifier, inputs, inputs, 0)
        yield finding(
            "the same images get different answers in two passes.",
            f"{same_text}{cause}",
            "draw no random numbers and count nothing in forward(); F.dropout needs training=self.training",
        )
    elif other_batch > OTHER_BATCH[classifier.compute.precision]:
        cause = _first_differing_layer(classifier, inputs, half, len(half) - 1)
        fix = "compute each image on its own: nothing in forward() may combine values along the batch"
        if "BatchNorm" in cause:
            fix = (
                "BatchNorm without running statistics uses those of the batch: train it with "
                "track_running_stats=True"
            )
        problem = "an image's answer depends on the rest of its batch."
        yield finding(problem, f"in another batch, {other_text}{cause}", fix)


def _written_tensors_finding(subject: ModelUnderTest, changed: Sequence[str], n_images: int) -> Finding:
    """Return the finding on tensors that differ after passes of a number of images."""
    tensors = "tensor differs" if len(changed) == 1 else "tensors differ"
    return subject.finding(
        CHECK,
        "a forward pass in eval mode writes to the model.",
        f"after {n_images} images, {len(changed)} {tensors}: {listed(changed, SHOWN)}",
        "write to buffers only `if self.training:`",
    )


def _difference(answers: Tensor, other: Tensor) -> tuple[float, str]:
    """Return the largest difference of answers, as a share of their range, and its text."""
    span = (answers.amax(dim=1) - answers.amin(dim=1)).clamp(min=torch.finfo(torch.float32).tiny)
    largest = float(((answers - other).abs().amax(dim=1) / span).max())
    if not largest:
        return largest, "answers stay the same"
    n = int((answers.argmax(dim=1) != other.argmax(dim=1)).sum())
    labels = f"{n} of {len(answers)} labels change" if n else "no label changes"
    return largest, f"answers change by up to {largest:.1%} of their range, {labels}"


def _state(subject: ModelUnderTest) -> list[tuple[str, Version | str]]:
    """Return versions of tensors and digests of buffers, which no pass must change."""
    buffers = subject.classifier.module.named_buffers()
    digests = ((name, state_digest({name: tensor})) for name, tensor in buffers)
    return [*subject.classifier.guard().versions().items(), *digests]


def _in_train_mode(module: nn.Module) -> list[str]:
    return [name for name, layer in module.named_modules() if layer.training]


def _train_mode_finding(subject: ModelUnderTest, training: Sequence[str], effect: str) -> Finding:
    layers = {name: type(layer).__name__ for name, layer in subject.classifier.module.named_modules()}
    # Layers that behave differently in train mode come first.
    names = sorted(training, key=lambda name: not re.search("BatchNorm|Drop", layers[name]))
    layer_names = listed((f"'{name}' ({layers[name]})" for name in names), SHOWN)
    are = "is" if len(names) == 1 else "are"
    return subject.finding(
        CHECK,
        f"after eval(), {len(names)} of {len(layers)} layers {are} in train mode.",
        f"{layer_names}; {effect}",
        "let eval() reach every layer: a custom train() must call super().train(mode), and forward() must "
        "not call it",
    )


def _failure_finding(error: ModelError, subject: ModelUnderTest, inputs: Tensor) -> Finding:
    """Return the finding for a model that fails on a batch.

    Args:
        error: the failure.
        subject: the model under examination.
        inputs: the batch, (N, 3, H, W).
    """
    if isinstance(error, HeadError):
        return head_finding(error, subject.classifier.spec, subject.suite)
    precision = subject.classifier.compute.precision
    n_images = len(inputs)
    first = _first_non_finite_layer(subject.classifier, inputs)
    evidence = f"in {precision}, on {n_images} images{first}"
    fix = "the model must return one finite number for each class and image"
    if precision != "fp32":
        with contextlib.suppress(ModelError):
            subject.forward(inputs, exact=True)
            evidence = f"in {precision}; in fp32 the same {n_images} images get finite answers{first}"
            fix = "--quba-precision fp32"
    return Finding(check=CHECK, problem=str(error), evidence=evidence, fix=fix)


def head_finding(error: HeadError, spec: str, suite: Suite) -> Finding:
    """Return the finding for a head of another size, with its usual reason."""
    theirs = error.theirs
    ours = error.classes
    classes = suite.classes
    advice = suite.head.advice(theirs)
    hint = ""
    expected = f"the suite has {ours:,}"
    if theirs == ours + 1 and suite.head.columns is None:
        hint = "; one more: a background class, or labels counted from 1"
    elif advice:
        expected = suite.head.expected if suite.head.columns else expected
    elif theirs == IMAGENET:
        hint = "; 1,000 is ImageNet's number: the head was never replaced"
    elif theirs in IMAGENET_21K:
        hint = f"; {theirs:,} is ImageNet-21k's number: the head was never replaced"
    first = ", ".join(short_class_names(classes)[:3]) + (", …" if len(classes) > 3 else "")
    return Finding(
        check=CHECK,
        problem=f"{spec}: the model has {theirs:,} classes, {expected}.",
        evidence=f"{theirs:,} outputs per image; {len(classes):,} classes in the suite ({first}){hint}",
        fix=advice or f"give a model of {ours:,} classes, or the suite of this model's classes",
    )


class _Call(NamedTuple):
    """One image's input and output in one call of a layer.

    Attributes:
        layer: name and type of the layer; empty for the whole model.
        received: its input; None if it has no row for each image.
        returned: its output, likewise.
    """

    layer: str
    received: Tensor | None
    returned: Tensor | None


def _first_differing_layer(classifier: Classifier, batch: Tensor, other: Tensor, other_at: int) -> str:
    """Return the innermost layer with different outputs for the same input.

    The input is one image in two batches.

    Args:
        classifier: the model.
        batch: a batch of inputs, (N, 3, H, W), which the image begins.
        other: another batch, or the same again.
        other_at: position of the image in the other batch.

    Returns:
        The end of a sentence on `'drop' (Dropout)`; empty if no layer can be named, as in compiled programs.
    """
    first = _calls(classifier, batch, 0)
    second = _calls(classifier, other, other_at)
    # Inner layers end before outer ones.
    for here, there in zip(first, second, strict=False):
        if here.layer != there.layer:
            break
        is_same_input = here.layer and _is_close(here.received, there.received)
        if is_same_input and not _is_close(here.returned, there.returned):
            return f"; the first layer to do so is {here.layer}"
    return ""


def _first_non_finite_layer(classifier: Classifier, batch: Tensor) -> str:
    """Return the innermost layer with NaN or infinity from finite inputs, as above."""
    for at in range(len(batch)):
        for call in _calls(classifier, batch, at):
            was_finite = call.received is None or bool(call.received.isfinite().all())
            if call.layer and was_finite and call.returned is not None and not call.returned.isfinite().all():
                return f"; the first layer to return NaN or infinity is {call.layer}"
    return ""


def _calls(classifier: Classifier, batch: Tensor, at: int) -> list[_Call]:
    """Return the layer calls of one image, in the order of their ends."""
    layers = classifier.module.named_modules()
    names = {layer: f"'{name}' ({type(layer).__name__})" for name, layer in layers if name}
    inputs: list[Tensor | None] = []
    calls: list[_Call] = []

    def row(value: Any) -> Tensor | None:
        value = value[0] if isinstance(value, tuple) and value else value
        if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != len(batch):
            return None
        return value[at].detach().float().cpu().clone()

    # An input is copied before the layer runs, which can change it in place.
    def before(_layer: nn.Module, arguments: tuple[Any, ...]) -> None:
        inputs.append(row(arguments))

    def after(layer: nn.Module, _arguments: tuple[Any, ...], returned: Any) -> None:
        calls.append(_Call(names.get(layer, ""), inputs.pop(), row(returned)))

    # Compiled programs take no hooks; invalid answers are the reason for this search.
    with (
        contextlib.suppress(ModelError, RuntimeError),
        register_module_forward_pre_hook(before),
        register_module_forward_hook(after),
        torch.no_grad(),
    ):
        classifier.raw(batch)
    return calls


def _is_close(tensor: Tensor | None, other: Tensor | None) -> bool:
    """True if both are equal up to rounding, or cannot be compared."""
    if tensor is None or other is None or tensor.shape != other.shape:
        return tensor is None or other is None
    return float((tensor - other).abs().max()) <= CLOSE * max(float(tensor.abs().max()), 1e-12)
