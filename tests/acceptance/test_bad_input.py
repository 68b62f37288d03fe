"""Bad input ends in one line, exit code 4, nothing measured, no worker started, no traceback.

Each hook that reads input has one whole run here. The tests of the readers have the text of every error.
"""

import shutil
from pathlib import Path

import pytest
from acceptance.runs import Judge, usage_error
from PIL import Image
from syrupy.assertion import SnapshotAssertion


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("net.pt", ["-n2"]),
        (None, []),
        ("nets:net", ["--quba-data=dat"]),
        ("nets:net", ["--quba-record=file/record.json"]),
        ("nets:net", ["--quba-record=runs.json"]),
        ("nets:net", ["--quba-record=./old.json", "--quba-baseline=old.json"]),
        ("nets:net", ["thresholds/typo.yaml"]),
    ],
    ids=[
        "model",
        "no model",
        "data",
        "report below a file",
        "report is a folder",
        "report is baseline",
        "typo",
    ],
)
def test_input_that_is_read_before_the_model(
    judge_cold: Judge, model: str | None, arguments: list[str], snapshot: SnapshotAssertion
) -> None:
    judge_cold.write("file", "")
    judge_cold.write("data/x", "")
    judge_cold.write("old.json", '{"schema": 1, "verdicts": []}')
    judge_cold.write("thresholds/typo.yaml", "schema: 1\ndimensions: {accuracy: {min: 2}}\n")
    (judge_cold.root / "runs.json").mkdir()
    line = usage_error(judge_cold("thresholds/x.yaml", *arguments, model=model))
    assert line.replace(str(judge_cold.root), "HERE") == snapshot
    assert judge_cold.passes() == {}


@pytest.mark.parametrize("arguments", [[], ["-n2"]])
def test_an_output_that_is_not_finite(judge_cold: Judge, arguments: list[str]) -> None:
    assert usage_error(judge_cold("thresholds/x.yaml", *arguments, model="nets:NotFinite")) == (
        "nets:NotFinite: the model's output is not finite, got NaN or infinity for 9 of 9 images."
    )


def test_a_report_that_cannot_be_written_any_more(judge: Judge) -> None:
    spoil = "from pathlib import Path\ndef test_spoil(): Path('out').rmdir(); Path('out').touch()\n"
    path = judge.write("test_spoil.py", spoil)
    result = judge("thresholds/x.yaml", "test_spoil.py", "--quba-record=out/record.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "released: yes; 13 of 13 demands passed" in result.outlines
    assert (
        f"ERROR: {path.parent}/out/record.json: cannot be written (File exists). "
        "Allowed: a file in a folder that you may write to."
    ) in result.outlines
    assert result.errlines == []


def test_an_image_about_which_pillow_warns_is_no_damage(
    judge_cold: Judge, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = judge_cold.pytester.path / "data"
    shutil.copytree(tiny_data, data)
    with Image.open(data / "sketch" / "brick" / "001.png") as opened:
        palette = opened.convert("P")
    for folder in ("val", "sketch"):  # read before the items, and by one
        path = next(iter(sorted((data / folder).glob("*/*.png"))))
        palette.save(path, transparency=bytes(range(16)))
    monkeypatch.setenv("QUBA_DATA", str(data))
    judge_cold.write(
        "thresholds/x.yaml", "schema: 1\ndimensions: {accuracy: {min: 0}, ood_robustness: {min: 0}}\n"
    )
    assert judge_cold("thresholds/x.yaml", "-W", "error").ret == pytest.ExitCode.OK
