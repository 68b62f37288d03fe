"""The start of a run: modules it imports, and steps it announces before it imports them."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.runs import Project

from quba_check.errors import BUG_EXIT_CODE

DEMANDS = "schema: 1\ndimensions: {accuracy: {min: 0.5}, class_balance: {min: 0.1}}\n"
NOT_BEFORE_TORCH = ("torch", "scipy.special", "scipy.optimize", "cv2", "jinja2", "huggingface_hub")
ONLY_FOR_MODELS_OF_TIMM = ("timm", "torchvision", "torch._dynamo", "huggingface_hub")
BLOCK = f"""
import sys

class Blocker:
    def find_spec(name, path, target=None):
        if name in {NOT_BEFORE_TORCH}:
            raise ImportError(f"{{name}} is blocked")

sys.meta_path.insert(0, Blocker)
"""
LIST = f"""
import sys

def pytest_unconfigure():
    print("\\nloaded:", *[name for name in {ONLY_FOR_MODELS_OF_TIMM} if name in sys.modules])
"""


@pytest.fixture
def project(tmp_path: Path, tiny_data: Path) -> Project:
    return Project.at(tmp_path / "project", tiny_data, DEMANDS)


def test_the_first_step_is_announced_before_its_imports(project: Project) -> None:
    (project.root / "conftest.py").write_text(BLOCK)
    run = project.run()
    assert run.code == BUG_EXIT_CODE
    assert run.out.splitlines()[0] == "quba-check: loading torch"
    assert "torch is blocked" in run.err


@pytest.mark.slow
def test_a_plain_module_needs_neither_timm_nor_torchvision(project: Project) -> None:
    (project.root / "conftest.py").write_text(LIST)
    run = project.run()
    assert run.code == 0, run.out + run.err
    lines = run.out.splitlines()
    assert lines[:2] == ["quba-check: loading torch", "quba-check: loading model nets:net"]
    assert "loaded:" in lines
