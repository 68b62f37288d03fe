"""Changes to an image: their effect on pixels, their repr, and invalid arguments."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.errors import error_text
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import UserError
from quba_check.testing.perturbations import (
    Blur,
    Brightness,
    Chain,
    Contrast,
    Corruption,
    HorizontalFlip,
    Jpeg,
    Noise,
    Perturbation,
    Rotation,
    Shift,
    Zoom,
)

RNG = np.random.default_rng(0)
COARSE = Image.fromarray(RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8))
PHOTO = np.asarray(COARSE.resize((40, 30), Image.Resampling.BICUBIC))
EACH = [
    HorizontalFlip(),
    Shift(0.1, -0.05),
    Rotation(degrees=7.5),
    Zoom(by=0.1),
    Brightness(by=-0.2),
    Contrast(by=0.2),
    Jpeg(quality=40),
    Noise(sigma=0.05),
    Blur(sigma=1.0),
    Corruption("gaussian_noise", severity=2),
    HorizontalFlip() >> Rotation(degrees=3) >> Jpeg(quality=80),
]


@pytest.mark.parametrize("change", EACH, ids=repr)
def test_the_result_is_a_new_image_and_its_repr_makes_it_again(change: Perturbation) -> None:
    before = PHOTO.copy()
    changed = change(before)
    np.testing.assert_array_equal(before, PHOTO)
    assert (changed.shape, changed.dtype) == (PHOTO.shape, np.uint8)
    assert not np.shares_memory(changed, before)
    assert (changed != PHOTO).any()
    np.testing.assert_array_equal(change(PHOTO), changed)
    np.testing.assert_array_equal(change(Image.fromarray(PHOTO)), changed)
    again = eval(repr(change))  # noqa: S307
    assert again == change
    np.testing.assert_array_equal(again(PHOTO), changed)


@pytest.mark.parametrize(
    "change",
    [Shift(), Rotation(0), Zoom(0), Brightness(0), Contrast(0), Noise(0), Blur(0), Chain()],
    ids=repr,
)
def test_the_identity_changes_nothing(change: Perturbation) -> None:
    changed = change(PHOTO)
    np.testing.assert_array_equal(changed, PHOTO)
    assert not np.shares_memory(changed, PHOTO)


def test_two_flips_are_the_identity() -> None:
    np.testing.assert_array_equal((HorizontalFlip() >> HorizontalFlip())(PHOTO), PHOTO)
    np.testing.assert_array_equal(HorizontalFlip()(PHOTO)[:, 0], PHOTO[:, -1])


def test_a_shift_goes_right_and_down_and_mirrors_the_edge() -> None:
    changed = Shift(right=2 / 40, down=1 / 30)(PHOTO)
    np.testing.assert_array_equal(changed[1:, 2:], PHOTO[:-1, :-2])
    np.testing.assert_array_equal(changed[1:, 0], PHOTO[:-1, 2])


def test_a_quarter_turn_of_a_square_is_counterclockwise() -> None:
    square = PHOTO[:, :30]
    np.testing.assert_array_equal(Rotation(90)(square), np.rot90(square))


def test_a_zoom_keeps_the_centre() -> None:
    grey = np.zeros((9, 9, 3), np.uint8)
    grey[4, 4] = 255
    larger = Zoom(1)(grey)
    assert larger[4, 4, 0] == 255
    assert (larger[:, :, 0] > 0).sum() > 1
    smaller = Zoom(-0.5)(grey)[:, :, 0]
    mirrored = [[y, x] for y in (0, 4, 8) for x in (0, 4, 8)]
    assert np.argwhere(smaller).tolist() == mirrored


def test_values_increase_by_a_share_within_the_range() -> None:
    image = np.array([[[10, 100, 250]]], np.uint8)
    assert Brightness(0.2)(image).tolist() == [[[12, 120, 255]]]
    assert Contrast(-1)(image).tolist() == [[[120, 120, 120]]]
    assert Contrast(0.5)(image).tolist() == [[[0, 90, 255]]]


def test_noise_has_its_standard_deviation_and_differs_by_image() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    other = np.full((64, 64, 3), 129, np.uint8)
    noise = Noise(0.05)(grey).astype(int) - 128
    assert noise.std() == pytest.approx(0.05 * 255, rel=0.03)
    assert (noise != Noise(0.05)(other).astype(int) - 129).mean() > 0.9
    assert (Noise(0.05, seed=1)(grey) != Noise(0.05)(grey)).mean() > 0.9


def test_a_lower_jpeg_quality_changes_more() -> None:
    errors = [np.abs(Jpeg(quality)(PHOTO).astype(int) - PHOTO).mean() for quality in (95, 50, 5)]
    assert errors == sorted(errors)


@given(st.lists(st.sampled_from(EACH), max_size=3), st.lists(st.sampled_from(EACH), max_size=3))
def test_chains_apply_their_steps_in_order(first: list[Perturbation], second: list[Perturbation]) -> None:
    chained = Chain(tuple(first)) >> Chain(tuple(second))
    expected = PHOTO
    for step in [*first, *second]:
        expected = step(expected)
    np.testing.assert_array_equal(chained(PHOTO), expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Rotation(200),
        lambda: Shift(down=float("nan")),
        lambda: Jpeg("high"),
        lambda: Noise(-0.1),
        lambda: Corruption("fog", 6),
        lambda: Corruption("fogg"),
        lambda: HorizontalFlip()(PHOTO / 255),
        lambda: HorizontalFlip()("a.png"),
    ],
)
def test_invalid_arguments_are_refused(make: Callable[[], object], snapshot: SnapshotAssertion) -> None:
    assert error_text(UserError, make) == snapshot
