"""Attacks against the answers of torchattacks 3.5.1 on a small network, and against their own bounds.

`golden_attacks.npz` holds a network (convolution 3→12, tanh, average pool to 4 × 4, linear 192→10; input
normalised with ImageNet's mean and std), 128 images of 16 px, and the classes that torchattacks' FGSM and PGD
(ε 8/255, α 2/255, 10 steps, no random start) end in: on pixels, and on normalised inputs clamped to [0, 1].
"""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from support.errors import error_text
from syrupy.assertion import SnapshotAssertion

from quba_check.core.protocols import PGD_STEPS
from quba_check.engine.attacks import (
    LossGradient,
    check_bounds,
    extents,
    fgsm_point,
    gradient,
    pgd_start,
    pgd_step,
    start_noise,
)
from quba_check.errors import InvariantError, UnmeasurableError

EPSILON = 8 / 255
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


class Golden:
    def __init__(self) -> None:
        self.data = dict(np.load(Path(__file__).with_name("golden_attacks.npz")))
        self.pixels = torch.from_numpy(self.data["images"]).float() / 255
        self.label = torch.from_numpy(self.data["labels"].astype(np.int64))
        self.weights = {name: torch.from_numpy(self.data[name]) for name in self.data if "_" in name}

    def of_inputs(self, inputs: torch.Tensor) -> torch.Tensor:
        w = self.weights
        features = torch.tanh(F.conv2d(inputs, w["conv_weight"], w["conv_bias"], padding=1))
        return F.linear(F.adaptive_avg_pool2d(features, 4).flatten(1), w["linear_weight"], w["linear_bias"])

    def of_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.of_inputs((pixels - MEAN) / STD)


def starts(points: torch.Tensor, indices: range, seed: int) -> torch.Tensor:
    """Return the random starts of images."""
    return pgd_start(
        points, torch.stack([start_noise(points.shape[1:], index, seed, EPSILON) for index in indices])
    )


def iterates(logits, points: torch.Tensor, label: torch.Tensor, start: torch.Tensor) -> list[torch.Tensor]:
    """Return the start and all iterates of PGD."""
    visited = [start]
    for _ in range(PGD_STEPS):
        visited.append(pgd_step(points, visited[-1], gradient(logits, visited[-1], label).direction, EPSILON))
    return visited


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden()


def space(golden: Golden, name: str):
    if name == "pixel":
        return golden.of_pixels, golden.pixels
    return golden.of_inputs, (golden.pixels - MEAN) / STD


@pytest.mark.parametrize("name", ["pixel", "released"])
def test_attacks_end_in_the_classes_of_torchattacks(golden: Golden, name: str) -> None:
    logits, points = space(golden, name)
    fgsm = fgsm_point(points, gradient(logits, points, golden.label).direction, EPSILON)
    pgd = iterates(logits, points, golden.label, points)[-1]
    np.testing.assert_array_equal(logits(fgsm).argmax(1).numpy(), golden.data[f"{name}_fgsm"])
    np.testing.assert_array_equal(logits(pgd).argmax(1).numpy(), golden.data[f"{name}_pgd"])


def test_pgd_stays_in_bounds_at_the_start_and_at_ten_iterates(golden: Golden) -> None:
    start = starts(golden.pixels, range(128), seed=3)
    visited = iterates(golden.of_pixels, golden.pixels, golden.label, start)
    assert len(visited) == 11
    for point in visited:
        check_bounds(extents(golden.pixels, point), EPSILON)


def test_a_gradient_is_taken_only_where_it_is_wanted(golden: Golden) -> None:
    pixels = golden.pixels[:6]
    label = golden.label[:6]
    of_all = gradient(golden.of_pixels, pixels, label)
    of_two = gradient(golden.of_pixels, pixels, label, lambda _: [1, 4])
    assert torch.equal(of_two.direction[[1, 4]], of_all.direction[[1, 4]])
    assert of_two.is_zero.tolist() == [True, False, True, True, False, True]
    assert of_two.is_taken
    of_none = gradient(golden.of_pixels, pixels, label, lambda _: [])
    assert not of_none.is_taken
    assert of_none.is_zero.all()
    assert torch.equal(of_none.logits, of_all.logits)


def test_a_start_depends_on_seed_and_index_alone(golden: Golden) -> None:
    shape = tuple(golden.pixels.shape[1:])
    noise = start_noise(shape, 7, seed=5, epsilon=EPSILON)
    assert torch.equal(noise, start_noise(shape, 7, seed=5, epsilon=EPSILON))
    assert not torch.equal(noise, start_noise(shape, 8, seed=5, epsilon=EPSILON))
    assert not torch.equal(noise, start_noise(shape, 7, seed=6, epsilon=EPSILON))
    assert -8 / 255 <= float(noise.min()) < -7.9 / 255
    assert 7.9 / 255 < float(noise.max()) <= 8 / 255


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_gradient_that_is_not_finite_counts_as_none(value: float) -> None:
    direction = torch.ones(2, 3, 4, 4)
    direction[1, 2, 3, 0] = value
    assert LossGradient(torch.zeros(2, 3), direction).is_zero.tolist() == [False, True]


@pytest.mark.parametrize("logits", [lambda x: torch.ones(2, 3), lambda x: x.detach().flatten(1)[:, :3]])
def test_a_model_without_gradient_is_unmeasurable(logits) -> None:
    points = torch.rand(2, 3, 2, 2)
    label = torch.zeros(2).long()
    text = error_text(UnmeasurableError, gradient, logits, points, label)
    assert text == "the model passes no gradient from its output to its input"


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, derandomize=True, max_examples=25)
def test_fgsm_points_stay_in_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = torch.from_numpy(rng.random((2, 3, 5, 5), dtype=np.float32))
    direction = torch.from_numpy(rng.normal(size=(2, 3, 5, 5)).astype(np.float32))
    attacked = fgsm_point(points, direction, EPSILON)
    check_bounds(extents(points, attacked), EPSILON)


@pytest.mark.parametrize("value", [1.01, 0.9, float("nan")])
def test_an_attack_that_leaves_its_bounds_is_an_error(value: float, snapshot: SnapshotAssertion) -> None:
    extent = extents(torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), value))
    assert error_text(InvariantError, check_bounds, extent, EPSILON) == snapshot
