"""Whether the same image gets the same answer: not by train mode, state, chance or its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quba_check.doctor.finding import Finding
from quba_check.doctor.layer_diagnosis import first_difference
from quba_check.doctor.model_failures import no_answer
from quba_check.doctor.subject import ModelUnderTest
from quba_check.errors import ModelError, listed
from quba_check.models.fingerprint import state_digest
from quba_check.models.guard import Version

PROBE = 8
"""Images that are shown, at most."""
AGAIN = {"fp32": 1e-4, "bf16": 2e-2, "fp16": 1e-2}
"""How far the same batch may answer otherwise, as a share of the span of a row: a GPU may add up in another
order."""
ELSEWHERE = {"fp32": 1e-3, "bf16": 1e-1, "fp16": 5e-2}
"""The same for an image in another batch: kernels differ with the batch size, and rounding with them."""
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """How far answers to the same images are apart.

    Attributes:
        largest: largest difference of two numbers, as a share of their row's span.
        labels: images with another top-1.
        images: how many were compared.
    """

    largest: float
    labels: int
    images: int

    @classmethod
    def between(cls, one: Tensor, other: Tensor) -> Difference:
        """The difference of two tables of answers, (N, C)."""
        span = (one.amax(dim=1) - one.amin(dim=1)).clamp(min=torch.finfo(torch.float32).tiny)
        largest = ((one - other).abs().amax(dim=1) / span).max()
        labels = (one.argmax(dim=1) != other.argmax(dim=1)).sum()
        return cls(float(largest), int(labels), len(one))

    def __str__(self) -> str:
        if not self.largest:
            return "answers stay the same"
        labels = f"{self.labels} of {self.images} labels change" if self.labels else "no label changes"
        return f"answers move by up to {self.largest:.1%} of their range, {labels}"


@dataclass(frozen=True, slots=True)
class State:
    """What a forward pass must leave as it is: versions of tensors, contents of buffers, modes of parts."""

    tensors: dict[str, Version]
    buffers: dict[str, str]
    training: tuple[str, ...]

    @classmethod
    def of(cls, patient: ModelUnderTest) -> State:
        """The state of the patient's module now."""
        module = patient.classifier.module
        return cls(
            patient.classifier.guard().versions(),
            {name: state_digest({name: tensor}) for name, tensor in module.named_buffers()},
            tuple(name for name, part in module.named_modules() if part.training),
        )

    def changed(self, later: State) -> list[str]:
        """Names of the tensors that are not what they were; new ones are no change."""
        moved = (name for name, version in self.tensors.items() if later.tensors.get(name) != version)
        written = (name for name, digest in self.buffers.items() if later.buffers.get(name) != digest)
        return list(dict.fromkeys((*moved, *written)))


def check(patient: ModelUnderTest) -> Iterator[Finding]:
    """The first of the reasons for which an answer is not its image's alone; the others may follow from it.

    Two passes of a batch of eight, and one of half of it the other way round.
    """
    before = State.of(patient)
    inputs = patient.inputs(patient.sample(limit=PROBE))
    half = inputs[: (len(inputs) + 1) // 2].flip(0)
    batch = inputs
    try:
        first = patient.show(inputs)
        again = Difference.between(first, patient.show(inputs))
        batch = half
        elsewhere = Difference.between(first[: len(half)].flip(0), patient.show(half))
    except ModelError as error:
        yield (
            _in_train_mode(patient, before, str(error))
            if before.training
            else no_answer(error, patient, batch)
        )
        return
    after = State.of(patient)
    precision = patient.classifier.precision
    if before.training or after.training:
        worst = max(again, elsewhere, key=lambda difference: difference.largest)
        yield _in_train_mode(patient, before if before.training else after, f"shown again, {worst}")
    elif changed := before.changed(after):
        yield _stateful(patient, changed, 2 * len(inputs) + len(half))
    elif again.largest > AGAIN[precision]:
        yield _random(patient, again, first_difference(patient.classifier, inputs, 0, inputs, 0))
    elif elsewhere.largest > ELSEWHERE[precision]:
        part = first_difference(patient.classifier, inputs, 0, half, len(half) - 1)
        yield _by_neighbours(patient, elsewhere, part)


def _in_train_mode(patient: ModelUnderTest, state: State, effect: str) -> Finding:
    parts = dict(patient.classifier.module.named_modules())
    # What behaves otherwise in train mode comes first.
    names = sorted(state.training, key=lambda name: not _minds_training(parts[name]))
    shown = listed((f"'{name}' ({type(parts[name]).__name__})" for name in names), SHOWN)
    share = f"{len(names)} of {len(parts)} parts {'is' if len(names) == 1 else 'are'}"
    return Finding(
        check="steadiness",
        problem=f"{patient.classifier.spec}: after eval(), {share} in train mode.",
        evidence=f"{shown}; {effect}",
        fix=(
            "let eval() reach every part: a train() of your own must call super().train(mode), and forward() "
            "must not call it"
        ),
    )


def _stateful(patient: ModelUnderTest, changed: list[str], images: int) -> Finding:
    several = len(changed) > 1
    return Finding(
        check="steadiness",
        problem=f"{patient.classifier.spec}: a forward pass in eval mode writes to the model.",
        evidence=(
            f"after {images} images, {len(changed)} {'tensors are' if several else 'tensor is'} not what "
            f"{'they were' if several else 'it was'}: {listed(changed, SHOWN)}"
        ),
        fix="write to buffers only `if self.training:`",
    )


def _random(patient: ModelUnderTest, again: Difference, part: str | None) -> Finding:
    return Finding(
        check="steadiness",
        problem=f"{patient.classifier.spec}: the same images, shown twice, get different answers.",
        evidence=f"{again}{_from(part)}",
        fix=("draw no random numbers and count nothing in forward(); F.dropout needs training=self.training"),
    )


def _by_neighbours(patient: ModelUnderTest, elsewhere: Difference, part: str | None) -> Finding:
    fix = "compute each image by itself: nothing in forward() may look along the batch"
    if part is not None and "BatchNorm" in part:
        fix = (
            "BatchNorm without running statistics uses those of the batch: train it with "
            "track_running_stats=True"
        )
    return Finding(
        check="steadiness",
        problem=f"{patient.classifier.spec}: an image's answer depends on the rest of its batch.",
        evidence=f"among other images, {elsewhere}{_from(part)}",
        fix=fix,
    )


def _from(part: str | None) -> str:
    return "" if part is None else f"; the first part that does so is {part}"


def _minds_training(part: nn.Module) -> bool:
    return any(word in type(part).__name__ for word in ("BatchNorm", "Drop"))
