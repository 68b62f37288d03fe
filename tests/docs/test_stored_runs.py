"""The pages about results and records, followed; and the demo as the README shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.demo_runs import demo_store
from support.guides import DOCS, Step, follow, steps

PAGES = ("result.md", "thresholds.md", "comparing.md", "published-models.md", "exports.md", "compliance.md")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_store(tmp_path_factory)


@pytest.mark.parametrize("name", PAGES)
def test_the_page(name: str, tmp_path: Path, store: Path) -> None:
    (tmp_path / "project").mkdir()
    follow(steps(name), tmp_path / "project", store)


def test_the_demo_of_the_readme(tmp_path: Path, store: Path) -> None:
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```\n(dimension .*?)```", readme, re.DOTALL)
    (tmp_path / "project").mkdir()
    follow([Step("run", "pytest --model=demo"), Step("prints", shown)], tmp_path / "project", store)
