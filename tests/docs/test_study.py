"""docs/study.md, followed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.demo_runs import demo_store
from support.guides import follow, steps


def test_the_page(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (tmp_path / "project").mkdir()
    follow(steps("study.md"), tmp_path / "project", demo_store(tmp_path_factory))
