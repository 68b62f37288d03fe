"""Unstable answers planted into real ImageNet weights: each is reported, healthy twins are not."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quba_check.doctor import determinism
from quba_check.doctor.subject import ModelUnderTest
from quba_check.models.classifier import Classifier
from quba_check.models.compute import ComputeSettings
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest, Precision
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

ARCH = "tf_efficientnet_lite0"
Plant = Callable[[nn.Module], nn.Module]


@pytest.fixture(scope="module")
def photos(photo_suite: Path) -> Suite:
    return open_suite(photo_suite)


@pytest.fixture(scope="module")
def lite0(lite0_checkpoint: Path, photos: Suite) -> Classifier:
    return load_classifier(
        str(lite0_checkpoint), LoadRequest(classes=photos.classes, arch=ARCH, device="cpu")
    )


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


class Dropout(nn.Module):
    def __init__(self, *, always: bool) -> None:
        super().__init__()
        self.always = always

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.5, training=self.always or self.training)


class Counter(nn.Module):
    def __init__(self, *, always: bool, secretly: bool = False) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))
        self.always, self.secretly = always, secretly

    def forward(self, x: Tensor) -> Tensor:
        if self.always or self.training:
            seen = self.seen.data if self.secretly else self.seen
            seen += len(x)
        return x


class Noise(nn.Module):
    def __init__(self, size: float) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return x + self.size * torch.randn_like(x)


class Centred(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=self.dim, keepdim=True)


class Scaled(nn.Module):
    """E[x²] − E[x]² of values far from 0 is right in float32 and rounded to 0 or below in half precision."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.offset = offset

    def forward(self, x: Tensor) -> Tensor:
        moved = x + self.offset
        variance = (moved * moved).mean(dim=1, keepdim=True) - moved.mean(dim=1, keepdim=True) ** 2
        return x / variance.sqrt()


def before_the_head(part: nn.Module) -> Plant:
    def plant(module: nn.Module) -> nn.Module:
        module.classifier = nn.Sequential(part, module.classifier).eval()
        return module

    return plant


def around(*, listens: bool) -> Plant:
    return lambda module: Forgotten(module.train(), listens=listens).eval()


def as_it_is(module: nn.Module) -> nn.Module:
    return module


class Row(NamedTuple):
    """A mistake, its finding (with # for any number), and the healthy twin."""

    name: str
    plant: Plant
    text: str
    twin: Plant = as_it_is
    precision: Precision = "fp32"


EVAL = (
    "  fix: let eval() reach every layer: a custom train() must call super().train(mode), and forward() "
    "must not call it"
)
PURE = "  fix: draw no random numbers and count nothing in forward(); F.dropout needs training=self.training"
TABLE = (
    Row(
        "an eval() that does nothing",
        around(listens=False),
        "lite0.pt: after eval(), 274 of 274 layers are in train mode.\n"
        "  evidence: 'inner.bn1' (BatchNormAct2d), 'inner.blocks.0.0.bn1' (BatchNormAct2d), "
        "'inner.blocks.0.0.bn2' (BatchNormAct2d) and 271 more; in another pass, answers change by up to "
        f"#% of their range, # of 4 labels change\n{EVAL}",
        around(listens=True),
    ),
    Row(
        "BatchNorm in train mode",
        statistics_of_the_batch,
        "lite0.pt: after eval(), 147 of 273 layers are in train mode.\n"
        "  evidence: 'bn1' (BatchNormAct2d), 'blocks.0.0.bn1' (BatchNormAct2d), 'blocks.0.0.bn2' "
        "(BatchNormAct2d) and 144 more; in another pass, answers change by up to #% of their range, "
        f"# of 4 labels change\n{EVAL}",
    ),
    Row(
        "dropout that stays active",
        before_the_head(Dropout(always=True)),
        "lite0.pt: the same images get different answers in two passes.\n"
        "  evidence: answers change by up to #% of their range, # of 8 labels change; the first layer to do "
        f"so is 'classifier.0' (Dropout)\n{PURE}",
        before_the_head(Dropout(always=False)),
    ),
    Row(
        "random answers",
        before_the_head(Noise(0.3)),
        "lite0.pt: the same images get different answers in two passes.\n"
        "  evidence: answers change by up to #% of their range, # of 8 labels change; the first layer to do "
        f"so is 'classifier.0' (Noise)\n{PURE}",
        before_the_head(Noise(0)),
    ),
    Row(
        "a buffer that counts",
        before_the_head(Counter(always=True)),
        "lite0.pt: a forward pass in eval mode writes to the model.\n"
        "  evidence: after 20 images, 1 tensor differs: classifier.0.seen\n"
        "  fix: write to buffers only `if self.training:`",
        before_the_head(Counter(always=False)),
    ),
    Row(
        "a buffer that counts in secret",
        before_the_head(Counter(always=True, secretly=True)),
        "lite0.pt: a forward pass in eval mode writes to the model.\n"
        "  evidence: after 20 images, 1 tensor differs: classifier.0.seen\n"
        "  fix: write to buffers only `if self.training:`",
        before_the_head(Counter(always=False, secretly=True)),
    ),
    Row(
        "features centred over the batch",
        before_the_head(Centred(dim=0)),
        "lite0.pt: an image's answer depends on the rest of its batch.\n"
        "  evidence: in another batch, answers change by up to #% of their range, no label changes; the "
        "first layer to do so is 'classifier.0' (Centred)\n"
        "  fix: compute each image on its own: nothing in forward() may combine values along the batch",
        before_the_head(Centred(dim=1)),
    ),
    Row(
        "BatchNorm without running statistics",
        without_running_statistics,
        "lite0.pt: an image's answer depends on the rest of its batch.\n"
        "  evidence: in another batch, answers change by up to #% of their range, no label changes; the "
        "first layer to do so is 'bn1' (BatchNorm2d)\n"
        "  fix: BatchNorm without running statistics uses those of the batch: train it with "
        "track_running_stats=True",
    ),
    Row(
        "a precision that is too coarse",
        before_the_head(Scaled(offset=30)),
        "lite0.pt: the model's output is not finite, got NaN or infinity for # of 8 images.\n"
        "  evidence: in bf16; in fp32 the same 8 images get finite answers; the first layer to return NaN or "
        "infinity is 'classifier.0' (Scaled)\n"
        "  fix: --quba-precision fp32",
        before_the_head(Scaled(offset=0)),
        "bf16",
    ),
    Row(
        "NaN in any precision",
        before_the_head(Scaled(offset=float("nan"))),
        "lite0.pt: the model's output is not finite, got NaN or infinity for 8 of 8 images.\n"
        "  evidence: in fp32, on 8 images; the first layer to return NaN or infinity is 'classifier.0' "
        "(Scaled)\n"
        "  fix: the model must return one finite number for each class and image",
        before_the_head(Scaled(offset=0)),
    ),
)


def finding_texts(plant: Plant, precision: Precision, lite0: Classifier, photos: Suite) -> list[str]:
    torch.manual_seed(0)
    module = plant(copy.deepcopy(lite0.module))
    classifier = replace(lite0, module=module, spec="lite0.pt", compute=ComputeSettings(precision))
    return [finding.text() for finding in determinism.check(ModelUnderTest(classifier, photos))]


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
def test_a_planted_mistake_is_reported_and_its_twin_is_healthy(
    row: Row, lite0: Classifier, photos: Suite
) -> None:
    (text,) = finding_texts(row.plant, row.precision, lite0, photos)
    assert re.fullmatch(re.escape(row.text).replace(r"\#", r"\d+(\.\d+)?"), text), text
    assert finding_texts(row.twin, row.precision, lite0, photos) == []


def test_it_takes_twenty_images(lite0: Classifier, photos: Suite) -> None:
    subject = ModelUnderTest(lite0, photos)
    assert list(determinism.check(subject)) == []
    assert subject.forwards == 20
