"""A model that wants to end the run: one line, exit code 4. Models with odd names: a record each."""

import json

import pytest
import timm
import torch
from acceptance.runs import Judge, usage_error

GATE = "schema: 1\ndimensions: {accuracy: {min: 0}, parameters: {max: 1}}\n"
ENDING = """\
import pytest
from nets import Net


class Ending(Net):
    def forward(self, x):
        pytest.exit("enough", returncode=0)
"""


def test_a_model_that_would_end_the_run(judge_cold: Judge) -> None:
    judge_cold.write("odd.py", ENDING)
    assert usage_error(judge_cold("thresholds/x.yaml", model="odd:Ending")) == (
        "odd:Ending: the model fails on a batch of 9 images of 3×8×8: Exit: enough"
    )


def test_models_whose_names_collide_leave_a_record_each(judge_cold: Judge) -> None:
    folder = judge_cold.pytester.path
    judge_cold.write("gate.yaml", GATE)
    torch.manual_seed(0)
    state = timm.create_model("test_resnet", num_classes=3).state_dict()
    paths = ["x/net.pt", "y/net.pt", "net~2.pt", f"{'n' * 240}.pt"]
    for path in paths:
        (folder / path).parent.mkdir(exist_ok=True)
        torch.save(state, folder / path)
    first, *others = paths
    options = ("--quba-arch=test_resnet", "--quba-record=record.json")
    result = judge_cold("gate.yaml", *(f"--model={path}" for path in others), *options, model=first)
    assert result.ret == pytest.ExitCode.OK, result.outlines
    result.stdout.fnmatch_lines(["*= quba-check net =*", "*= quba-check net~2 =*"])
    records = [json.loads(path.read_text("utf-8")) for path in folder.glob("record-*.json")]
    assert sorted(record["model"]["spec"] for record in records) == sorted(paths)
    assert len({row["id"] for record in records for row in record["verdicts"]}) == 8
