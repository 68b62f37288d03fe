"""Unstable answers planted into real ImageNet weights: each is reported, healthy twins are not."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quba_check.doctor import determinism
from quba_check.doctor.subject import ModelUnderTest
from quba_check.models.classifier import Classifier
from quba_check.models.compute import ComputeSettings
from quba_check.models.request import Precision
from quba_check.suites.suite import Suite

Plant = Callable[[nn.Module], nn.Module]


def statistics_of_the_batch(module: nn.Module) -> nn.Module:
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.train()
    return module


def without_running_statistics(module: nn.Module) -> nn.Module:
    norm = nn.BatchNorm2d(module.bn1.num_features, track_running_stats=False).eval()
    norm.load_state_dict({"weight": module.bn1.weight, "bias": module.bn1.bias})
    module.bn1 = norm
    return module


class Forgotten(nn.Module):
    """A module that ignores eval(), or not."""

    def __init__(self, inner: nn.Module, *, listens: bool) -> None:
        super().__init__()
        self.inner, self.listens = inner, listens

    def train(self, mode: bool = True) -> Forgotten:
        return super().train(mode) if self.listens else self

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Layer(nn.Module):
    """A layer of a function."""

    def __init__(self, function: Callable[[Layer, Tensor], Tensor]) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def dropout(*, always: bool) -> Plant:
    return before_the_head(lambda layer, x: F.dropout(x, 0.5, training=always or layer.training))


def counting(*, always: bool, secretly: bool) -> Plant:
    def count(layer: Layer, x: Tensor) -> Tensor:
        if always or layer.training:
            seen = layer.seen.data if secretly else layer.seen
            seen += len(x)
        return x

    return before_the_head(count)


def noise(size: float) -> Plant:
    return before_the_head(lambda _, x: x + size * torch.randn_like(x))


def centred(dim: int) -> Plant:
    return before_the_head(lambda _, x: x - x.mean(dim=dim, keepdim=True))


def scaled(offset: float) -> Plant:
    """E[x²] − E[x]² of values far from 0 is right in float32 and rounded to 0 or below in half precision."""

    def scale(_: Layer, x: Tensor) -> Tensor:
        moved = x + offset
        variance = (moved * moved).mean(dim=1, keepdim=True) - moved.mean(dim=1, keepdim=True) ** 2
        return x / variance.sqrt()

    return before_the_head(scale)


def before_the_head(function: Callable[[Layer, Tensor], Tensor]) -> Plant:
    def plant(module: nn.Module) -> nn.Module:
        module.classifier = nn.Sequential(Layer(function), module.classifier).eval()
        return module

    return plant


def around(*, listens: bool) -> Plant:
    return lambda module: Forgotten(module.train(), listens=listens).eval()


class Row(NamedTuple):
    """A mistake, its finding (with # for any number), and the healthy twin."""

    plant: Plant
    problem: str
    evidence: str
    fix: str
    twin: Plant = lambda module: module
    precision: Precision = "fp32"


EVAL = (
    "let eval() reach every layer: a custom train() must call super().train(mode), and forward() must not "
    "call it"
)
IN_TRAIN_MODE = "in another pass, answers change by up to #% of their range, # of 4 labels change"
PURE = "draw no random numbers and count nothing in forward(); F.dropout needs training=self.training"
RANDOM = "the same images get different answers in two passes."
AT_RANDOM = "answers change by up to #% of their range, # of 8 labels change; the first layer to do so is "
WRITES = "a forward pass in eval mode writes to the model."
WRITTEN = "after 20 images, 1 tensor differs: classifier.0.seen"
NO_WRITES = "write to buffers only `if self.training:`"
MIXED = "an image's answer depends on the rest of its batch."
IN_A_BATCH = (
    "in another batch, answers change by up to #% of their range, no label changes; the first layer to do so "
    "is "
)
ALONE = "compute each image on its own: nothing in forward() may combine values along the batch"
NOT_FINITE = "the model's output is not finite, got NaN or infinity for # of 8 images."
FIRST_NAN = "the first layer to return NaN or infinity is 'classifier.0' (Layer)"
TABLE = {
    "an eval() that does nothing": Row(
        around(listens=False),
        "after eval(), 274 of 274 layers are in train mode.",
        "'inner.bn1' (BatchNormAct2d), 'inner.blocks.0.0.bn1' (BatchNormAct2d), 'inner.blocks.0.0.bn2' "
        f"(BatchNormAct2d) and 271 more; {IN_TRAIN_MODE}",
        EVAL,
        around(listens=True),
    ),
    "BatchNorm in train mode": Row(
        statistics_of_the_batch,
        "after eval(), 147 of 273 layers are in train mode.",
        "'bn1' (BatchNormAct2d), 'blocks.0.0.bn1' (BatchNormAct2d), 'blocks.0.0.bn2' (BatchNormAct2d) and "
        f"144 more; {IN_TRAIN_MODE}",
        EVAL,
    ),
    "dropout that stays active": Row(
        dropout(always=True), RANDOM, f"{AT_RANDOM}'classifier.0' (Layer)", PURE, dropout(always=False)
    ),
    "random answers": Row(noise(0.3), RANDOM, f"{AT_RANDOM}'classifier.0' (Layer)", PURE, noise(0)),
    **{
        f"a buffer that counts{' in secret' * secretly}": Row(
            counting(always=True, secretly=secretly),
            WRITES,
            WRITTEN,
            NO_WRITES,
            counting(always=False, secretly=secretly),
        )
        for secretly in (False, True)
    },
    "features centred over the batch": Row(
        centred(dim=0), MIXED, f"{IN_A_BATCH}'classifier.0' (Layer)", ALONE, centred(dim=1)
    ),
    "BatchNorm without running statistics": Row(
        without_running_statistics,
        MIXED,
        f"{IN_A_BATCH}'bn1' (BatchNorm2d)",
        "BatchNorm without running statistics uses those of the batch: train it with "
        "track_running_stats=True",
    ),
    "a precision that is too coarse": Row(
        scaled(offset=30),
        NOT_FINITE,
        f"in bf16; in fp32 the same 8 images get finite answers; {FIRST_NAN}",
        "--quba-precision fp32",
        scaled(offset=0),
        "bf16",
    ),
    "NaN in any precision": Row(
        scaled(offset=float("nan")),
        NOT_FINITE,
        f"in fp32, on 8 images; {FIRST_NAN}",
        "the model must return one finite number for each class and image",
        scaled(offset=0),
    ),
}


def finding_texts(plant: Plant, precision: Precision, lite0: Classifier, photos: Suite) -> list[str]:
    torch.manual_seed(0)
    module = plant(copy.deepcopy(lite0.module))
    classifier = replace(lite0, module=module, compute=ComputeSettings(precision))
    return [finding.text() for finding in determinism.check(ModelUnderTest(classifier, photos))]


@pytest.mark.parametrize("name", TABLE)
def test_a_planted_mistake_is_reported_and_its_twin_is_healthy(
    name: str, lite0: Classifier, photos: Suite
) -> None:
    row = TABLE[name]
    expected = f"lite0.pt: {row.problem}\n  evidence: {row.evidence}\n  fix: {row.fix}"
    (text,) = finding_texts(row.plant, row.precision, lite0, photos)
    assert re.fullmatch(re.escape(expected).replace(r"\#", r"\d+(\.\d+)?"), text), text
    assert finding_texts(row.twin, row.precision, lite0, photos) == []


def test_it_takes_twenty_images(lite0: Classifier, photos: Suite) -> None:
    subject = ModelUnderTest(lite0, photos)
    assert list(determinism.check(subject)) == []
    assert subject.forwards == 20
