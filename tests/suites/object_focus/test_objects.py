"""How images are called, and how masks are kept."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from quba_check.suites import Example
from quba_check.suites.object_focus.mixing import Box
from quba_check.suites.object_focus.objects import Cutout, alternative_names, image_name

IN_CONTAINERS = (Example(0, "val/x.npz", 0, member="17"), Example(1, "val/y-0.tar", 0, member="apple/1.jpg"))


def test_names_of_images_in_containers(suite):
    assert [image_name(example) for example in IN_CONTAINERS] == ["val/x.npz/17", "val/y-0.tar/apple/1.jpg"]
    assert alternative_names(suite, IN_CONTAINERS) == [
        ("val/x.npz/17", "x.npz/17"),
        ("val/y-0.tar/apple/1.jpg", "y-0.tar/apple/1.jpg"),
    ]


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda shape: arrays.arrays(np.bool_, shape)))
def test_a_packed_mask_is_the_same_mask(mask):
    cutout = Cutout.compress(IN_CONTAINERS[0], mask, Box(0, 0, 1, 1))
    assert cutout.mask.dtype == np.bool_
    assert (cutout.mask == mask).all()
