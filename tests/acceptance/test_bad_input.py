"""Bad input ends in one line, exit code 4, nothing measured, no worker started, no traceback.

Each source of errors has one whole run here. The tests of its reader have the text of every error.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from acceptance.runs import Judge, usage_error

KINDS = (
    "demo, demo-textured, a checkpoint file (.pt, .pth, .pth.tar, .th, .ckpt, .bin, .safetensors), an "
    "exported program (.pt2), an ONNX file (.onnx), a TFLite file (.tflite), an OpenVINO file "
    "(.xml), a folder with config.json, timm:NAME, hf-hub:OWNER/NAME, open_clip:NAME/WEIGHTS, "
    "package.module:callable"
)
WITHOUT_MODEL = (
    "thresholds/x.yaml: a threshold file judges a model, and none is named. Name one with --model=SPEC."
)


@pytest.fixture
def error_line(judge_cold: Judge):
    """The one line that arguments get; nothing was measured for it."""

    def line(*arguments: str, model: str | None = "nets:net", file: str = "thresholds/x.yaml") -> str:
        line = usage_error(judge_cold(file, *arguments, model=model))
        assert judge_cold.passes() == {}
        return line.replace(str(judge_cold.pytester.path), "HERE")

    return line


@pytest.fixture
def folder(judge_cold: Judge) -> Path:
    (judge_cold.pytester.path / "file").touch()
    return judge_cold.pytester.path


@pytest.fixture
def data(folder: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny suite, which a test may spoil."""
    made = folder / "data"
    shutil.copytree(tiny_data, made)
    monkeypatch.setenv("QUBA_DATA", str(made))
    return made


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        ("net.pt", ["-n2"], "net.pt: no such file in HERE."),
        ("dem", [], f"dem: not a model spec. Allowed: {KINDS}. Did you mean 'demo'?"),
        ("nets:net", ["--model=nets:net"], "--model: 'nets:net' is given twice. Name each model once."),
        (None, [], WITHOUT_MODEL),
        (
            "nets:net",
            ["--quba-data=dat"],
            "dat: there is no such data folder. Did you mean 'data'? Allowed: an existing folder.",
        ),
        (
            "nets:net",
            ["--quba-store=file/store"],
            "--quba-store: file/store cannot be written (Not a directory). Allowed: a folder that you "
            "may write to. Name another with --quba-store DIR.",
        ),
        (
            "nets:net",
            ["--quba-report=file/record.json"],
            "--quba-report: HERE/file/record.json cannot be written (File exists). "
            "Allowed: a file in a folder that you may write to.",
        ),
        (
            "nets:net",
            ["--quba-report=runs.json"],
            "--quba-report: got 'runs.json', a folder. Allowed: a file name.",
        ),
        (
            "nets:net",
            ["--quba-report=record.txt"],
            "--quba-report: got 'record.txt'. Allowed: a file name that ends in .json.",
        ),
    ],
)
def test_arguments(
    error_line, folder: Path, data: Path, model: str | None, arguments: list[str], message: str
) -> None:
    (folder / "runs.json").mkdir()
    assert error_line(*arguments, model=model) == message


def test_no_data_folder(error_line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUBA_DATA")
    assert error_line() == (
        "--quba-data: no data folder is named. Allowed: a folder with a quba-data.yaml, or with the ImageNet "
        "family's folders. Name it with --quba-data DIR, $QUBA_DATA or the ini value quba_data."
    )


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_checkpoints(error_line, folder: Path) -> None:
    import torch

    (folder / "net.pt").write_bytes(b"hello")
    assert error_line(model="net.pt") == "net.pt: not a checkpoint that torch.save wrote, or a damaged one."
    torch.save({"weight": Bomb()}, folder / "net.pt")
    start = "net.pt: would run code when it is read (posix.mkdir); nothing of it was run. "
    assert error_line(model="net.pt").startswith(start)
    assert not (folder / "exploded").exists()


@pytest.mark.parametrize("arguments", [[], ["-n2"]])
def test_a_model_of_other_classes(judge_cold: Judge, arguments: list[str]) -> None:
    line = usage_error(judge_cold("thresholds/x.yaml", *arguments, model="nets:FourClasses"))
    assert line == (
        "nets:FourClasses: the model gives 4 numbers per image, the suite has 3 classes. "
        "Give a model of 3 classes, or the suite of this model's classes."
    )


def test_an_output_that_is_not_finite(judge_cold: Judge) -> None:
    assert usage_error(judge_cold("thresholds/x.yaml", model="nets:NotFinite")) == (
        "nets:NotFinite: the model's output is not finite, got NaN or infinity for 9 of 9 images."
    )


@pytest.mark.parametrize("place", ["val/apple", "night/brick"])
def test_a_class_folder_that_is_unknown_is_found_before_the_long_work(
    error_line, data: Path, place: str
) -> None:
    (data / place).rename(data / f"{place}e")
    name = Path(place).name
    assert error_line() == (
        f"data/{place}e: unknown class folder '{name}e'. Did you mean '{name}'? Allowed: apple, brick, cloud."
    )


def test_a_clean_image_that_cannot_be_decoded(judge_cold: Judge, data: Path) -> None:
    image = data / "val" / "cloud" / "001.png"
    image.write_bytes(b"no image")
    assert usage_error(judge_cold("thresholds/x.yaml")) == (
        "data/val/cloud/001.png: cannot be decoded as an image (no image format recognises it). "
        "Replace or remove the file."
    )


def test_a_report_that_cannot_be_written_any_more(judge: Judge) -> None:
    spoil = "from pathlib import Path\ndef test_spoil(): Path('out').rmdir(); Path('out').touch()\n"
    path = judge.write("test_spoil.py", spoil)
    result = judge("thresholds/x.yaml", "test_spoil.py", "--quba-report=out/record.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "13 of 13 demands passed" in result.outlines
    assert (
        f"ERROR: {path.parent}/out/record.json: cannot be written (File exists). "
        "Allowed: a file in a folder that you may write to."
    ) in result.outlines
    assert result.errlines == []


def test_a_mistake_in_the_threshold_file(judge_cold: Judge, error_line) -> None:
    judge_cold.write("thresholds/x.yaml", "schema: 1\ndimensions:\n  acuracy: {min: 1}\n")
    start = "thresholds/x.yaml:3: unknown dimension 'acuracy'. Did you mean 'accuracy'?"
    assert error_line().startswith(start)
    judge_cold.write(
        "thresholds/fleet.json", '{"schema": 1, "name": "fleet", "protocol": "standard", "rows": []}'
    )
    text = "schema: 1\ndimensions: {accuracy: {min: 0.1}}\nquba: {min_grade: C, population: fleet.json}\n"
    judge_cold.write("thresholds/x.yaml", text)
    assert "population" in error_line()


def test_threshold_files_that_cannot_be_judged(error_line, folder: Path) -> None:
    assert error_line(file="thresholds/y.yaml") == (
        "thresholds/y.yaml: there is no such threshold file, and no shipped profile of that name. "
        "Shipped: default, mobile, own-data, safety-critical, server."
    )
    os.mkfifo(folder / "pipe.yaml")
    assert error_line(file="pipe.yaml") == "pipe.yaml: this is a pipe or a device, not a file."
    assert error_line(file="thresholds", model=None) == WITHOUT_MODEL.replace("/x.yaml", "")


def test_data_that_are_missing_are_not_covered_by_optional(
    error_line, judge_cold: Judge, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_cold.write("thresholds/x.yaml", "schema: 1\ndimensions: {accuracy: {min: 0.5, optional: true}}\n")
    manifest = "schema: 1\nname: few\nclasses: [a, b]\nsets: {clean: {reader: folder, path: val}}\n"
    judge_cold.write("data/quba-data.yaml", manifest)
    monkeypatch.setenv("QUBA_DATA", str(folder / "data"))
    assert error_line() == (
        "data/quba-data.yaml: none of its sets exists: the set 'clean' is missing: looked for "
        "data/val. Correct the paths, or name another folder."
    )
