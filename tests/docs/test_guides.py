"""The guides with examples of their own, followed."""

from pathlib import Path

import pytest
from support.guides import follow, steps

(LINEAR,) = (step for step in steps("classes.md") if step.role == "file: linear.py")
"""The model that two pages share."""


@pytest.mark.parametrize("name", ["classes.md", "python.md", "quantise.md", "slices.md", "ten-classes.md"])
def test_the_page(name: str, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    shared = [LINEAR] if name == "slices.md" else []
    follow([*shared, *steps(name)], tmp_path / "project", tmp_path / "store")
