"""The labelled images of a set, decoded on access."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.errors import error_text
from support.tiny import CLASSES
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import SuiteError
from quba_check.suites import open_suite
from quba_check.testing.images import Pictures


def test_names_labels_and_pixels(tiny_data: Path) -> None:
    suite = open_suite(tiny_data)
    pictures = Pictures(suite, "clean")
    assert (len(pictures), pictures.is_prepared) == (9, False)
    for number, picture in enumerate(pictures):
        name = f"val/{CLASSES[number // 3]}/{number % 3:03d}.png"
        assert (picture.name, picture.label) == (name, number // 3)
        assert picture.class_name == CLASSES[number // 3]
        np.testing.assert_array_equal(picture.pixels, np.asarray(Image.open(suite.root / name)))
    assert repr(pictures[4]) == "Picture(name='val/brick/001.png', label=1, class_name='brick')"
    assert pictures[-2:] == [pictures[7], pictures[8]]
    night = [picture.class_name for picture in Pictures(suite, "night")]
    assert night == ["apple", "apple", "brick", "brick", "cloud", "cloud"]


@pytest.mark.parametrize("name", ["corruptions", "nihgt"])
def test_invalid_sets(tiny_data: Path, name: str, snapshot: SnapshotAssertion) -> None:
    text = error_text(SuiteError, Pictures, open_suite(tiny_data), name)
    assert text.replace(str(tiny_data), "DATA") == snapshot
