"""Models that want to end the run: one line, exit code 4. Models with odd names: a record each."""

from __future__ import annotations

import json

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
        if self.what == "end":
            pytest.exit("enough", returncode=0)
        return torch.empty(2**62, dtype=torch.uint8)


def leave(): return Odd("leave")
def end(): return Odd("end")
def memory(): return Odd("memory")
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
        ("end", f"{FAILS} Exit: enough"),
        (
            "memory",
            "memory on cpu runs out with a single image of 8 × 8. Free memory, or give another "
            "--quba-device, a smaller model, or a smaller input_size.",
        ),
    ],
)
def test_a_model_that_would_end_the_run(judge: Judge, name: str, message: str) -> None:
    line = usage_error(judge("gate.yaml", "--quba-device=cpu", model=f"odd:{name}"))
    assert line == f"odd:{name}: {message}"


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
    result.stdout.fnmatch_lines(["*= quba-check net =*", "*= quba-check net~2 =*"])
    records = [json.loads(path.read_text("utf-8")) for path in judge.pytester.path.glob("record-*.json")]
    assert sorted(record["model"]["spec"] for record in records) == sorted(paths)
    assert len({row["id"] for record in records for row in record["verdicts"]}) == 8
