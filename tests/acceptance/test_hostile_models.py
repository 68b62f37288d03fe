"""Models that want to end the run, and files that want to stop it: one line, exit code 4."""

from __future__ import annotations

import json
import os

import pytest
import timm
import torch
from acceptance.runs import Judge, usage_error

GATE = """\
schema: 1
name: gate
dimensions:
  accuracy: {min: 0}
  parameters: {max: 1}
"""
MODELS = """\
import sys

import pytest
import torch
from nets import Net


class Odd(Net):
    def __init__(self, what):
        super().__init__()
        self.what = what

    def forward(self, x):
        if self.what == "leave":
            sys.exit(0)
        if self.what == "skip":
            pytest.skip("not today")
        if self.what == "end":
            pytest.exit("enough", returncode=0)
        if self.what == "memory":
            return torch.empty(2**62, dtype=torch.uint8)
        return super().forward(x).to_sparse()


def leave(): return Odd("leave")
def skip(): return Odd("skip")
def end(): return Odd("end")
def memory(): return Odd("memory")
def sparse(): return Odd("sparse")
def never(): sys.exit(0)
"""
FAILS = "the model fails on a batch of 9 images of 3×8×8:"


@pytest.fixture
def judge(judge_cold: Judge) -> Judge:
    judge_cold.write("gate.yaml", GATE)
    judge_cold.write("odd.py", MODELS)
    return judge_cold


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("leave", f"{FAILS} SystemExit: 0"),
        ("skip", f"{FAILS} Skipped: not today"),
        ("end", f"{FAILS} Exit: enough"),
        ("never", "calling it raised SystemExit: 0"),
        (
            "memory",
            "memory on cpu runs out with a single image of 8 × 8. Free memory, or give another "
            "--quba-device, a smaller model, or a smaller input_size.",
        ),
        (
            "sparse",
            "the model returns a sparse tensor. "
            "Allowed: a floating-point tensor of shape (images, classes), here (9, 3).",
        ),
    ],
)
def test_a_model_that_would_end_the_run(judge: Judge, name: str, message: str) -> None:
    line = usage_error(judge("gate.yaml", "--quba-device=cpu", model=f"odd:{name}"))
    assert line == f"odd:{name}: {message}"


def test_files_that_would_stop_it(judge: Judge) -> None:
    os.mkfifo(judge.pytester.path / "pipe.pt")
    assert usage_error(judge("gate.yaml", model="pipe.pt")) == (
        "pipe.pt: is a pipe, a socket or a device. Allowed: a regular file."
    )
    folder = judge.pytester.mkdir("hub")
    config = {"architecture": "test_resnet", "num_classes": 3, "pretrained_cfg": {"crop_pct": 0}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert usage_error(judge("gate.yaml", model="hub")) == (
        "hub: config.json: crop_pct cannot be used, got 0. Allowed: a number above 0."
    )


def test_models_whose_names_collide_leave_a_record_each(judge: Judge) -> None:
    torch.manual_seed(0)
    state = timm.create_model("test_resnet", num_classes=3).state_dict()
    paths = ["x/net.pt", "y/net.pt", "net~2.pt", f"{'n' * 240}.pt"]
    for path in paths:
        (judge.pytester.path / path).parent.mkdir(exist_ok=True)
        torch.save(state, judge.pytester.path / path)
    first, *others = (f"--model={path}" for path in paths)
    result = judge(
        "gate.yaml",
        *others,
        "--quba-arch=test_resnet",
        "--quba-report=record.json",
        model=first.removeprefix("--model="),
    )
    assert result.ret == pytest.ExitCode.OK, result.outlines
    records = [json.loads(path.read_text("utf-8")) for path in judge.pytester.path.glob("record-*.json")]
    assert sorted(record["model"]["spec"] for record in records) == sorted(paths)
    assert len({row["id"] for record in records for row in record["verdicts"]}) == 8
