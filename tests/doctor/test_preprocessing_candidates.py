"""The shift of the first BatchNorm's input, by hand."""

import math
from types import SimpleNamespace

import pytest
import timm.data.constants as timm_constants
import torch
from support.no_float64 import WithoutFloat64
from torch import nn

from quba_check.doctor.preprocessing_candidates import _NORMALISED, BatchNormShift, batchnorm_shift

INPUTS = torch.tensor([-1.0, 1.0, 3.0]).view(3, 1, 1, 1)
"""Mean 1, variance 8/3."""


def shift(module: nn.Module, inputs: torch.Tensor = INPUTS) -> BatchNormShift | None:
    classifier = SimpleNamespace(module=module.eval(), device=torch.device("cpu"), spec="net")
    subject = SimpleNamespace(
        classifier=classifier,
        sample=lambda limit: range(3),
        inputs=lambda examples, variant: inputs[examples.start : examples.stop],
    )
    return batchnorm_shift(subject, variant=None)


def test_the_divergence_and_the_ratio_of_the_variances_by_hand() -> None:
    found = shift(nn.Sequential(nn.BatchNorm2d(1)))  # mean 0, variance 1
    assert found is not None
    assert found.layer == "0"
    assert found.divergence == pytest.approx(0.5 * (8 / 3 + 1 - 1 - math.log(8 / 3)))
    assert found.variance_ratio == pytest.approx(8 / 3)


def test_a_model_without_running_statistics_has_no_shift() -> None:
    assert shift(nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False))) is None
    assert shift(nn.Identity()) is None


def test_a_device_without_float64_gives_the_same_shift() -> None:
    layer = nn.BatchNorm2d(1)
    expected = shift(layer)
    layer.running_mean, layer.running_var = (
        statistic.as_subclass(WithoutFloat64) for statistic in (layer.running_mean, layer.running_var)
    )
    assert shift(layer, INPUTS.as_subclass(WithoutFloat64)) == expected


def test_the_normalisations_are_timms() -> None:
    names = ("IMAGENET_DEFAULT", "IMAGENET_INCEPTION", "OPENAI_CLIP")
    kinds = ("MEAN", "STD")
    expected = [tuple(getattr(timm_constants, f"{name}_{kind}") for kind in kinds) for name in names]
    assert list(_NORMALISED) == expected
