"""Whole runs whose model, threshold file, suite, classes and images have hostile names."""

import json
import warnings
import xml.etree.ElementTree as ET

import pytest
import torch
from acceptance.runs import Judge
from PIL import Image

from quba_check.messages import visible

OBEYED = "::error::a\u202e\u200f ::add-mask::b##[error]c|`<b>&\"'"
"""Without characters that a model file may not have in its name."""
CONTROL = f"\x1b[31m\r\n{OBEYED}\x9b\u2028"


@pytest.fixture
def names_of_outside(judge: Judge) -> Judge:
    folder = judge.pytester.path
    (folder / "thresholds" / "x.yaml").unlink()
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 3))
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        torch.jit.trace(network.eval(), torch.zeros(1, 3, 8, 8)).save(folder / f"{OBEYED}.pt")
    (folder / "thresholds" / f"{CONTROL}.yaml").write_text(
        "schema: 1\ndimensions:\n  accuracy: {min: 0.999}\n  class_balance: {min: 0.999}\n"
    )
    classes = [f"{OBEYED}\u2028\n{number}" for number in range(3)]
    for number, name in enumerate(classes):
        (folder / "data" / "val" / name).mkdir(parents=True)
        for k in range(2):
            colour = (25 * number, 100 * k, 60)
            Image.new("RGB", (8, 8), colour).save(folder / "data" / "val" / name / f"{CONTROL}{k}.png")
    sets = {"clean": {"reader": "folder", "path": "val"}}
    manifest = {"schema": 1, "name": f"{OBEYED}\n{OBEYED}", "image_size": 8, "classes": classes, "sets": sets}
    (folder / "data" / "quba-data.yaml").write_text(json.dumps(manifest))
    return judge


def test_a_run_obeys_no_name(names_of_outside: Judge) -> None:
    judge = names_of_outside
    result = judge(
        "thresholds",
        "--quba-data=data",
        "-rA",
        "--junitxml=junit.xml",
        "--quba-record=record.json",
        "--quba-markdown=summary.md",
        "--quba-html=page.html",
        model=f"./{OBEYED}.pt",
    )
    assert result.ret == 1, result.stderr.str()
    assert result.stderr.str() == ""
    check(result.outlines)
    check((judge.pytester.path / "summary.md").read_text().splitlines())
    ET.parse(judge.pytester.path / "junit.xml")  # noqa: S314  our own file
    record = judge.record()
    assert record["model"]["name"] == OBEYED.replace("::e", "\\x3a:e").replace(" ::", " \\x3a:").replace(
        "##", "#\\x23"
    ).replace("\u202e", "\\u202e").replace("\u200f", "\\u200f")
    assert record["verdicts"][0]["outcome"] == "fail"


def check(lines: list[str]) -> None:
    for line in lines:
        assert visible(line) == line, ascii(line)
        assert not line.lstrip().startswith("::"), line
        assert "##[" not in line
