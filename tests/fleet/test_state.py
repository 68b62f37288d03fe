"""What a later fleet judges again: models whose files, thresholds or options changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.fleet_models import content, starts, write_model

from quba_check.fleet import state
from quba_check.fleet.command import FleetOptions
from quba_check.fleet.judging import Fleet
from quba_check.fleet.model_list import read_models
from quba_check.fleet.result import ModelState
from quba_check.models.specs import parse_spec

OUT = Path("out")
LINE = "a.pt arch=r50"
OPTIONS = FleetOptions(thresholds=("t.yaml",), data="images")


def judge(line: str = LINE, options: FleetOptions = OPTIONS) -> bool:
    """Judge a list of one model; return True if its result is that of an earlier fleet."""
    Path("models.txt").write_text(line, encoding="utf-8")
    judged = Fleet(read_models(Path("models.txt")), options, OUT)
    [result] = [*judged.known_results(), *judged.run()]
    assert result.outcome == "released"
    return result.is_reused


@pytest.fixture
def judged(folder: Path) -> Path:
    """A folder with the result of a fleet of one model."""
    write_model(folder / "a.pt")
    (folder / "t.yaml").write_text("schema: 1\n", encoding="utf-8")
    os.utime("a.pt", (1_000_000_000, 1_000_000_000))
    assert not judge()
    return folder


def test_nothing_changed(judged: Path) -> None:
    assert judge()
    assert len(starts(judged / "a.pt")) == 1


@pytest.mark.parametrize(
    "options",
    [
        FleetOptions(thresholds=("t.yaml",), data="images", store="elsewhere", executor="ray"),
        FleetOptions(thresholds=("t.yaml",), data="images"),
    ],
    ids=["store and executor", "the same"],
)
def test_options_that_change_no_verdict(judged: Path, options: FleetOptions) -> None:
    assert judge(options=options)


@pytest.mark.parametrize(
    "options",
    [
        FleetOptions(thresholds=("t.yaml",), data="others"),
        FleetOptions(thresholds=("t.yaml", "mobile"), data="images"),
        FleetOptions(thresholds=("t.yaml",), data="images", further=("--quba-limit=9",)),
        FleetOptions(thresholds=("t.yaml",), data="images", html=True),
    ],
    ids=["data", "thresholds", "further options", "a page that is missing"],
)
def test_other_options(judged: Path, options: FleetOptions) -> None:
    assert not judge(options=options)
    assert judge(options=options)


def test_the_data_of_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(folder / "a.pt")
    monkeypatch.setenv("QUBA_DATA", "images")
    assert not judge(options=FleetOptions())
    assert judge(options=FleetOptions())
    monkeypatch.setenv("QUBA_DATA", "others")
    assert not judge(options=FleetOptions())


def test_options_of_the_environment(judged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--quba-seed=1")
    assert not judge()
    assert judge()
    monkeypatch.delenv("PYTEST_ADDOPTS")
    assert not judge()


def touch(folder: Path) -> None:
    os.utime(folder / "a.pt")


def rewrite_thresholds(folder: Path) -> None:
    (folder / "t.yaml").write_text("schema: 1\n", encoding="utf-8")


@pytest.mark.parametrize("change", [touch, rewrite_thresholds])
def test_the_same_bytes(judged: Path, change: Callable[[Path], None]) -> None:
    change(judged)
    assert judge()


def change_model(folder: Path) -> None:
    write_model(folder / "a.pt", log="another")


def change_weights_alone(folder: Path) -> None:
    """The size stays."""
    text = (folder / "a.pt").read_text(encoding="utf-8")
    (folder / "a.pt").write_text(text.replace("r50.pt", "r51.pt"), encoding="utf-8")


def change_thresholds(folder: Path) -> None:
    (folder / "t.yaml").write_text("schema: 1 \n", encoding="utf-8")


def remove_record(folder: Path) -> None:
    (folder / "out/a/record.json").unlink()


def damage_record(folder: Path) -> None:
    (folder / "out/a/record.json").write_text("{", encoding="utf-8")


def damage_state(folder: Path) -> None:
    (folder / "out/a/result.json").write_text("{", encoding="utf-8")


def later_state(folder: Path) -> None:
    path = folder / "out/a/result.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"schema_version": 2', '"schema_version": 3'), encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        change_model,
        change_weights_alone,
        change_thresholds,
        remove_record,
        damage_record,
        damage_state,
        later_state,
    ],
)
def test_what_is_judged_again(judged: Path, change: Callable[[Path], None]) -> None:
    change(judged)
    assert not judge()
    assert judge()


def test_a_model_of_another_list_with_the_same_name(judged: Path) -> None:
    (judged / "other").mkdir()
    shutil.copy(judged / "a.pt", judged / "other/a.pt")
    assert not judge("other/a.pt")


def test_weights_replaced_with_size_and_time_kept(judged: Path) -> None:
    path, stat = judged / "a.pt", (judged / "a.pt").stat()
    content = path.read_text(encoding="utf-8")
    path.write_text(content.replace('{"records": ', '{"records":\t'), encoding="utf-8")
    os.utime(path, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    assert not judge()


def test_thresholds_below_the_root_folder_of_pytest(judged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record names them relative to the root folder, which may lie above the current one."""
    record = judged / "out/a/record.json"
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace('"path": "t.yaml"', '"path": "project/t.yaml"'), encoding="utf-8")
    assert judge()
    change_thresholds(judged)
    assert not judge()


def test_a_manifest_that_is_part_of_the_package(judged: Path) -> None:
    record = judged / "out/a/record.json"
    text = record.read_text(encoding="utf-8")
    record.write_text(
        re.sub('"threshold file", "path": "t.yaml"', '"manifest", "path": "s3://bucket/m.yaml"', text),
        encoding="utf-8",
    )
    assert "s3://" in record.read_text(encoding="utf-8")
    assert judge()


@pytest.fixture
def reused(folder: Path) -> Callable[[str, dict[str, str]], bool]:
    """Return True if a model with files of these contents is not judged again."""

    def reuse(spec: str, files: dict[str, str], **more: Any) -> bool:
        loaded = content("pass") | more
        loaded["model"]["spec"] = spec
        loaded["model"]["files"] = {
            name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()
        }
        OUT.mkdir(exist_ok=True)
        (OUT / "record.json").write_text(json.dumps(loaded), encoding="utf-8")
        state.write_state(ModelState(settings=(), seconds=1.0, exit_code=0), OUT)
        return state.reusable_result("net", parse_spec(spec), OUT, ()) is not None

    return reuse


def test_the_files_of_a_folder(folder: Path, reused: Callable[..., bool]) -> None:
    (folder / "net").mkdir()
    (folder / "net/config.json").write_text("{}", encoding="utf-8")
    (folder / "net/model.safetensors").write_text("weights", encoding="utf-8")
    assert reused("net", {"model.safetensors": "weights", "config.json": "{}"})


def test_a_file_that_is_gone(folder: Path, reused: Callable[..., bool]) -> None:
    (folder / "net").mkdir()
    (folder / "net/config.json").write_text("{}", encoding="utf-8")
    assert not reused("net", {"config.json": "{}", "gone.bin": "weights"})


def test_a_model_in_python_is_judged_again(reused: Callable[..., bool]) -> None:
    """Its code cannot be compared without loading it; its predictions are in the store."""
    assert not reused("nets:net", {})


def test_models_that_their_spec_determines(reused: Callable[..., bool]) -> None:
    assert reused("timm:resnet50", {"model.safetensors": "weights"})


def test_a_model_with_a_reference_or_behind_a_pipeline_is_judged_again(reused: Callable[..., bool]) -> None:
    """The record states neither the reference's files as inputs nor the code of a pipeline."""
    files = {"model.safetensors": "weights"}
    assert not reused("timm:resnet50", files, reference=content("pass")["model"])
    served = {"serving": {"not_measured": True}}
    assert not reused("timm:resnet50", files, measurements=content("pass")["measurements"] | served)
    assert reused("timm:resnet50", files)
