"""Changes to an image: what they do to pixels, their text, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

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
PHOTO = np.asarray(
    Image.fromarray(RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(
        (40, 30), Image.Resampling.BICUBIC
    )
)
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
each = pytest.mark.parametrize("change", EACH, ids=repr)


@each
def test_a_new_image_of_the_same_form_that_depends_on_nothing_else(change: Perturbation) -> None:
    before = PHOTO.copy()
    found = change(before)
    np.testing.assert_array_equal(before, PHOTO)
    assert (found.shape, found.dtype) == (PHOTO.shape, np.uint8)
    assert not np.shares_memory(found, before)
    assert (found != PHOTO).any()
    np.testing.assert_array_equal(change(PHOTO), found)
    np.testing.assert_array_equal(change(Image.fromarray(PHOTO)), found)


@each
def test_its_text_makes_it_again(change: Perturbation) -> None:
    again = eval(repr(change))  # noqa: S307
    assert again == change
    np.testing.assert_array_equal(again(PHOTO), change(PHOTO))


@pytest.mark.parametrize(
    "nothing",
    [Shift(), Rotation(0), Zoom(0), Brightness(0), Contrast(0), Noise(0), Blur(0), Chain()],
    ids=repr,
)
def test_nothing_changes_nothing(nothing: Perturbation) -> None:
    found = nothing(PHOTO)
    np.testing.assert_array_equal(found, PHOTO)
    assert not np.shares_memory(found, PHOTO)


def test_a_flip_twice_is_none() -> None:
    np.testing.assert_array_equal((HorizontalFlip() >> HorizontalFlip())(PHOTO), PHOTO)
    np.testing.assert_array_equal(HorizontalFlip()(PHOTO)[:, 0], PHOTO[:, -1])


def test_a_shift_goes_right_and_down_and_mirrors_the_edge() -> None:
    found = Shift(right=2 / 40, down=1 / 30)(PHOTO)
    np.testing.assert_array_equal(found[1:, 2:], PHOTO[:-1, :-2])
    np.testing.assert_array_equal(found[1:, 0], PHOTO[:-1, 2])


def test_a_quarter_turn_of_a_square_is_counterclockwise() -> None:
    square = PHOTO[:, :30]
    np.testing.assert_array_equal(Rotation(90)(square), np.rot90(square))


def test_a_zoom_keeps_the_centre() -> None:
    grey = np.zeros((9, 9, 3), np.uint8)
    grey[4, 4] = 255
    near = Zoom(1)(grey)
    assert near[4, 4, 0] == 255
    assert (near[:, :, 0] > 0).sum() > 1
    far = Zoom(-0.5)(grey)[:, :, 0]
    assert np.argwhere(far).tolist() == [
        [y, x] for y in (0, 4, 8) for x in (0, 4, 8)
    ]  # and its mirror images


def test_values_grow_by_a_share_and_stay_in_range() -> None:
    image = np.array([[[10, 100, 250]]], np.uint8)
    assert Brightness(0.2)(image).tolist() == [[[12, 120, 255]]]
    assert Contrast(-1)(image).tolist() == [[[120, 120, 120]]]
    assert Contrast(0.5)(image).tolist() == [[[0, 90, 255]]]


def test_noise_is_as_strong_as_asked_and_every_image_has_its_own() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    other = np.full((64, 64, 3), 129, np.uint8)
    found = Noise(0.05)(grey).astype(int) - 128
    assert found.std() == pytest.approx(0.05 * 255, rel=0.03)
    assert (found != Noise(0.05)(other).astype(int) - 129).mean() > 0.9
    assert (Noise(0.05, seed=1)(grey) != Noise(0.05)(grey)).mean() > 0.9


def test_worse_jpeg_is_further_away() -> None:
    away = [np.abs(Jpeg(quality)(PHOTO).astype(int) - PHOTO).mean() for quality in (95, 50, 5)]
    assert away == sorted(away)


@given(st.lists(st.sampled_from(EACH), max_size=3), st.lists(st.sampled_from(EACH), max_size=3))
def test_chains_are_one_after_the_other(first: list[Perturbation], second: list[Perturbation]) -> None:
    chained = Chain(tuple(first)) >> Chain(tuple(second))
    expected = PHOTO
    for step in [*first, *second]:
        expected = step(expected)
    np.testing.assert_array_equal(chained(PHOTO), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rotation(200), "Rotation: degrees, got 200. Allowed: -180 to 180."),
        (lambda: Shift(down=float("nan")), "Shift: down, got nan. Allowed: -0.5 to 0.5."),
        (lambda: Jpeg("high"), "Jpeg: quality, got 'high'. Allowed: 1 to 100."),
        (lambda: Noise(-0.1), "Noise: sigma, got -0.1. Allowed: 0 to 1."),
        (lambda: Corruption("fog", 6), "Corruption: severity, got 6. Allowed: 1 to 5."),
        (
            lambda: Corruption("fogg"),
            "Corruption: unknown name, got 'fogg'. Did you mean 'fog'? Allowed: gaussian_noise, shot_noise, "
            "impulse_noise, defocus_blur, glass_blur, motion_blur, zoom_blur, snow, frost, fog, brightness, "
            "contrast, elastic_transform, pixelate, jpeg_compression.",
        ),
        (
            lambda: HorizontalFlip()(PHOTO / 255),
            "HorizontalFlip: not an image, got float64 of shape (30, 40, 3). Allowed: uint8 of shape "
            "(H, W, 3), or a PIL image.",
        ),
        (
            lambda: HorizontalFlip()("a.png"),
            "HorizontalFlip: not an image, got 'a.png'. Allowed: uint8 of shape (H, W, 3), or a PIL image.",
        ),
    ],
)
def test_what_they_refuse(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        make()
    assert str(caught.value) == message
