"""The input of programs of other runtimes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quba_check.models.programs.runtime import ImageInput


@given(
    st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3),
    st.sampled_from([torch.int8, torch.uint8]),
    st.floats(0.01, 1),
    st.integers(-20, 20),
)
def test_quantised_numbers_are_the_nearest(values, dtype, scale, zero_point):
    images = torch.tensor(values).view(1, 3, 1, 1)
    encoded = ImageInput(dtype, scale=scale, zero_point=zero_point).encode(images)
    assert encoded.dtype == dtype
    limits = torch.iinfo(dtype)
    low, high = ((end - zero_point) * scale for end in (limits.min, limits.max))
    decoded = (encoded.double() - zero_point) * scale
    # The nearest number of the grid: at most half a step away, after clipping to its ends.
    assert (decoded - images.double().clamp(low, high)).abs().max() <= scale / 2 + 1e-9


@pytest.mark.parametrize("is_last", [False, True])
def test_layouts(is_last):
    images = torch.rand(2, 3, 4, 5)
    encoded = ImageInput(torch.float16, is_channels_last=is_last).encode(images)
    assert encoded.is_contiguous()
    expected = images.permute(0, 2, 3, 1) if is_last else images
    assert torch.equal(encoded, expected.half())


def test_each_level_of_a_pixel_stays():
    levels = torch.arange(256).repeat(3).view(1, 3, 16, 16)
    pixels = levels.float().div_(255)
    encoded = ImageInput(torch.uint8, scale=1 / 255).encode(pixels)
    assert torch.equal(encoded.long(), levels)
