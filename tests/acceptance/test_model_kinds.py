"""The whole command on models as training leaves them: a checkpoint with arguments, programs, a folder."""

from __future__ import annotations

import argparse
import shutil
import warnings
from pathlib import Path

import pytest
from acceptance.runs import Judge

GATE = """\
schema: 1
name: gate
dimensions:
  accuracy: {min: 0}
  adversarial_robustness: {min: 0, tier: info}
  parameters: {max: 1}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One network as `last.pth.tar`, `script.pt`, `program.pt2` and `hub/`.

    Made before any run in this process: pytester forgets modules that a run imported, which torch's do not
    survive.
    """
    import timm
    import torch
    from timm.models import save_for_hf

    folder = tmp_path_factory.mktemp("kinds")
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=3).eval()
    args = argparse.Namespace(model="test_resnet", img_size=32, mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5])
    torch.save({"state_dict": model.state_dict(), "args": args, "epoch": 9}, folder / "last.pth.tar")
    save_for_hf(model, folder / "hub", safe_serialization=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(model, torch.zeros(1, 3, 32, 32)).save(folder / "script.pt")
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(model, (torch.zeros(2, 3, 32, 32),), dynamic_shapes=shapes)
    torch.export.save(program, folder / "program.pt2")
    torch.export.load(folder / "program.pt2")  # what the reader imports, too
    return folder


@pytest.fixture
def kinds(files: Path, judge_cold: Judge) -> Judge:
    """A folder with the files, and a threshold file."""
    shutil.copytree(files, judge_cold.pytester.path, dirs_exist_ok=True)
    judge_cold.write("gate.yaml", GATE)
    return judge_cold


PREPARATION = """\
input_size: [3, 32, 32]
interpolation: bicubic
mean: [0.5, 0.5, 0.5]
std: [0.5, 0.5, 0.5]
crop_pct: 0.95
crop_mode: center
"""


def test_one_network_in_four_kinds_of_files(kinds: Judge) -> None:
    kinds.write("prep.yaml", PREPARATION)
    result = kinds(
        "gate.yaml",
        "--model=script.pt",
        "--model=program.pt2",
        "--model=hub",
        "--quba-trust-pickle",
        "--quba-preprocessing=prep.yaml",
        "--quba-report=record.json",
        model="last.pth.tar",
    )
    assert result.ret == pytest.ExitCode.OK, result.outlines
    names = ("last", "script", "program", "hub")
    records = {name: kinds.record(f"record-{name}-standard.json") for name in names}
    for record in records.values():
        assert record["model"]["preparation"]["source"] == "prep.yaml"
        assert record["model"]["parameters"] == records["last"]["model"]["parameters"]
        for dimension in ("accuracy", "adversarial_robustness"):
            found, expected = (one["measurements"][dimension] for one in (record, records["last"]))
            assert found.get("value") == pytest.approx(expected.get("value")), (record, dimension)
    result.stdout.fnmatch_lines(
        [
            *(f"model {name}: 32×32, bicubic, crop 0.95, mean 0.5*" for name in (*names[1:], names[0])),
            "*= test session starts =*",
            "*= quba-check last =*",
            "*the architecture is test_resnet, as 'args.model' in last.pth.tar states*",
            "*weights were taken from 'state_dict'*",
            "*images are prepared as prep.yaml states: 32×32, bicubic, crop 0.95, *",
        ]
    )
