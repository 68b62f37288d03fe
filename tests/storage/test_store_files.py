"""Files of a store by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quba_check.errors import StoreError
from quba_check.storage.store import Store
from quba_check.storage.store_files import StoredFile, StoreFiles


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_published_file_is_seen_by_another_process(store: Store) -> None:
    assert store.published("active") == {}
    store.publish("active/b.json", b"first")
    store.publish("active/b.json", b"second")
    store.publish("active/a.json", b"other")
    (store.root / "active" / ".hidden").write_bytes(b"")
    (store.root / "active" / "folder").mkdir()
    other = Store(store.root)
    assert list(other.published("active").items()) == [
        ("active/a.json", b"other"),
        ("active/b.json", b"second"),
    ]


def test_a_withdrawn_file_is_gone(store: Store) -> None:
    store.publish("active/a.json", b"{}")
    store.withdraw("active/a.json")
    store.withdraw("active/a.json")
    assert store.published("active") == {}


def test_every_file_is_listed_with_size_and_time(store: Store) -> None:
    store.publish("predictions/entry/1.safetensors", b"four")
    store.publish("runs/record.json", b"")
    os.utime(store.root / "runs" / "record.json", (1e9, 1e9))
    (store.root / "link").symlink_to(store.root / "runs")
    files = {file.name: file for file in store.files()}
    assert files.keys() >= {"predictions/entry/1.safetensors", "runs/record.json"}
    assert not [name for name in files if name.startswith("link")]
    assert files["runs/record.json"] == StoredFile("runs/record.json", 0, 1e9)
    assert files["predictions/entry/1.safetensors"].size == 4


def test_the_start_of_a_file(store: Store) -> None:
    store.publish("runs/record.json", b"content")
    assert store.start_of("runs/record.json", 4) == b"cont"
    assert store.start_of("runs/record.json", 40) == b"content"
    assert store.local_file("runs/record.json").read_bytes() == b"content"
    with store.folder_with("runs/record.json", "runs/none.json") as folder:
        assert folder == store.root
    with pytest.raises(StoreError) as caught:
        store.start_of("runs/other.json", 4)
    path = store.root / "runs" / "other.json"
    assert str(caught.value) == f"--quba-store: {path} cannot be read (No such file or directory)."


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "active/../../outside", ""])
def test_a_name_that_leads_out_of_the_store(store: Store, name: str) -> None:
    with pytest.raises(StoreError) as caught:
        store.publish(name, b"")
    assert str(caught.value) == f"--quba-store: '{name}' is no name of a file in {store.root}."


def test_a_file_that_cannot_be_written_or_removed(store: Store) -> None:
    (store.root / "active").write_text("")
    path = store.root / "active" / "a.json"
    with pytest.raises(StoreError) as caught:
        store.publish("active/a.json", b"{}")
    assert str(caught.value) == f"--quba-store: {path} cannot be written (File exists)."
    with pytest.raises(StoreError) as caught:
        store.withdraw("active/a.json")
    assert str(caught.value) == f"--quba-store: {path} cannot be removed (Not a directory)."


def test_copies_of_remote_data_are_no_files_of_the_store(tmp_path: Path) -> None:
    store = StoreFiles(tmp_path)
    for name in ("mirror/u/v/files/.x.tmp", "images/mirror/x", "runs/a.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"")
    assert sorted(file.name for file in store.files()) == ["images/mirror/x", "runs/a.json"]
