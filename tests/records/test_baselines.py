"""Approved records: where they are, and their history."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from support.errors import error_text
from support.s3 import S3Server

from quba_check.errors import UserError
from quba_check.messages import visible
from quba_check.records import baselines
from quba_check.records.baselines import Approval, approved_record, last_approval, write_baseline
from quba_check.storage.url_objects import UrlObjects

FIRST = Approval("2026-01-01T00:00:00+00:00", "ann", "", "r50", "pass", (), "0" * 64)
SECOND = Approval(
    "2026-02-01T00:00:00+00:00", "bo", "fix in 2.4", "r51", "fail", ("accuracy[min]",), "1" * 64
)


def approval(record: bytes) -> Approval:
    return replace(FIRST, sha256=hashlib.sha256(record).hexdigest())


def test_an_approval_replaces_the_files_and_adds_a_line(tmp_path):
    folder = tmp_path / "baselines" / "release"
    write_baseline(folder, b"one", b"images", FIRST)
    write_baseline(folder, b"two", None, SECOND)
    assert {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix != ".jsonl"} == {
        "record.json": b"two"
    }
    assert (folder / "approvals.jsonl").read_text().splitlines() == [
        '{"time": "2026-01-01T00:00:00+00:00", "by": "ann", "reason": "", "model": "r50", "verdict": "pass", '
        f'"waived": [], "sha256": "{"0" * 64}", "values": {{}}, '
        f'"images_sha256": "{hashlib.sha256(b"images").hexdigest()}"}}',
        '{"time": "2026-02-01T00:00:00+00:00", "by": "bo", "reason": "fix in 2.4", "model": "r51", '
        f'"verdict": "fail", "waived": ["accuracy[min]"], "sha256": "{"1" * 64}", "values": {{}}, '
        '"images_sha256": ""}',
    ]
    assert last_approval(folder / "record.json")["by"] == "bo"


def test_a_line_without_its_end_is_not_glued_to_the_next(tmp_path):
    write_baseline(tmp_path, b"one", None, FIRST)
    history = tmp_path / "approvals.jsonl"
    history.write_bytes(history.read_bytes().rstrip())
    write_baseline(tmp_path, b"two", None, SECOND)
    assert [json.loads(line)["by"] for line in history.read_text().splitlines()] == ["ann", "bo"]


@pytest.mark.parametrize("written", [0, 1, 2])
def test_an_approval_that_ends_in_between_is_noticed(tmp_path, monkeypatch, written):
    """After each file; the record comes first, and the line of the history last."""
    write_baseline(tmp_path, b"one", b"images", approval(b"one"))
    files = iter(range(written))

    def write(content, path):
        if next(files, None) is None:
            raise KeyboardInterrupt
        path.write_bytes(content)

    monkeypatch.setattr(baselines, "write_bytes", write)
    monkeypatch.setattr(
        baselines, "write_images", lambda content, path: write(content, path.with_suffix(".npz"))
    )
    with pytest.raises(KeyboardInterrupt):
        write_baseline(tmp_path, b"two", b"others", approval(b"two"))
    if not written:
        assert approved_record(str(tmp_path), tmp_path, tmp_path) is not None
        return
    text = error_text(UserError, approved_record, str(tmp_path), tmp_path, tmp_path)
    one, two = (hashlib.sha256(content).hexdigest()[:12] for content in (b"one", b"two"))
    assert text == (
        f"baseline: {tmp_path}/record.json is not the record that was approved last: its SHA-256 is {two}…, "
        f"and the last line of approvals.jsonl states {one}…. Restore it, or approve a record again."
    )


@pytest.mark.parametrize("images", [b"edited", None])
def test_other_images_than_the_approved_ones_are_refused(tmp_path: Path, images: bytes | None) -> None:
    write_baseline(tmp_path, b"one", b"images", approval(b"one"))
    assert approved_record(str(tmp_path), tmp_path, tmp_path) is not None
    path = tmp_path / "record.npz"
    path.unlink() if images is None else path.write_bytes(images)
    text = error_text(UserError, approved_record, str(tmp_path), tmp_path, tmp_path)
    assert text == (
        f"baseline: record.npz next to {tmp_path}/record.json is not the file that was approved last, by its "
        "SHA-256. Restore it, or approve a record again."
    )


@pytest.mark.parametrize("content", [None, "", "{", "[1]", "3"])
def test_a_history_that_cannot_be_read_is_empty(tmp_path, content):
    if content is not None:
        (tmp_path / "approvals.jsonl").write_text(content)
    assert last_approval(tmp_path / "record.json") == {}


def test_names_and_paths(tmp_path):
    folder = tmp_path / "baselines" / "v1.2"
    assert approved_record("v1.2", tmp_path, tmp_path) is None
    write_baseline(folder, b"one", None, approval(b"one"))
    assert approved_record("v1.2", tmp_path, tmp_path) == folder / "record.json"
    assert approved_record(str(folder), Path("elsewhere"), tmp_path) == folder / "record.json"


@pytest.mark.parametrize(
    ("location", "reason"), [("x" * 300, "File name too long"), ("a\0b/", "embedded null byte")]
)
def test_a_location_that_cannot_be_a_path(tmp_path: Path, location: str, reason: str) -> None:
    folder = visible(f"{Path(location)}")
    text = f"baseline: {folder}: cannot be read ({reason})."
    assert error_text(UserError, approved_record, location, tmp_path, tmp_path) == text


def test_the_files_of_a_url_are_copied_again_each_time(s3: S3Server, tmp_path):
    url = f"{s3.new_bucket()}/baselines/release"
    assert approved_record(url, tmp_path, tmp_path / "store") is None
    objects = UrlObjects(url)
    for name, content in (("record.json", b"one"), ("record.npz", b"images")):
        objects.set(name, content)
    text = error_text(UserError, approved_record, url, tmp_path, tmp_path / "store")
    assert text == (
        f"baseline: {url}/record.json has no approvals.jsonl next to it whose last line states its SHA-256. "
        "Restore it, or approve a record again."
    )
    objects.set("approvals.jsonl", json.dumps(asdict(approval(b"one"))).encode())
    path = approved_record(url, tmp_path, tmp_path / "store")
    assert path is not None
    assert (path.read_bytes(), path.with_suffix(".npz").read_bytes()) == (b"one", b"images")
    objects.set("record.json", b"two")
    objects.set("approvals.jsonl", json.dumps(asdict(approval(b"two"))).encode())
    objects.delete("record.npz")
    assert approved_record(url, tmp_path, tmp_path / "store") == path
    assert (path.read_bytes(), path.with_suffix(".npz").exists()) == (b"two", False)
