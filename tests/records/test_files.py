"""Records on disk: names, atomic writing, unreadable files."""

import json
import os
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.errors import error_text, raising
from support.tuned import record as tuned

from quba_check.errors import OptionError, UserError
from quba_check.records.files import (
    check_is_no_baseline,
    check_replaceable,
    load_record,
    record_paths,
    remove_stale_records,
    write_images,
    write_record,
    write_text,
)
from quba_check.records.per_image import PerImage


def record(name="resnet50", protocol="standard", fingerprint="0123456789abcdef"):
    base = tuned(protocol=protocol, measurements={"accuracy": {"value": 1 / 3, "unit": "fraction"}})
    changed = {"spec": "x.pt", "name": name, "fingerprint": fingerprint}
    return base.model_copy(update={"model": base.model.model_copy(update=changed)})


error = partial(error_text, UserError)


@pytest.mark.parametrize(
    ("records", "names"),
    [
        ([record()], ["r"]),
        (
            [record("resnet50"), record("hf-hub:owner/name v2"), record("resnet50", "released")],
            ["r-resnet50-standard", "r-hf-hub-owner-name-v2-standard", "r-resnet50-released"],
        ),
        (
            [record("a/x", fingerprint="aaaaaaaaaa"), record("a:x", fingerprint="bbbbbbbbbb")],
            ["r-a-x-standard-aaaaaaaa", "r-a-x-standard-bbbbbbbb"],
        ),
        (
            [record("a/x"), record("A:x"), record("a~x"), record("a-x-standard-01234567-2")],
            [
                "r-a-x-standard-01234567",
                "r-A-x-standard-01234567-2",
                "r-a-x-standard-01234567-3",
                "r-a-x-standard-01234567-2-standard",
            ],
        ),
        ([record("///"), record()], ["r-model-standard", "r-resnet50-standard"]),
    ],
)
def test_records_are_named_by_model_protocol_and_what_tells_them_apart(records, names):
    assert record_paths(Path("out/r.json"), records) == tuple(Path(f"out/{name}.json") for name in names)


def test_long_names_are_cut(tmp_path):
    first, second = record_paths(tmp_path / "r.json", [record("x" * 250), record("x" * 251)])
    assert first.name == f"r-{'x' * 100}-standard-01234567.json"
    assert second.name == f"r-{'x' * 100}-standard-01234567-2.json"
    write_record(record(), first)


def test_round_trip_at_full_precision(tmp_path):
    path = tmp_path / "new" / "folder" / "r.json"
    write_record(record(), path)
    assert load_record(path)[0] == record()
    assert json.loads(path.read_text())["measurements"]["accuracy"]["value"] == 1 / 3
    assert [file.name for file in path.parent.iterdir()] == ["r.json"]


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    write_text("old", path)
    monkeypatch.setattr(Path, "replace", raising(OSError(28, "No space left on device")))
    assert error(write_text, "new", path) == (
        f"{path}: cannot be written (No space left on device). "
        "Allowed: a file in a folder that you may write to."
    )
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["r.json"]


ALLOWED = "Allowed: the record of a run."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "it is not JSON. "),
        ('{"schema": 1}', "not a record: model: "),
        ("[]", "not a record: "),
        ("[" * 100_000, "it is nested too deeply. "),
        ('{"limit": 1, "limit": 2}', "the key 'limit' appears twice. "),
        ('{"limit": 1' + "0" * 5000 + "}", "it has a whole number of more than 18 digits. "),
        ('{"schema": true}', "not a record: schema: "),
    ],
)
def test_files_that_are_no_record(tmp_path, text, message):
    path = tmp_path / "r.json"
    path.write_text(text)
    assert re.fullmatch(rf"{re.escape(f'{path}: {message}')}.*{re.escape(ALLOWED)}", error(load_record, path))


@pytest.mark.parametrize("version", [0, 2])
def test_the_schema_is_read_first(tmp_path: Path, version: int) -> None:
    path = tmp_path / "r.json"
    path.write_text(f'{{"schema": {version}, "verdicts": 3}}')
    message = f"r.json: schema: got {version}. Allowed: 1. "
    advice = "Use the version of quba-check that the file was written for."
    assert error(load_record, path, "r.json") == f"{message}{advice}"


LIMITS = [0.3 + step / 100 for step in range(33)]


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"value": "high"}, "value: "),
        ({"value": "0.5"}, "value: "),
        ({"value": float("nan")}, "value: "),
        ({"value": float("-inf")}, "value: "),
        ({"n": "400"}, "n: "),
        ({"n": -1}, "n: "),
        ({"debiased": float("nan")}, "debiased: "),
        ({"limits": [0.4, 0.6]}, "limits: must be 33 numbers, or null, got 2 numbers."),
        ({"limits": [*LIMITS[:-1], "1"]}, "limits.32: "),
        ({"limits": LIMITS[::-1]}, "limits: must be numbers that do not descend, got 0.62 before 0.61."),
        ({"interval": [0.6, 0.4]}, "interval: must be numbers that do not descend, got 0.6 before 0.4."),
        ({"value": 0.7}, "interval: must be limits around the value, 0.7, got 0.4 to 0.6."),
        ({"value": 0.7, "interval": None}, "limits: must be limits around the value, 0.7, got 0.3 to 0.62"),
    ],
)
@pytest.mark.parametrize("part", [False, True])
def test_numbers_of_a_record_that_was_edited(tmp_path, part, changed, place):
    sound = {"value": 0.5, "unit": "ratio", "n": 400, "interval": [0.4, 0.6], "limits": LIMITS}
    row = sound | {"parts": {"fog": sound | changed}} if part else sound | changed
    path = with_accuracy(tmp_path / "r.json", row)
    where = "accuracy.MeasurementRow.parts.fog" if part else "accuracy.MeasurementRow"
    assert error(load_record, path).startswith(f"{path}: not a record: measurements.{where}.{place}")


def with_accuracy(path, row):
    """Write a record with a row of its accuracy."""
    content = json.loads(record().to_json()) | {"measurements": {"accuracy": row}}
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("row", [{"value": 1, "unit": "x"}, {"unmeasurable": "y"}, {"not_measured": True}])
def test_rows_without_limits(tmp_path, row):
    assert load_record(with_accuracy(tmp_path / "r.json", row))[0]


@pytest.mark.parametrize("value", [1 + 1e-12, 0.7])
def test_a_value_may_lie_outside_its_limits_by_rounding(tmp_path, value):
    row = {"value": value, "unit": "ratio", "limits": [0.7] * 16 + [1.0] * 17}
    read, _ = load_record(with_accuracy(tmp_path / "r.json", row))
    assert read.measurements["accuracy"].value == value


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("demmo.json", " Did you mean 'demo.json'?"),
        ("demo.jsn", " Did you mean 'demo.json'?"),
        ("DEMO.json", " Did you mean 'demo.json'?"),
        ("nosuch.json", ""),
        ("gone/demo.json", ""),
    ],
)
def test_no_file(tmp_path, name, near):
    (tmp_path / "demo.json").touch()
    (tmp_path / "nosuch.yaml").touch()
    (tmp_path / "nosuche.json").mkdir()
    assert error(load_record, tmp_path / name) == f"{tmp_path / name}: there is no such file. {ALLOWED}{near}"


def test_other_files_and_folders_are_no_records(tmp_path):
    (tmp_path / "demo.json").touch()
    (tmp_path / "demo.npz").write_bytes(b"PK\x03")
    message = f"{tmp_path}/demo.npz: it is not JSON. {ALLOWED} Did you mean 'demo.json'?"
    assert error(load_record, tmp_path / "demo.npz") == message
    assert error(load_record, tmp_path) == f"{tmp_path}: this is a folder, not a file. {ALLOWED}"


def test_answers_of_another_run_that_cannot_be_removed(tmp_path):
    (tmp_path / "r.npz").mkdir()
    assert error(write_images, None, tmp_path / "r.json") == (
        f"{tmp_path}/r.npz: belongs to another run and cannot be removed (Is a directory). "
        "Allowed: a folder that you may write to. Remove the file, or name another --quba-record."
    )


@pytest.mark.parametrize("target", ["run.json", "none.json"])
def test_a_link_and_its_record_stay(tmp_path, target):
    write_record(record(), tmp_path / "run.json")
    (tmp_path / "r.json").symlink_to(target)
    assert error(remove_stale_records, tmp_path / "r.json", ["x.pt"]) == (
        f"--quba-record: {tmp_path}/r.json is a link, or no file of quba-check. Allowed: another file name."
    )
    assert (tmp_path / "r.json").is_symlink()
    assert (tmp_path / "run.json").exists()


def test_one_of_several_records_that_is_a_link_to_another(tmp_path):
    write_record(record("a"), tmp_path / "run.json")
    (tmp_path / "r-a-standard.json").symlink_to("run.json")
    remove_stale_records(tmp_path / "r.json", ["x.pt"])
    assert (tmp_path / "run.json").exists()


def test_images_of_a_data_set_are_not_replaced(tmp_path):
    np.savez(tmp_path / "val.npz", images=np.zeros((2, 4, 4, 3), np.uint8), labels=np.zeros(2))
    assert error(check_is_no_baseline, tmp_path / "val.json", None) == (
        f"--quba-record: {tmp_path}/val.npz is a link, or no file of quba-check. Allowed: another file name."
    )
    (tmp_path / "val.npz").write_bytes(PerImage().to_bytes(record()))
    check_is_no_baseline(tmp_path / "val.json", None)


@pytest.mark.parametrize(
    ("name", "text", "is_ours"),
    [
        ("x.md", "### ✅ PASS: `demo`", True),
        ("x.md", "### ⚠️ NOT DECIDED: `demo`", True),
        ("x.md", "## ❌ quba-check: 0 of 2 runs may be released", True),
        ("x.md", "", True),
        ("x.md", "# Notes\n## ✅ quba-check", False),
        ("x.html", '<html><meta name="generator" content="quba-check">', True),
        ("x.html", "<html>", False),
    ],
)
def test_a_page_or_summary_of_another_is_not_replaced(tmp_path, name, text, is_ours):
    (tmp_path / name).write_text(text, encoding="utf-8")
    if is_ours:
        check_replaceable(tmp_path / name, "--quba-html")
        return
    with pytest.raises(OptionError, match=f"^--quba-html: .*{name} is a link, or no file of quba-check"):
        check_replaceable(tmp_path / name, "--quba-html")


@pytest.mark.parametrize(
    "spelling",
    ["r.json", "./r.json", "new/../r.json", "link.json", "hard.json", "folder/r.json", "images.json"],
)
def test_a_record_that_would_replace_the_baseline(tmp_path, spelling):
    report = tmp_path / "r.json"
    write_record(record(), report)
    report.with_suffix(".npz").touch()
    (tmp_path / "new").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path)
    (tmp_path / "link.json").symlink_to("r.json")
    (tmp_path / "hard.json").hardlink_to(report)
    write_record(record(), tmp_path / "images.json")  # its per-image results would be replaced
    (tmp_path / "images.npz").symlink_to("r.npz")
    assert error(remove_stale_records, report, ["x.pt"], tmp_path / spelling) == (
        f"--quba-record: {report} is the file of --quba-baseline, which the record of this run would "
        "replace. Allowed: another file."
    )
    assert report.exists()


def test_one_of_several_records_that_would_replace_the_baseline(tmp_path):
    baseline = tmp_path / "r-a-standard.json"
    write_record(record("a"), baseline)
    write_record(record("a"), tmp_path / "r.json")
    remove_stale_records(tmp_path / "r.json", ["x.pt"], baseline)
    assert [path.name for path in tmp_path.iterdir()] == [baseline.name]  # one record would not replace it
    with pytest.raises(UserError, match=f"^--quba-record: {baseline} is the file of --quba-baseline, "):
        remove_stale_records(tmp_path / "r.json", ["x.pt", "y.pt"], baseline)
    assert baseline.exists()


def test_stale_records_of_the_same_models_are_removed(tmp_path):
    removed = [
        "r.json",
        "r-a-b-standard.json",
        "r-a-b-standard-0123abcd.json",
        "r-a-b-standard-0123abcd-2.json",
    ]
    for name in removed:
        write_record(record("a/b"), tmp_path / name)
    archived = ["r-v1-standard.json", "other.json", "r2-a-b-standard.json", "r-a-b-released.json"]
    for name in archived:
        write_record(record("a/b"), tmp_path / name)
    (tmp_path / "r-x-standard.json").write_text('{"schema": 1, "own": true}')
    remove_stale_records(tmp_path / "r.json", ["y.pt"])
    assert sorted(path.name for path in tmp_path.glob("r-a-b-*")) == sorted([*removed[1:], archived[3]])
    assert not (tmp_path / "r.json").exists()
    remove_stale_records(tmp_path / "r.json", ["y.pt", "x.pt"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*archived, "r-x-standard.json"])
    remove_stale_records(tmp_path / "none" / "r.json", ["x.pt"])


@pytest.mark.parametrize("text", ["{}", "[]", '{"name": "package"}', "{", ""])
def test_files_that_are_no_records_are_not_stale(tmp_path, text):
    (tmp_path / "package.json").write_text(text)
    if text:
        with pytest.raises(OptionError, match=r"package\.json is a link, or no file of quba-check"):
            remove_stale_records(tmp_path / "package.json", ["x.pt"])
    else:  # of mktemp
        remove_stale_records(tmp_path / "package.json", ["x.pt"])
    assert (tmp_path / "package.json").read_text() == text


def test_a_record_that_cannot_be_removed(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    write_record(record(), path)
    monkeypatch.setattr(Path, "unlink", raising(PermissionError(1, "Operation not permitted")))
    text = error(remove_stale_records, path, ["x.pt"])
    assert text.startswith(
        f"{path}: belongs to another run and cannot be removed (Operation not permitted). "
    )


@pytest.mark.parametrize("name", ["pipe", "/dev/null", "link to null", "folder"])
def test_what_is_no_file_is_never_replaced(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link to null").symlink_to("/dev/null")
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    before = path.stat()
    kind = "a folder" if name == "folder" else "a pipe or a device"
    message = f"{path}: is {kind}. Allowed: a file, which is replaced, or a new one."
    assert error(write_text, "new", path) == message
    assert path.stat() == before
    if name == "pipe":
        path.rename(images := tmp_path / "r.npz")
        assert error(write_images, None, tmp_path / "r.json") == message.replace(str(path), str(images))


def test_what_an_open_file_stands_for_is_never_replaced(tmp_path):
    with (tmp_path / "out").open("w") as file:
        path = Path(f"/dev/fd/{file.fileno()}")
        assert error(write_text, "new", path).startswith(f"{path}: is a pipe or a device. ")
    assert (tmp_path / "out").read_text() == ""


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "latest.json").symlink_to("1.json")
    write_text("new", tmp_path / "latest.json")
    assert (tmp_path / "latest.json").readlink() == Path("1.json")
    assert (tmp_path / "1.json").read_text() == "new"
