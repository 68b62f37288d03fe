"""docs/python.md, followed."""

from __future__ import annotations

import inspect
from pathlib import Path

from support.guides import DOCS, follow, steps

from quba_check.testing import perturbations, strategies


def test_the_guide(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    follow(steps("python.md"), tmp_path / "project", tmp_path / "store")


def test_it_names_all_there_is() -> None:
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    changes = {kind.__name__ for kind in perturbations.Perturbation.__subclasses__()} - {"Chain"}
    functions = inspect.getmembers(strategies, inspect.isfunction)
    drawn = {name for name, one in functions if one.__module__ == strategies.__name__ and name[0] != "_"}
    assert [name for name in sorted(changes | drawn) if f"`{name}(" not in text] == []
