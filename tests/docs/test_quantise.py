"""docs/quantise.md, followed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.guides import follow, steps


@pytest.mark.slow
def test_the_page(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    follow(steps("quantise.md"), tmp_path / "project", tmp_path / "store")
