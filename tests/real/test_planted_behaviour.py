"""Unstable answers planted into real ImageNet weights: each is reported, healthy twins are not."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from syrupy.assertion import SnapshotAssertion
from torch import Tensor, nn
from torch.nn import functional as F

from quba_check.doctor import determinism
from quba_check.doctor.subject import ModelUnderTest
from quba_check.models.choices import Precision
from quba_check.models.classifier import Classifier
from quba_check.models.compute import ComputeSettings
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
        self.inner = inner
        self.listens = listens

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
    """A mistake, and the healthy twin."""

    plant: Plant
    twin: Plant = lambda module: module
    precision: Precision = "fp32"


TABLE = {
    "an eval() that does nothing": Row(around(listens=False), around(listens=True)),
    "BatchNorm in train mode": Row(statistics_of_the_batch),
    "dropout that stays active": Row(dropout(always=True), dropout(always=False)),
    "random answers": Row(noise(0.3), noise(0)),
    **{
        f"a buffer that counts{' in secret' * secretly}": Row(
            counting(always=True, secretly=secretly), counting(always=False, secretly=secretly)
        )
        for secretly in (False, True)
    },
    "features centred over the batch": Row(centred(dim=0), centred(dim=1)),
    "BatchNorm without running statistics": Row(without_running_statistics),
    "a precision that is too coarse": Row(scaled(offset=30), scaled(offset=0), "bf16"),
    "NaN in any precision": Row(scaled(offset=float("nan")), scaled(offset=0)),
}
VARYING = {
    r"up to [\d.]+%": "up to #%",
    r"\d+ of (\d labels)": r"# of \1",
    r"for \d+ of (\d images)": r"for # of \1",
}
"""Numbers in a finding that differ between machines."""


def finding_texts(plant: Plant, precision: Precision, lite0: Classifier, photos: Suite) -> list[str]:
    torch.manual_seed(0)
    module = plant(copy.deepcopy(lite0.module))
    classifier = replace(lite0, module=module, compute=ComputeSettings(precision))
    texts = [finding.text() for finding in determinism.check(ModelUnderTest(classifier, photos))]
    for number, shown in VARYING.items():
        texts = [re.sub(number, shown, text) for text in texts]
    return texts


@pytest.mark.parametrize("name", TABLE)
def test_a_planted_mistake_is_reported_and_its_twin_is_healthy(
    name: str, lite0: Classifier, photos: Suite, snapshot: SnapshotAssertion
) -> None:
    row = TABLE[name]
    assert finding_texts(row.plant, row.precision, lite0, photos) == [snapshot]
    assert finding_texts(row.twin, row.precision, lite0, photos) == []


def test_it_takes_twenty_images(lite0: Classifier, photos: Suite) -> None:
    subject = ModelUnderTest(lite0, photos)
    assert list(determinism.check(subject)) == []
    assert subject.forwards == 20
