"""Attacks against the answers of torchattacks 3.5.1 on a small network, and against their own bounds.

`golden_attacks.npz` holds a network (convolution 3→12, tanh, average pool to 4 × 4, linear 192→10; input
normalised with ImageNet's mean and std), 128 images of 16 px, and the classes that torchattacks' FGSM and PGD
(ε 8/255, α 2/255, 10 steps, no random start) end in: on pixels, and on normalised inputs clamped to [0, 1].
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.engine.attacks import check_bounds, fgsm_point, gradient, pgd_iterates, pgd_start
from quba_check.errors import InvariantError, UnmeasurableError

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


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden()


def space(golden: Golden, name: str):
    if name == "pixel":
        return golden.of_pixels, golden.pixels
    return golden.of_inputs, (golden.pixels - MEAN) / STD


@pytest.mark.parametrize("name", ["pixel", "released"])
def test_fgsm_ends_in_the_classes_of_torchattacks(golden: Golden, name: str) -> None:
    logits, points = space(golden, name)
    point = fgsm_point(points, gradient(logits, points, golden.label).direction)
    np.testing.assert_array_equal(logits(point).argmax(1).numpy(), golden.data[f"{name}_fgsm"])


@pytest.mark.parametrize("name", ["pixel", "released"])
def test_pgd_ends_in_the_classes_of_torchattacks(golden: Golden, name: str) -> None:
    logits, points = space(golden, name)
    *_, (point, none) = pgd_iterates(logits, points, golden.label, points)
    assert none is None
    np.testing.assert_array_equal(logits(point).argmax(1).numpy(), golden.data[f"{name}_pgd"])


def test_pgd_visits_the_start_and_ten_iterates_and_stays_in_bounds(golden: Golden) -> None:
    start = pgd_start(golden.pixels, range(128), seed=3)
    visited = [point for point, _ in pgd_iterates(golden.of_pixels, golden.pixels, golden.label, start)]
    assert len(visited) == 11
    torch.testing.assert_close(visited[0], start)
    for point in visited:
        check_bounds(golden.pixels, point)


def test_the_loss_does_not_fall_along_pgd(golden: Golden) -> None:
    losses = [
        float(F.cross_entropy(logits, golden.label))
        for _, logits in pgd_iterates(golden.of_pixels, golden.pixels, golden.label, golden.pixels)
        if logits is not None
    ]
    assert losses[0] < losses[1] < losses[-1]


def test_a_start_depends_on_seed_and_index_alone(golden: Golden) -> None:
    all_at_once = pgd_start(golden.pixels, range(128), seed=5)
    one_by_one = torch.cat([pgd_start(golden.pixels[i : i + 1], [i], seed=5) for i in range(128)])
    torch.testing.assert_close(all_at_once, one_by_one, rtol=0, atol=0)
    assert not torch.equal(all_at_once, pgd_start(golden.pixels, range(128), seed=6))
    assert not torch.equal(all_at_once, pgd_start(golden.pixels, range(1, 129), seed=5))


def test_an_image_without_gradient_is_detected() -> None:
    points = torch.rand(2, 3, 4, 4)
    scale = torch.tensor([1.0, 0.0])
    here = gradient(
        lambda x: (x.flatten(1).sum(1) * scale)[:, None] * torch.tensor([1.0, -1.0]),
        points,
        torch.zeros(2).long(),
    )
    assert here.is_zero.tolist() == [False, True]


@pytest.mark.parametrize("logits", [lambda x: torch.ones(2, 3), lambda x: x.detach().flatten(1)[:, :3]])
def test_a_model_without_gradient_is_unmeasurable(logits) -> None:
    with pytest.raises(UnmeasurableError) as caught:
        gradient(logits, torch.rand(2, 3, 2, 2), torch.zeros(2).long())
    assert str(caught.value) == "the model passes no gradient from its output to its input"


def test_a_gradient_does_not_depend_on_the_rest_of_the_batch(golden: Golden) -> None:
    together = gradient(golden.of_pixels, golden.pixels[:8], golden.label[:8]).direction
    alone = gradient(golden.of_pixels, golden.pixels[3:4], golden.label[3:4]).direction
    torch.testing.assert_close(together[3:4], alone, rtol=1e-3, atol=1e-6)


@given(seed=st.integers(0, 2**32 - 1), epsilon=st.floats(0.001, 0.5))
@settings(deadline=None, derandomize=True, max_examples=25)
def test_fgsm_points_stay_in_bounds(seed: int, epsilon: float) -> None:
    rng = np.random.default_rng(seed)
    points = torch.from_numpy(rng.random((2, 3, 5, 5), dtype=np.float32))
    direction = torch.from_numpy(rng.normal(size=(2, 3, 5, 5)).astype(np.float32))
    check_bounds(points, fgsm_point(points, direction, epsilon=epsilon), epsilon=epsilon)


@pytest.mark.parametrize(
    ("attacked", "text"),
    [
        (
            torch.full((1, 1, 2, 2), 1.01),
            (
                "an attack left its bounds: pixels in [1.0100000, 1.0100000], largest change 0.0100000. "
                "Allowed: pixels in [0, 1], changes up to 0.0313725."
            ),
        ),
        (
            torch.full((1, 1, 2, 2), 0.9),
            "an attack left its bounds: pixels in [0.9000000, 0.9000000], largest change 0.1000000. ",
        ),
        (torch.full((1, 1, 2, 2), float("nan")), "an attack left its bounds: pixels in [nan, nan]"),
    ],
)
def test_an_attack_that_leaves_its_bounds_is_an_error(attacked: torch.Tensor, text: str) -> None:
    with pytest.raises(InvariantError) as caught:
        check_bounds(torch.ones(1, 1, 2, 2), attacked)
    assert str(caught.value).startswith(text)
