"""What a later fleet judges again: models whose files, thresholds or options changed."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fleet_models import content, starts, write_model

from quba_check.fleet import command, state
from quba_check.fleet.command import FleetOptions
from quba_check.fleet.judging import Fleet
from quba_check.fleet.model_list import read_models
from quba_check.models.specs import parse_spec
from quba_check.records.record import Record

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


@pytest.mark.parametrize("path", ["pytest.ini", "../pyproject.toml"])
def test_a_changed_ini_file(judged: Path, path: str) -> None:
    Path(path).write_text("quba_thresholds = a.yaml", encoding="utf-8")
    assert not judge()
    assert judge()
    Path(path).write_text("quba_thresholds = b.yaml", encoding="utf-8")
    assert not judge()


def test_an_ini_file_that_changes_during_the_run(judged: Path) -> None:
    """The state is that of the start."""
    write_model(judged / "a.pt", log="another")
    models = Fleet(read_models(Path("models.txt")), OPTIONS, OUT)
    assert list(models.known_results()) == []
    results = models.run(started=lambda _: (judged / "pytest.ini").touch())
    assert [result.outcome for result in results] == ["released"]
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
    path.write_text(text.replace('"schema_version": 1', '"schema_version": 2'), encoding="utf-8")


def test_another_version_of_a_package(judged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "installed_versions", lambda: {"torch": "3.0"})
    assert not judge()
    assert judge()


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


def test_a_file_that_changed_during_the_run_is_read_again(judged: Path) -> None:
    """Its time alone does not show that the run read these bytes."""
    path = judged / "out/a/result.json"
    saved = state.read_state(path.parent)
    assert saved is not None
    os.utime("a.pt", (saved.started + 1, saved.started + 1))
    [(name, stamp)] = saved.files.items()
    changed = stamp.model_copy(update={"mtime_ns": Path(name).stat().st_mtime_ns, "sha256": "0" * 64})
    state.write_state(saved.model_copy(update={"files": {name: changed}}), path.parent)
    assert not judge()


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


def test_the_files_of_a_folder(folder: Path) -> None:
    (folder / "net").mkdir()
    (folder / "net/config.json").write_text("{}", encoding="utf-8")
    (folder / "net/model.safetensors").write_bytes(b"weights")
    files = {"model.safetensors": "0" * 64, "config.json": "1" * 64, "gone.bin": "2" * 64}
    stamps = state.file_stamps(parse_spec("net"), [_record(files)])
    assert {Path(name).name: (stamp.size, stamp.sha256) for name, stamp in stamps.items()} == {
        "model.safetensors": (7, "0" * 64),
        "config.json": (2, "1" * 64),
    }
    assert set(stamps) == {str(folder / "net/model.safetensors"), str(folder / "net/config.json")}


def test_the_module_of_a_callable(folder: Path) -> None:
    (folder / "zoo").mkdir()
    (folder / "zoo/__init__.py").write_text("raise SystemExit", encoding="utf-8")
    (folder / "zoo/nets.py").write_text("def net(): ...", encoding="utf-8")
    stamps = state.file_stamps(parse_spec("zoo.nets:net"), [_record({})])
    assert list(stamps) == [str(folder / "zoo/nets.py")]
    assert "zoo" not in sys.modules
    for missing in ("zoo.others:net", "nowhere:net", "sys:exit"):
        assert state.file_stamps(parse_spec(missing), [_record({})]) == {}


def test_a_callable_whose_module_changed(folder: Path) -> None:
    module = folder / "nets.py"
    module.write_text("def net(): ...", encoding="utf-8")
    os.utime(module, (1_000_000_000, 1_000_000_000))
    spec = parse_spec("nets:net")
    saved = state.ModelState(
        model=spec.text,
        settings=(),
        started=time.time(),
        seconds=1.0,
        exit_code=0,
        files=state.file_stamps(spec, []),
    )
    target = folder / "out/nets-net"
    target.mkdir(parents=True)
    state.write_state(saved, target)
    (target / "record.json").write_text(_record({}).to_json(), encoding="utf-8")
    assert state.reusable_result("nets-net", spec, target, ()) is not None
    os.utime(module, (1_000_000_001, 1_000_000_001))
    assert state.reusable_result("nets-net", spec, target, ()) is None


def test_models_that_their_spec_determines() -> None:
    assert state.file_stamps(parse_spec("timm:resnet50"), [_record({"model.safetensors": "0" * 64})]) == {}


def _record(files: dict[str, str]) -> Record:
    loaded = content("pass")
    loaded["model"]["files"] = files
    return Record.model_validate(loaded)
