"""Records on disk: names, atomic writing, and what unreadable files get."""

import json
from pathlib import Path

import pytest

from quba_check.errors import UserError
from quba_check.protocol.record import Record
from quba_check.reports.files import read_record, record_paths, write_record, write_text


def record(name="resnet50", protocol="standard", fingerprint="0123456789abcdef"):
    return Record.model_validate(
        {
            "schema": 1,
            "model": {
                "spec": "x.pt",
                "name": name,
                "fingerprint": fingerprint,
                "parameters": 10,
                "preparation": {},
                "classes": 10,
            },
            "suite": {"name": "mine", "root": "/data", "fingerprint": "s"},
            "protocol": protocol,
            "measurements": {"accuracy": {"value": 1 / 3, "unit": "fraction"}},
            "environment": {"versions": {}, "device": "cpu", "precision": "fp32", "seed": 0, "time": "now"},
        }
    )


def test_one_record_keeps_the_name():
    assert record_paths(Path("out/r.json"), [record()]) == (Path("out/r.json"),)


def test_several_records_are_named_by_model_and_protocol():
    records = [record("resnet50"), record("hf-hub:owner/name v2"), record("resnet50", "released")]
    assert record_paths(Path("out/r.json"), records) == (
        Path("out/r-resnet50-standard.json"),
        Path("out/r-hf-hub-owner-name-v2-standard.json"),
        Path("out/r-resnet50-released.json"),
    )


def test_models_of_one_name_are_told_apart():
    records = [record("a/x", fingerprint="aaaaaaaaaa"), record("a:x", fingerprint="bbbbbbbbbb")]
    assert record_paths(Path("r.json"), records) == (
        Path("r-a-x-standard-aaaaaaaa.json"),
        Path("r-a-x-standard-bbbbbbbb.json"),
    )


def test_name_without_a_plain_character():
    assert record_paths(Path("r.json"), [record("///"), record()])[0] == Path("r-model-standard.json")


def test_round_trip_at_full_precision(tmp_path):
    path = tmp_path / "new" / "folder" / "r.json"
    write_record(record(), path)
    assert read_record(path) == record()
    assert json.loads(path.read_text())["measurements"]["accuracy"]["value"] == 1 / 3
    assert [file.name for file in path.parent.iterdir()] == ["r.json"]


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    write_text("old", path)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(UserError) as raised:
        write_text("new", path)
    assert str(raised.value) == f"{path}: cannot be written: No space left on device."
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["r.json"]


ALLOWED = "Allowed: a file that --quba-report wrote."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", f"not a record: it is not JSON. {ALLOWED}"),
        ('{"schema": 2}', "schema 2 is newer than this version reads. Allowed: 1."),
        ('{"schema": 1}', f"not a record: model: Field required. {ALLOWED}"),
        (
            "[]",
            f"not a record: it is not a JSON object. {ALLOWED}",
        ),
    ],
)
def test_files_that_are_no_record(tmp_path, text, message):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(UserError) as raised:
        read_record(path)
    assert str(raised.value) == f"{path}: {message}"


def test_no_file(tmp_path):
    with pytest.raises(UserError) as raised:
        read_record(tmp_path / "r.json")
    assert str(raised.value) == f"{tmp_path / 'r.json'}: cannot be read: No such file or directory."
