"""Pictures made of two pictures, names of images, and packed masks: by hand and by property."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from quba_check.suites import Example
from quba_check.suites.object_focus.objects import (
    Box,
    Cutout,
    alternative_names,
    bounding_box,
    composite,
    image_name,
    resize_and_crop,
    without_object,
)


def grey(rows: list[list[int]]) -> np.ndarray:
    return np.repeat(np.array(rows, np.uint8)[..., None], 3, axis=2)


NUMBERED = grey([[10 * y + x for x in range(5)] for y in range(4)])
"""Four rows of five pixels; 23 is in row 2 and column 3."""


@st.composite
def masked(draw):
    """A picture and a mask with a pixel or more in it."""
    height, width = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    picture = draw(arrays.arrays(np.uint8, (height, width, 3)))
    mask = draw(arrays.arrays(np.bool_, (height, width)))
    mask[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = True
    return picture, mask


pictures = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
    lambda side: arrays.arrays(np.uint8, (*side, 3))
)


def test_a_mask_without_pixels_has_no_box():
    assert bounding_box(np.zeros((3, 3), bool)) is None


@pytest.mark.parametrize(
    ("box", "filled"),
    [
        # Below: rows 2 and 3 (10 pixels) are more than column 4 (4) and row 0 (5).
        (
            Box(0, 1, 4, 2),
            [[0, 1, 2, 3, 4], [30, 31, 32, 33, 14], [20, 21, 22, 23, 24], [30, 31, 32, 33, 34]],
        ),
        # At the right: columns 2 to 4 (12 pixels), repeated from the left corner.
        (
            Box(0, 0, 2, 4),
            [[2, 3, 2, 3, 4], [12, 13, 12, 13, 14], [22, 23, 22, 23, 24], [32, 33, 32, 33, 34]],
        ),
        # At the left: columns 0 to 2 as far as they go, then column 0 and 1 again.
        (
            Box(3, 0, 5, 4),
            [[0, 1, 2, 0, 1], [10, 11, 12, 10, 11], [20, 21, 22, 20, 21], [30, 31, 32, 30, 31]],
        ),
        # Above: row 0 alone, as the box leaves nothing else.
        (Box(0, 1, 5, 4), [[0, 1, 2, 3, 4]] * 4),
    ],
)
def test_the_largest_rectangle_next_to_the_box_fills_it(box, filled):
    assert without_object(NUMBERED, box)[..., 0].tolist() == filled


def test_of_rectangles_as_large_the_published_script_s_is_taken():
    square = grey([[10 * y + x for x in range(3)] for y in range(3)])
    # One pixel in the middle: a column at the left and right, a row above and below. The one below is taken.
    assert without_object(square, Box(1, 1, 2, 2))[1, 1, 0] == 21
    # A column in the middle: the right one.
    assert without_object(square, Box(1, 0, 2, 3))[:, 1, 0].tolist() == [2, 12, 22]


@settings(max_examples=60, deadline=None)
@given(masked())
def test_nothing_of_the_object_is_left_and_nothing_else_changes(given):
    picture, mask = given
    box = bounding_box(mask)
    height, width = mask.shape
    if box.area == height * width:
        return
    inside = np.zeros(mask.shape, bool)
    inside[box.y0 : box.y1, box.x0 : box.x1] = True
    filled = without_object(picture, box)
    assert (filled[~inside] == picture[~inside]).all()
    # Were the object of one colour that the background lacks, no pixel of it would be there.
    marked = np.where(inside[..., None], np.uint8(255), np.uint8(0)) * np.ones(3, np.uint8)
    assert not without_object(marked, box).any()


@settings(max_examples=60, deadline=None)
@given(masked(), pictures)
def test_the_object_keeps_its_pixels_and_the_rest_is_the_background(given, background):
    picture, mask = given
    mixed = composite(picture, mask, background)
    behind = resize_and_crop(background, picture.shape[1], picture.shape[0])
    assert mixed.shape == picture.shape == behind.shape
    assert (mixed[mask] == picture[mask]).all()
    assert (mixed[~mask] == behind[~mask]).all()


def test_a_background_is_scaled_to_cover_and_cropped_in_the_middle():
    wide = grey([[0, 0, 50, 50, 90, 90], [0, 0, 50, 50, 90, 90]])
    assert resize_and_crop(wide, 2, 2)[..., 0].tolist() == [[50, 50], [50, 50]]
    # Twice as large: of four columns in the middle, the outer ones are blended with a quarter of the next,
    # as if it had been scaled whole and cropped then.
    assert resize_and_crop(wide, 4, 4)[..., 0].tolist() == [[38, 50, 50, 60]] * 4
    # Half as large, of a tall one: an eighth of 0, an eighth of 90, and 50 for the rest.
    assert resize_and_crop(wide.transpose(1, 0, 2), 1, 1)[..., 0].tolist() == [[49]]


def test_a_background_of_the_same_size_is_not_resampled():
    assert resize_and_crop(NUMBERED, 5, 4) is NUMBERED


def test_a_margin_that_rounds_below_zero_is_none():
    assert resize_and_crop(np.zeros((21, 4, 3), np.uint8), 3, 19).shape == (19, 3, 3)


@settings(max_examples=40, deadline=None)
@given(pictures, st.integers(1, 9), st.integers(1, 9))
def test_no_value_is_beyond_those_of_the_background(picture, width, height):
    scaled = resize_and_crop(picture, width, height)
    assert scaled.shape == (height, width, 3)
    assert picture.min() <= scaled.min()
    assert scaled.max() <= picture.max()


IN_CONTAINERS = (Example(0, "val/x.npz", 0, member="17"), Example(1, "val/y-0.tar", 0, member="apple/1.jpg"))


def test_names_of_images_in_containers(suite):
    assert [image_name(example) for example in IN_CONTAINERS] == ["val/x.npz/17", "val/y-0.tar/apple/1.jpg"]
    assert alternative_names(suite, IN_CONTAINERS) == [
        ("val/x.npz/17", "x.npz/17"),
        ("val/y-0.tar/apple/1.jpg", "y-0.tar/apple/1.jpg"),
    ]


@settings(max_examples=30, deadline=None)
@given(masked())
def test_a_packed_mask_is_the_same_mask(given):
    _, mask = given
    cutout = Cutout.compress(IN_CONTAINERS[0], mask, Box(0, 0, 1, 1))
    assert cutout.mask.dtype == np.bool_
    assert (cutout.mask == mask).all()
