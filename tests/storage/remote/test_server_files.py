"""Files on servers that do not write in one step: whole or not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from quba_check.errors import StoreError
from quba_check.storage.inventory import read_inventory
from quba_check.storage.pruning import ABANDONED_SECONDS, Conditions, removals, remove_files
from quba_check.storage.remote.files import RemoteFiles
from quba_check.storage.remote.shared_store import SharedStore


@pytest.fixture
def files(tmp_path: Path) -> RemoteFiles:
    return RemoteFiles(f"file://{tmp_path}/remote", "--quba-store")


def break_off(system: LocalFileSystem, path: str, content: bytes, **_: Any) -> None:
    """Write half of a file, as a process that is killed."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content[: len(content) // 2])
    raise OSError("the connection is lost")


def unfinished(files: RemoteFiles) -> list[str]:
    return list(files.listing("unfinished/"))


def test_a_file_that_breaks_off_is_not_seen(files: RemoteFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    files.replace("runs/old", b"old")
    assert unfinished(files) == []
    monkeypatch.setattr(LocalFileSystem, "pipe_file", break_off)
    with pytest.raises(StoreError, match="the connection is lost"):
        files.replace("runs/old", b"longer")
    with pytest.raises(StoreError, match="the connection is lost"):
        files.create("runs/new", b"longer")
    assert list(files.listing("runs/")) == ["runs/old"]
    assert files.read("runs/old") == b"old"
    assert len(unfinished(files)) == 2


def test_prune_removes_what_broke_off(
    files: RemoteFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SharedStore(files.url, tmp_path / "machine")
    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "pipe_file", break_off)
        with pytest.raises(StoreError):
            store.publish("runs/new.json", b"longer")
    (name,) = unfinished(files)
    now = (tmp_path / "remote" / name).stat().st_mtime
    assert removals(read_inventory(store), Conditions(), [], now) == []  # it may be on its way
    (leftover,) = removals(read_inventory(store), Conditions(), [], now + 2 * ABANDONED_SECONDS)
    assert [file.name for file in leftover.files] == [name]
    remove_files(store, leftover.files)
    assert unfinished(files) == []


def rename(old: str, new: str) -> None:
    Path(old).rename(new)


def refuse(old: str, new: str) -> None:
    if Path(new).exists():
        raise OSError("the file exists")
    rename(old, new)


def ignore(old: str, new: str) -> None:
    if not Path(new).exists():
        rename(old, new)


def never(old: str, new: str) -> None:
    raise NotImplementedError


@pytest.mark.parametrize("mv", [rename, refuse, ignore, never])
def test_a_server_may_not_rename_over_a_file(
    files: RemoteFiles, monkeypatch: pytest.MonkeyPatch, mv: Callable[[str, str], None]
) -> None:
    monkeypatch.setattr(LocalFileSystem, "mv", lambda _, old, new: mv(old, new))
    for content in (b"old", b"new"):
        files.replace("runs/a", content)
        assert files.read("runs/a") == content
    assert files.create("runs/b", b"b")
    assert not files.create("runs/b", b"c")
    assert files.read("runs/b") == b"b"
    assert unfinished(files) == []
