from __future__ import annotations

import threading
from pathlib import Path

import fsspec
import pytest

from quba_check.errors import StoreError
from quba_check.storage.remote import uploads
from quba_check.storage.remote.files import RemoteFiles
from quba_check.storage.remote.uploads import Uploads


@pytest.fixture
def files(tmp_path: Path) -> RemoteFiles:
    fsspec.filesystem("memory").store.clear()
    return RemoteFiles(f"memory://{tmp_path.name}", "--quba-store")


def test_files_are_written_in_the_background(files: RemoteFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    create = files.create
    monkeypatch.setattr(files, "create", lambda *given: gate.wait() and create(*given))
    written = Uploads(files)
    for name in "abc":
        written.add(name, name.encode())
    assert files.listing() == {}
    gate.set()
    written.flush()
    assert {name: files.read(name) for name in files.listing()} == {"a": b"a", "b": b"b", "c": b"c"}


def test_only_some_files_wait_in_memory(files: RemoteFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_WAITING", 1)
    gate = threading.Event()
    create = files.create
    monkeypatch.setattr(files, "create", lambda *given: gate.wait() and create(*given))
    written = Uploads(files)
    written.add("a", b"a")
    second = threading.Thread(target=written.add, args=("b", b"b"))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    gate.set()
    second.join()
    written.flush()
    assert len(files.listing()) == 2


def test_an_error_is_raised_by_the_next_call(files: RemoteFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bool:
        raise StoreError("--quba-store: the bucket is closed.")

    monkeypatch.setattr(files, "create", refuse)
    written = Uploads(files)
    written.add("a", b"")
    written.wait()
    with pytest.raises(StoreError, match="the bucket is closed"):
        written.add("b", b"")
    written.flush()


def test_work_on_names_in_parallel(files: RemoteFiles) -> None:
    written = Uploads(files)
    written.for_each(lambda name: files.replace(name, b""), ["a", "b"])
    assert sorted(files.listing()) == ["a", "b"]

    def read(name: str) -> None:
        files.read(name)

    with pytest.raises(FileNotFoundError):
        written.for_each(read, ["a", "c"])
