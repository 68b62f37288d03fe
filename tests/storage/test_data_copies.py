"""Copies of a data folder at a URL: each file once, for any number of processes and threads."""

import multiprocessing
import shutil
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.errors import error_text
from support.s3 import S3Server
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import StoreError, SuiteError
from quba_check.storage.data_copies import CopySettings, DataCopies
from quba_check.storage.url_objects import UrlObjects

FILES = {"a/1": b"one", "a/2": b"two", "b/1": b"three"}


@pytest.fixture
def remote(s3: S3Server) -> UrlObjects:
    objects = UrlObjects(f"{s3.new_bucket()}/data")
    for name, content in FILES.items():
        objects.set(name, content)
    return objects


@pytest.fixture
def opened(remote: UrlObjects, tmp_path: Path) -> Callable[..., DataCopies]:
    return lambda **settings: DataCopies(remote.label, tmp_path / "copies", CopySettings(**settings))


def contents(copies: DataCopies) -> dict[str, bytes]:
    files = [path for path in copies.root.rglob("*") if path.is_file()]
    return {path.relative_to(copies.root).as_posix(): path.read_bytes() for path in files}


def test_files_are_copied_once_when_they_are_used(opened, s3: S3Server) -> None:
    copies = opened()
    assert list(copies.files) == sorted(FILES)
    with s3.counted() as requests:
        copies.fetch("the set", ["a/1", "a/2", "a/none"])
        copies.fetch("the set", ["a/2", "a/1"])
        copies.fetch("another", ["a/2", "b/1"])
    assert requests == {"GET": 3}
    assert contents(copies) == FILES
    with s3.counted() as requests:
        opened().fetch("the set", FILES)
    assert requests == {"LIST": 1}


def fetch_all(url: str, folder: Path) -> None:
    DataCopies(url, folder, CopySettings(listed_since=0.0)).fetch("the set", FILES)


def test_processes_and_threads_share_copies_and_listing(
    opened, remote: UrlObjects, s3: S3Server, tmp_path: Path
) -> None:
    with s3.counted() as requests:
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=fetch_all, args=(remote.label, tmp_path / "copies"))
        process.start()
        copies = opened(listed_since=0.0)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: copies.fetch("the set", FILES), range(8)))
        process.join()
    assert process.exitcode == 0
    assert requests == {"LIST": 1, "GET": 3}


def test_changed_files_and_lost_copies_alone_are_copied_again(
    opened, remote: UrlObjects, s3: S3Server
) -> None:
    copies = opened()
    copies.fetch("the set", FILES)
    remote.set("a/1", b"ONE")  # of the same size
    remote.delete("b/1")
    copies = opened()
    assert contents(copies) == {"a/2": b"two"}
    with s3.counted() as requests:
        copies.fetch("the set", FILES)
    assert requests == {"GET": 1}
    assert contents(copies) == {"a/1": b"ONE", "a/2": b"two"}
    (copies.root / "a" / "2").unlink()
    opened().fetch("the set", FILES)
    assert contents(copies) == {"a/1": b"ONE", "a/2": b"two"}


def test_files_that_changed_after_the_listing(
    opened, remote: UrlObjects, snapshot: SnapshotAssertion
) -> None:
    copies = opened()
    remote.delete("a/1")
    remote.set("a/2", b"longer")
    texts = [error_text(SuiteError, copies.fetch, "the set", [name]) for name in ("a/1", "a/2")]
    assert [text.replace(remote.label, "URL") for text in texts] == snapshot
    assert contents(copies) == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"listed_at": 1e12, "files": [1]}'])
def test_a_damaged_listing_is_made_again(opened, content: bytes) -> None:
    copies = opened()
    copies.fetch("the set", FILES)
    (copies.root.parent / "listing.json").write_bytes(content)
    copies = opened(listed_since=0.0)
    assert list(copies.files) == sorted(FILES)
    assert contents(copies) == {}


def test_a_folder_that_cannot_be_written_and_a_disk_without_room(
    opened, remote: UrlObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    (tmp_path / "copies").write_text("")
    texts = [error_text(StoreError, opened)]
    (tmp_path / "copies").unlink()
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 0, 10))
    texts.append(error_text(StoreError, opened().fetch, "the set 'a'", FILES))
    assert [text.replace(str(tmp_path), "ROOT").replace(remote.label, "URL") for text in texts] == snapshot


def test_long_copies_are_announced(opened, remote: UrlObjects) -> None:
    remote.set("large", bytes(2_000_000))
    lines: list[str] = []
    copies = opened(announce=lines.append, show_step=lines.append)
    copies.fetch("the set 'a'", ["large"])
    assert lines == [
        f"listing {remote.label}",
        f"copying the set 'a' from {remote.label}: 1 file, 2.0 MB",
        "the set 'a', 100 % copied",
    ]
