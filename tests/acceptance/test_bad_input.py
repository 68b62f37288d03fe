"""Bad input ends in one line, exit code 4, nothing measured, no worker started, no traceback."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import timm
from acceptance.runs import Judge, usage_error

CLEAN_ALONE = """\
schema: 1
name: few
classes: [apple, brick, cloud]
image_size: 8
sets:
  clean: {reader: folder, path: val}
"""
KINDS = (
    "demo, demo-textured, a checkpoint file (.pt, .pth, .pth.tar, .th, .ckpt, .bin, .safetensors), an "
    "exported program (.pt2), an ONNX file (.onnx), a folder with config.json, timm:NAME, hf-hub:OWNER/NAME, "
    "open_clip:NAME/WEIGHTS, package.module:callable"
)


@pytest.fixture
def error_line(judge_cold: Judge):
    """The one line that arguments get; nothing was measured for it."""

    def line(*arguments: str, model: str | None = "nets:net") -> str:
        result = judge_cold("thresholds/x.yaml", *arguments, model=model)
        return usage_error(result)

    return line


@pytest.fixture
def folder(judge_cold: Judge) -> Path:
    return judge_cold.pytester.path


@pytest.fixture
def data(folder: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite with nothing but a clean set, which a test may spoil."""
    made = folder / "data"
    shutil.copytree(tiny_data / "val", made / "val")
    (made / "quba-data.yaml").write_text(CLEAN_ALONE, encoding="utf-8")
    monkeypatch.setenv("QUBA_DATA", str(made))
    return made


def test_model_file_that_is_missing(error_line, folder: Path) -> None:
    (folder / "nets.pt").touch()
    assert error_line(model="net.pt") == f"net.pt: no such file in {folder}. Did you mean 'nets.pt'?"


def test_under_workers_too(error_line, judge_cold: Judge) -> None:
    assert error_line("-n2", model="net.pt") == f"net.pt: no such file in {judge_cold.pytester.path}."
    text = error_line("-n2", model="nets:FourClasses")
    assert text.startswith("nets:FourClasses: the model gives 4 numbers per image")


def test_no_model_spec(error_line) -> None:
    assert error_line(model="dem") == f"dem: not a model spec. Allowed: {KINDS}. Did you mean 'demo'?"


def test_file_that_is_no_checkpoint(error_line, folder: Path) -> None:
    (folder / "net.pt").write_bytes(b"hello")
    assert error_line(model="net.pt") == "net.pt: not a checkpoint that torch.save wrote, or a damaged one."


def test_architecture_that_nobody_knows(error_line, folder: Path) -> None:
    (folder / "net.pt").touch()
    assert error_line("--quba-arch=resnet52", model="net.pt").startswith(
        f"--quba-arch: unknown architecture 'resnet52'. Allowed: the models of timm {timm.__version__}. "
        "Did you mean 'resnet"
    )


def test_state_dict_that_does_not_fit(error_line, folder: Path) -> None:
    import torch

    state = timm.create_model("mobilenetv3_small_050", num_classes=3).state_dict()
    torch.save(state, folder / "net.pt")
    assert error_line("--quba-arch=mobilenetv3_small_075", model="net.pt") == (
        "net.pt: its keys do not fit mobilenetv3_small_075: 192 of another shape "
        "(blocks.0.0.conv_pw.weight (8, 16, 1, 1) instead of (16, 16, 1, 1), "
        "blocks.0.0.bn2.weight (8,) instead of (16,), blocks.0.0.bn2.bias (8,) instead of (16,) "
        "and 189 more). Did you mean --quba-arch=mobilenetv3_small_050?"
    )


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_checkpoint_that_would_run_code(error_line, folder: Path) -> None:
    import torch

    torch.save({"weight": Bomb()}, folder / "net.pt")
    text = error_line(model="net.pt")
    assert text == (
        "net.pt: would run code when it is read (posix.mkdir); nothing of it was run. "
        "Save the weights with torch.save(model.state_dict(), FILE), or, if you trust whoever made the "
        "file: --quba-trust-pickle."
    )
    assert not (folder / "exploded").exists()


def test_wrong_number_of_classes(error_line) -> None:
    assert error_line(model="nets:FourClasses") == (
        "nets:FourClasses: the model gives 4 numbers per image, the suite has 3 classes. "
        "Give a model of 3 classes, or the suite of this model's classes."
    )


def test_output_that_is_not_finite(error_line) -> None:
    assert error_line(model="nets:NotFinite") == (
        "nets:NotFinite: the model's output is not finite, got NaN or infinity for 9 of 9 images."
    )


def test_output_that_is_no_table(error_line) -> None:
    assert error_line(model="nets:NotATable") == (
        "nets:NotATable: the model's output has the wrong shape, got (9, 3, 1). "
        "Allowed: a floating-point tensor of shape (images, classes), here (9, 3)."
    )


def test_no_data_folder(error_line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUBA_DATA")
    assert error_line() == (
        "--quba-data: no data folder is named. Allowed: a folder with a quba-data.yaml, or with the ImageNet "
        "family's folders. Name it with --quba-data DIR, $QUBA_DATA or the ini value quba_data."
    )


def test_data_folder_that_is_missing(error_line, folder: Path, data: Path) -> None:
    assert error_line("--quba-data=dat") == (
        f"{folder}/dat: there is no such data folder. Did you mean 'data'? Allowed: an existing folder."
    )


def test_data_folder_that_is_empty(error_line, folder: Path) -> None:
    (folder / "empty").mkdir()
    assert error_line("--quba-data=empty").startswith(f"{folder}/empty: the data folder is empty. ")


def test_class_folder_that_is_unknown(error_line, data: Path) -> None:
    (data / "val" / "apple").rename(data / "val" / "aple")
    assert error_line() == (
        f"{data}/val/aple: unknown class folder 'aple'. Did you mean 'apple'? Allowed: apple, brick, cloud."
    )


def test_class_folder_that_is_missing(error_line, data: Path) -> None:
    shutil.rmtree(data / "val" / "brick")
    assert error_line() == (
        f"{data}/val: class folders are missing, got 2 of 3. Missing: brick. Add them, or allow it in "
        "quba-data.yaml: partial: true in the set's entry, or restrict: true to score only classes that have "
        "folders."
    )


def test_clean_image_that_cannot_be_decoded(error_line, data: Path) -> None:
    image = data / "val" / "cloud" / "001.png"
    image.write_bytes(b"no image")
    assert error_line() == (
        f"{image}: cannot be decoded as an image (no image format recognises it). Replace or remove the file."
    )


def test_gpu_that_is_not_there(error_line) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert error_line("--quba-device=cuda") == (
        f"--quba-device: cuda was asked for, but torch {torch.__version__} finds no CUDA device here. "
        "Allowed: auto, cpu."
    )


def test_store_that_cannot_be_written(error_line, folder: Path) -> None:
    (folder / "file").touch()
    assert error_line("--quba-store=file/store") == (
        f"--quba-store: {folder}/file/store cannot be written (Not a directory). Allowed: a folder that you "
        "may write to. Name another with --quba-store DIR."
    )


def test_report_that_cannot_be_written(error_line, folder: Path) -> None:
    (folder / "file").touch()
    assert error_line("--quba-report=file/record.json") == (
        f"--quba-report: {folder}/file/record.json cannot be written (File exists). "
        "Allowed: a file in a folder that you may write to."
    )


def test_report_that_cannot_be_written_any_more(judge: Judge) -> None:
    path = judge.write(
        "test_spoil.py",
        """
from pathlib import Path

def test_spoil():
    Path("out").rmdir()
    Path("out").touch()
""",
    )
    result = judge("thresholds/x.yaml", "test_spoil.py", "--quba-report=out/record.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "13 of 13 demands passed" in result.outlines
    assert (
        f"ERROR: {path.parent}/out/record.json: cannot be written (File exists). "
        "Allowed: a file in a folder that you may write to."
    ) in result.outlines
    assert result.errlines == []


def test_report_that_is_a_folder(error_line, folder: Path) -> None:
    (folder / "runs.json").mkdir()
    assert error_line("--quba-report=runs.json") == (
        f"--quba-report: {folder}/runs.json is a folder. Allowed: a file name that ends in .json."
    )


def test_report_of_another_kind(error_line) -> None:
    assert error_line("--quba-report=record.txt") == (
        "--quba-report: got 'record.txt'. Allowed: a file name that ends in .json."
    )


def test_mistake_in_the_threshold_file(judge_cold: Judge, error_line) -> None:
    judge_cold.write(
        "thresholds/x.yaml", "schema: 1\ndimensions:\n  accuracy: {min: 0.5}\n  acuracy: {min: 1}\n"
    )
    text = error_line()
    assert text.startswith("thresholds/x.yaml:4: ")
    assert "'acuracy'" in text
    assert "Did you mean 'accuracy'?" in text


def test_threshold_file_that_is_missing(judge_cold: Judge) -> None:
    assert usage_error(judge_cold("thresholds/y.yaml")) == (
        "thresholds/y.yaml: there is no such threshold file, and no shipped profile of that name. "
        "Shipped: default, mobile, safety-critical, server."
    )


def test_protocol_that_the_threshold_file_contradicts(judge_cold: Judge, error_line) -> None:
    judge_cold.write(
        "thresholds/x.yaml", "schema: 1\nprotocol: released\ndimensions: {accuracy: {min: 0.5}}\n"
    )
    assert error_line("--quba-protocol=standard") == (
        "--quba-protocol: got 'standard', but thresholds/x.yaml states protocol released. "
        "Leave the option out, or use a threshold file written for that protocol."
    )


def test_demo_with_another_model(error_line) -> None:
    assert error_line("--model=demo") == (
        "--model: 'demo' brings its own images and thresholds; it cannot be judged together with 'nets:net'. "
        "Use two runs."
    )


def test_data_folder_for_a_model_that_brings_its_images(error_line) -> None:
    assert error_line("--quba-data=photos", model="demo") == (
        "--quba-data: got 'photos', but 'demo' brings its own images. Allowed: a data folder for any other "
        "model. Leave the option out, or name another model."
    )


def test_the_same_model_twice(error_line) -> None:
    assert error_line("--model=nets:net") == "--model: 'nets:net' is given twice. Name each model once."


def test_threshold_file_without_a_model(error_line) -> None:
    assert error_line(model=None) == (
        "thresholds/x.yaml: a threshold file judges a model, and none is named. Name one with --model=SPEC."
    )


def test_class_folder_of_a_later_set_is_found_before_the_long_work(
    error_line, judge_cold: Judge, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = judge_cold.pytester.path / "data"
    shutil.copytree(tiny_data, data)
    (data / "night" / "brik").mkdir()
    monkeypatch.setenv("QUBA_DATA", str(data))
    text = error_line()
    assert text.startswith(f"{data / 'night' / 'brik'}: ")
    assert "Did you mean 'brick'?" in text
    assert judge_cold.passes() == {}


def test_folder_of_threshold_files_without_a_model(error_line) -> None:
    result = error_line("thresholds", model=None)
    assert result == (
        "thresholds/x.yaml: a threshold file judges a model, and none is named. Name one with --model=SPEC."
    )


def test_population_that_cannot_grade(error_line, judge_cold: Judge) -> None:
    judge_cold.write(
        "thresholds/fleet.json", '{"schema": 1, "name": "fleet", "protocol": "standard", "rows": []}'
    )
    text = "schema: 1\ndimensions: {accuracy: {min: 0.1}}\nquba: {min_grade: C, population: fleet.json}\n"
    judge_cold.write("thresholds/x.yaml", text)
    assert "population" in error_line()
    assert judge_cold.passes() == {}


def test_a_threshold_file_that_is_a_pipe(judge_cold: Judge, folder: Path) -> None:
    os.mkfifo(folder / "pipe.yaml")
    assert usage_error(judge_cold("pipe.yaml")) == "pipe.yaml: this is a pipe or a device, not a file."


def test_data_of_nobody(error_line) -> None:
    assert error_line("--quba-data=~nobody-here/images") == (
        "--quba-data: got '~nobody-here/images', but the home folder of '~nobody-here' is not known. "
        "Allowed: a path without ~, or with the name of a user of this machine."
    )


def test_data_that_are_not_there_are_no_matter_of_options(error_line, judge_cold: Judge, data: Path) -> None:
    judge_cold.write("thresholds/x.yaml", "schema: 1\ndimensions: {accuracy: {min: 0.5, optional: true}}\n")
    (data / "val").rename(data / "value")
    assert error_line() == (
        f"{data}/quba-data.yaml: none of its sets exists: the set 'clean' is missing: looked for "
        f"{data}/val. Correct the paths, or name another folder."
    )
    assert error_line("--quba-data=nowhere").startswith(
        f"{judge_cold.pytester.path}/nowhere: there is no such data"
    )
