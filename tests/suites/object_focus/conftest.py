"""A suite of two classes whose objects are where their masks say."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from quba_check.suites import Suite, open_suite

MANIFEST = """\
schema: 1
name: fruit
classes: [apple, pear]
sets:
  clean: {reader: folder, path: val}
"""
NAMES = ("apple/1.jpg", "apple/2.png", "apple/3.png", "pear/1.png", "pear/2.png")
WIDTH = 10
HEIGHT = 8


def save(path: Path, content: np.ndarray, **how: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(content).save(path, **how)
    return path


def disc() -> np.ndarray:
    """A mask of 0 and 255 that is not a rectangle: 3 to 6 across, 2 to 5 down, without its corners."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[2:6, 3:7] = 255
    mask[[2, 2, 5, 5], [3, 6, 3, 6]] = 0
    return mask


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """`DATA/val/<class>/*`, five random pictures of 10 × 8 pixels."""
    rng = np.random.default_rng(0)
    for name in NAMES:
        save(tmp_path / "data" / "val" / name, rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
    (tmp_path / "data" / "quba-data.yaml").write_text(MANIFEST, encoding="utf-8")
    return open_suite(tmp_path / "data")


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """`MASKS/<class>/*.png`, one for each picture."""
    for name in NAMES:
        save((tmp_path / "masks" / name).with_suffix(".png"), disc())
    return tmp_path / "masks"


@pytest.fixture
def boxes(tmp_path: Path) -> Callable[[str], Path]:
    """Writes `boxes.csv`."""

    def write(text: str) -> Path:
        path = tmp_path / "boxes.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write
