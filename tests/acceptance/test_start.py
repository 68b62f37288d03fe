"""The start of a run: modules it imports, steps it announces before, and findings of the doctor."""

import itertools
import re
import shutil
from pathlib import Path

import pytest
from acceptance.runs import Judge, Project
from PIL import Image

from quba_check.errors import BUG_EXIT_CODE

DEMANDS = "schema: 1\ndimensions: {accuracy: {min: 0.5}, class_balance: {min: 0.1}}\n"
NOT_BEFORE_TORCH = ("torch", "scipy.special", "scipy.optimize", "cv2", "jinja2", "huggingface_hub")
ONLY_FOR_MODELS_OF_TIMM = ("timm", "torchvision", "torch._dynamo", "huggingface_hub")
DECODERS = "quba_check.models.preprocessing.torchvision_decoders"
BLOCK = f"""
import sys

class Blocker:
    def find_spec(name, path, target=None):
        if name in {NOT_BEFORE_TORCH}:
            raise ImportError(f"{{name}} is blocked")

sys.meta_path.insert(0, Blocker)
"""
LIST = f"""
import gc, sys

def pytest_unconfigure():
    print("\\nsearched for garbage:", f"{{len(gc.get_objects()) / gc.get_freeze_count():.0%}}")
    print("\\nloaded:", *[name for name in {(*ONLY_FOR_MODELS_OF_TIMM, DECODERS)} if name in sys.modules])
"""
PRINTED = (
    r"doctor: nets:LooksAlongTheBatch: an image's answer depends on the rest of its batch\. "
    r"evidence: in another batch, answers change by up to [\d.]+% of their range, no label changes "
    r"fix: compute each image on its own: nothing in forward\(\) may combine values along the batch"
)


@pytest.fixture
def project(tmp_path: Path, tiny_data: Path) -> Project:
    return Project.at(tmp_path / "project", tiny_data, DEMANDS)


def test_a_log_names_no_step_of_loading(project: Project) -> None:
    (project.root / "conftest.py").write_text(BLOCK)
    run = project.run()
    assert (run.code, run.out) == (BUG_EXIT_CODE, "")
    assert "torch is blocked" in run.err


def test_a_plain_module_on_photos_needs_neither_timm_nor_torchvision(
    project: Project, tiny_data: Path
) -> None:
    (project.root / "conftest.py").write_text(LIST)
    photos = shutil.copytree(tiny_data, project.root / "photos")
    for path in (photos / "val").rglob("*.png"):
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    run = project.run(QUBA_DATA=str(photos))
    assert run.code == 0, run.out + run.err
    assert f"loaded: {DECODERS}" in run.out.splitlines()
    assert int(re.findall(r"searched for garbage: (\d+)%", run.out)[0]) < 15


def test_a_finding_is_printed_and_changes_no_exit_code(judge: Judge) -> None:
    judge.write("thresholds/x.yaml", "schema: 1\ndimensions: {accuracy: {min: 0.1}}\n")
    result = judge("thresholds/x.yaml", model="nets:LooksAlongTheBatch")
    assert result.ret == pytest.ExitCode.OK
    start = next(k for k, line in enumerate(result.outlines) if "test session starts" in line)
    printed = itertools.dropwhile(lambda line: not line.startswith("doctor: "), result.outlines[:start])
    assert re.fullmatch(PRINTED, " ".join(" ".join(printed).split()))
    assert max(map(len, result.outlines[:10])) <= 80
