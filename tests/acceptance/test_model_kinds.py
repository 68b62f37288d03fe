"""The whole command on models as training leaves them: a checkpoint with arguments, programs, a folder."""

from __future__ import annotations

import argparse
import shutil
import warnings
import zipfile
from pathlib import Path

import pytest
from acceptance.runs import Judge, usage_error

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
            *(
                f"quba-check: {name}: images go in at 32 × 32, bicubic, crop 0.95, mean 0.5*"
                for name in (*names[1:], names[0])
            ),
            "*= test session starts =*",
            "*= quba-check last =*",
            "*the architecture is test_resnet, as 'args.model' in last.pth.tar states*",
            "*weights were taken from 'state_dict'*",
            "*images are prepared as prep.yaml states: 32 × 32, bicubic, crop 0.95, *",
        ]
    )


def test_files_that_could_do_more_than_answer_are_refused(kinds: Judge) -> None:
    assert usage_error(kinds("gate.yaml", model="program.pt2")) == (
        "program.pt2: is an exported program, which can run code when it is read; nothing of it was run. "
        "Give TorchScript (torch.jit.save), ONNX, or the state dict with --quba-arch, or, if you trust "
        "whoever made the file: --quba-trust-pickle."
    )
    with zipfile.ZipFile(kinds.pytester.path / "script.pt", "a") as archive:
        archive.writestr("script/code/__torch__/more.py", "torch.save(1, 'trap')")
    assert usage_error(kinds("gate.yaml", model="script.pt")) == (
        "script.pt: its program could reach files, got 'save'; nothing of it was run. "
        "Allowed: operators of aten, prim, quantized, torchvision that only compute. Save the model without "
        "it, or, if you trust whoever made the file: --quba-trust-pickle."
    )


def test_mistakes_in_the_preparation_end_the_run_at_once(kinds: Judge) -> None:
    kinds.write("prep.yaml", "mean: [0.5, 0.5, 0.5]\ninterpolation: bicubik\n")
    message = usage_error(kinds("gate.yaml", "--quba-preprocessing=prep.yaml", model="script.pt"))
    assert message == (
        "prep.yaml:2: interpolation: got text 'bicubik'. "
        "Allowed: nearest, bilinear, bicubic, box, hamming, lanczos. Did you mean 'bicubic'?"
    )
    assert usage_error(kinds("gate.yaml", "--quba-preparation=pre.yaml", model="script.pt")) == (
        "pre.yaml: there is no such file."
    )


def test_an_architecture_for_a_model_that_brings_its_own(kinds: Judge) -> None:
    message = usage_error(kinds("gate.yaml", "--quba-arch=resnet50", model="script.pt"))
    assert message == (
        "--quba-arch: got 'resnet50', but 'script.pt' is not a checkpoint file and brings its own "
        "architecture. Leave the option out (also in the ini file)."
    )
    collect_only = ("--quba-arch=test_resnet", "--model=last.pth.tar", "--collect-only", "-q")
    assert kinds("gate.yaml", *collect_only, model="script.pt").ret == pytest.ExitCode.NO_TESTS_COLLECTED
