"""A run of the gate on models as training leaves them: a checkpoint with arguments, programs, a folder."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import pytest
import timm
import torch
from support.gate import Gate
from timm.models import save_for_hf

DEMANDS = (
    "dimensions: {accuracy: {min: 0}, adversarial_robustness: {min: 0, tier: info}, parameters: {max: 1}}"
)
PREPROCESSING = """\
input_size: [3, 32, 32]
interpolation: bicubic
mean: [0.5, 0.5, 0.5]
std: [0.5, 0.5, 0.5]
crop_pct: 0.95
crop_mode: center
"""


def write_files(folder: Path) -> None:
    """Write one network as `last.pth.tar`, `script.pt`, `program.pt2` and `hub/`."""
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


def test_one_network_in_four_kinds_of_files(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    (tmp_path / "prep.yaml").write_text(PREPROCESSING, encoding="utf-8")
    last, *others = (
        gate.judge(DEMANDS, model=name, preprocessing="prep.yaml", trust_pickle=True)
        for name in ("last.pth.tar", "script.pt", "program.pt2", "hub")
    )
    assert last.model.preparation["source"] == "prep.yaml"
    assert {
        "the architecture is test_resnet, as 'args.model' in last.pth.tar states",
        "weights were taken from 'state_dict'",
    } <= set(last.notes)
    for record in others:
        assert record.overall_verdict == "pass"
        assert record.model.preparation == last.model.preparation
        assert record.model.parameters == last.model.parameters
        assert record.measurements["accuracy"].value == pytest.approx(last.measurements["accuracy"].value)
    # A program of torch.jit has gradients, and one of torch.export too.
    values = [one.measurements["adversarial_robustness"].value for one in (last, *others)]
    assert values == pytest.approx([values[0]] * 4)
