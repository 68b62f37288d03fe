"""The check for answers that depend on mode, state, chance or other images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from quba_check.doctor.finding import Finding
from quba_check.doctor.layer_diagnosis import first_differing_layer
from quba_check.doctor.model_failures import failure_finding
from quba_check.doctor.subject import PROBE, ModelUnderTest
from quba_check.errors import ModelError
from quba_check.messages import listed
from quba_check.models.fingerprint import state_digest
from quba_check.models.guard import Version

SAME_BATCH = {"fp32": 1e-4, "bf16": 2e-2, "fp16": 1e-2}
"""Largest difference of answers to the same batch, as a share of a row's range: a GPU may add in another
order."""
OTHER_BATCH = {"fp32": 1e-3, "bf16": 1e-1, "fp16": 5e-2}
"""The same for an image in another batch: kernels differ with the batch size, and rounding with them."""
SHOWN = 3


@dataclass(frozen=True, slots=True)
class AnswerDifference:
    """Difference of two answers to the same images.

    Attributes:
        largest: largest difference of two scores, as a share of their row's range.
        labels: number of images with another predicted class.
        images: number of images.
    """

    largest: float
    labels: int
    images: int

    @classmethod
    def between(cls, one: Tensor, other: Tensor) -> AnswerDifference:
        """Return the difference of two tables of answers, (N, C)."""
        span = (one.amax(dim=1) - one.amin(dim=1)).clamp(min=torch.finfo(torch.float32).tiny)
        largest = ((one - other).abs().amax(dim=1) / span).max()
        labels = (one.argmax(dim=1) != other.argmax(dim=1)).sum()
        return cls(float(largest), int(labels), len(one))

    def __str__(self) -> str:
        if not self.largest:
            return "answers stay the same"
        labels = f"{self.labels} of {self.images} labels change" if self.labels else "no label changes"
        return f"answers change by up to {self.largest:.1%} of their range, {labels}"


@dataclass(frozen=True, slots=True)
class ModuleState:
    """State that a forward pass must not change: tensor versions, buffer digests, train modes."""

    tensors: dict[str, Version]
    buffers: dict[str, str]
    training: tuple[str, ...]

    @classmethod
    def of(cls, subject: ModelUnderTest) -> ModuleState:
        """Return the current state of the model's module."""
        module = subject.classifier.module
        return cls(
            subject.classifier.guard().versions(),
            {name: state_digest({name: tensor}) for name, tensor in module.named_buffers()},
            tuple(name for name, layer in module.named_modules() if layer.training),
        )

    def changed(self, later: ModuleState) -> list[str]:
        """Return the names of tensors that differ later; new ones do not count."""
        versions = (name for name, version in self.tensors.items() if later.tensors.get(name) != version)
        contents = (name for name, digest in self.buffers.items() if later.buffers.get(name) != digest)
        return list(dict.fromkeys((*versions, *contents)))


def check(subject: ModelUnderTest) -> Iterator[Finding]:
    """Report the first reason for unstable answers; others may follow from it.

    It takes two passes of a batch of eight, and one of half of it in reverse order.
    """
    before = ModuleState.of(subject)
    examples = subject.sample(limit=PROBE)
    inputs = subject.inputs(examples)
    half = inputs[: (len(inputs) + 1) // 2].flip(0)
    batch = inputs
    try:
        answers = subject.classifier.select_classes(subject.raw(examples))
        same_batch = AnswerDifference.between(answers, subject.forward(inputs))
        batch = half
        other_batch = AnswerDifference.between(answers[: len(half)].flip(0), subject.forward(half))
    except ModelError as error:
        yield (
            _train_mode_finding(subject, before, str(error))
            if before.training
            else failure_finding(error, subject, batch)
        )
        return
    after = ModuleState.of(subject)
    precision = subject.classifier.precision
    if before.training or after.training:
        worst = max(same_batch, other_batch, key=lambda difference: difference.largest)
        state = before if before.training else after
        yield _train_mode_finding(subject, state, f"in another pass, {worst}")
    elif changed := before.changed(after):
        yield _state_finding(subject, changed, 2 * len(inputs) + len(half))
    elif same_batch.largest > SAME_BATCH[precision]:
        layer = first_differing_layer(subject.classifier, inputs, 0, inputs, 0)
        yield subject.finding(
            "steadiness",
            "the same images get different answers in two passes.",
            f"{same_batch}{_from_layer(layer)}",
            "draw no random numbers and count nothing in forward(); F.dropout needs training=self.training",
        )
    elif other_batch.largest > OTHER_BATCH[precision]:
        layer = first_differing_layer(subject.classifier, inputs, 0, half, len(half) - 1)
        yield subject.finding(
            "steadiness",
            "an image's answer depends on the rest of its batch.",
            f"in another batch, {other_batch}{_from_layer(layer)}",
            "BatchNorm without running statistics uses those of the batch: train it with "
            "track_running_stats=True"
            if layer is not None and "BatchNorm" in layer
            else "compute each image on its own: nothing in forward() may combine values along the batch",
        )


def _train_mode_finding(subject: ModelUnderTest, state: ModuleState, effect: str) -> Finding:
    layers = {name: type(layer).__name__ for name, layer in subject.classifier.module.named_modules()}
    # Layers that behave differently in train mode come first.
    names = sorted(state.training, key=lambda name: not re.search("BatchNorm|Drop", layers[name]))
    layer_names = listed((f"'{name}' ({layers[name]})" for name in names), SHOWN)
    are = "is" if len(names) == 1 else "are"
    return subject.finding(
        "steadiness",
        f"after eval(), {len(names)} of {len(layers)} layers {are} in train mode.",
        f"{layer_names}; {effect}",
        "let eval() reach every layer: a custom train() must call super().train(mode), and forward() must "
        "not call it",
    )


def _state_finding(subject: ModelUnderTest, changed: list[str], n_images: int) -> Finding:
    tensors = "tensor differs" if len(changed) == 1 else "tensors differ"
    return subject.finding(
        "steadiness",
        "a forward pass in eval mode writes to the model.",
        f"after {n_images} images, {len(changed)} {tensors}: {listed(changed, SHOWN)}",
        "write to buffers only `if self.training:`",
    )


def _from_layer(layer: str | None) -> str:
    return "" if layer is None else f"; the first layer to do so is {layer}"
