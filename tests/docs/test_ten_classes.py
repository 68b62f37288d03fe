"""docs/ten-classes.md, followed: with scikit-learn's digits, and with Fashion-MNIST where it is installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.guides import Step, follow, steps

GUIDE = steps("ten-classes.md")
FASHION = "Fashion-MNIST, "
INSTALLED = "/usr/share/datasets/fashion-mnist"
"""Where Debian's package dataset-fashion-mnist puts its files; `$FASHION_MNIST` names another place."""


def test_with_digits(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    own = [step for step in GUIDE if not step.role.startswith(FASHION)]
    follow(own, tmp_path / "project", tmp_path / "store")


def test_with_fashion_mnist(tmp_path: Path) -> None:
    place = os.environ.get("FASHION_MNIST", INSTALLED)
    if not Path(place, "t10k-images-idx3-ubyte.gz").is_file():
        pytest.skip(f"no Fashion-MNIST in {place}: apt-get install dataset-fashion-mnist")
    (tmp_path / "project").mkdir()
    shared = [step for step in GUIDE if step.role in ("file: classifier.py", "file: train.py")]
    theirs = [
        Step(step.role.removeprefix(FASHION), step.text.replace(INSTALLED, place))
        for step in GUIDE
        if step.role.startswith(FASHION)
    ]
    follow([*shared, *theirs], tmp_path / "project", tmp_path / "store")
