"""The labelled images of a set, decoded on access."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from support.errors import error_text
from support.tiny import CLASSES, write_suite

from quba_check.errors import SuiteError
from quba_check.suites import open_suite
from quba_check.testing.images import Pictures


def test_names_labels_and_pixels(tmp_path: Path) -> None:
    suite = open_suite(write_suite(tmp_path / "data"))
    pictures = Pictures(suite, "clean")
    assert (len(pictures), pictures.is_prepared) == (9, False)
    for number, picture in enumerate(pictures):
        name = f"val/{CLASSES[number // 3]}/{number % 3:03d}.png"
        assert (picture.name, picture.label) == (name, number // 3)
        assert picture.class_name == CLASSES[number // 3]
        np.testing.assert_array_equal(picture.pixels, np.asarray(Image.open(suite.root / name)))
    assert repr(pictures[4]) == "Picture(name='val/brick/001.png', label=1, class_name='brick')"
    assert pictures[-2:] == [pictures[7], pictures[8]]
    assert [picture.class_name for picture in Pictures(suite, "night")] == ["apple"] * 2 + ["brick"] * 2 + [
        "cloud"
    ] * 2


def test_invalid_sets(tmp_path: Path) -> None:
    suite = open_suite(write_suite(tmp_path / "data"))
    assert error_text(SuiteError, Pictures, suite, "corruptions") == (
        "the set 'corruptions' contains many sets. Allowed: a single set of images; perturbations.Corruption "
        "corrupts its images."
    )
    assert error_text(SuiteError, Pictures, suite, "nihgt") == (
        f"{tmp_path}/data/quba-data.yaml: unknown set 'nihgt'. Allowed: clean, "
        "corruptions, sketch, night, mixed_same, mixed_rand, cue_conflict. Did you mean 'night'?"
    )
