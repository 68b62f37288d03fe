"""docs/baseline.md, followed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.guides import follow, steps

from quba_check.demands.bounds import today

DAY = "2027-01-31"
"""Last day of the waiver on the page."""


@pytest.mark.slow
def test_the_page(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    guide = [replace(step, text=step.text.replace(DAY, str(today()))) for step in steps("baseline.md")]
    follow(guide, tmp_path / "project", tmp_path / "store")
