from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from quba_check.errors import StoreError
from quba_check.storage.opening import open_store, stored_files
from quba_check.storage.remote.shared_store import SharedStore
from quba_check.storage.store import Store


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_place_decides(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    assert type(store) is Store
    assert store.root == tmp_path / "store"
    assert open_store(f"file://{tmp_path}/store").root == tmp_path / "store"
    shared = open_store("memory://store")
    assert isinstance(shared, SharedStore)
    assert shared.root.parent == tmp_path / "cache" / "quba-check" / "stores"
    fsspec.filesystem("memory").store.clear()


def test_files_of_a_folder_are_listed(tmp_path: Path) -> None:
    assert stored_files(tmp_path / "none", "runs/demo-") == []
    assert not (tmp_path / "none").exists()
    (tmp_path / "runs").mkdir()
    for name in ("demo-2.json", "demo-1.json", "other.json"):
        (tmp_path / "runs" / name).write_text("{}")
    assert [path.name for path in stored_files(tmp_path, "runs/demo-")] == ["demo-1.json", "demo-2.json"]


def test_files_of_a_url_are_copied() -> None:
    open_store("memory://store").publish("runs/demo-1.json", b"{}")
    open_store("memory://store").publish("runs/other.json", b"{}")
    (path,) = stored_files("memory://store", "runs/demo-")
    assert path.read_bytes() == b"{}"
    fsspec.filesystem("memory").store.clear()


def test_a_folder_of_a_later_version_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    assert (store.root / "format.json").read_bytes() == b'{"format": 1}'
    (store.root / "format.json").write_text('{"format": 2}')
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path / "store")
    assert str(caught.value) == (
        f"--quba-store: {tmp_path / 'store'} has format 2 of a later version of quba-check. Allowed: up to "
        "format 1. Update quba-check, or name another store."
    )


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"format": "1"}', '{"format": true}', '{"format": 0}']
)
def test_a_damaged_format_is_refused(tmp_path: Path, content: str) -> None:
    open_store(tmp_path)
    (tmp_path / "format.json").write_text(content)
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path)
    assert str(caught.value) == (
        f"--quba-store: {tmp_path}/format.json is damaged. Allowed: a JSON object with the key 'format'. "
        "Remove the file if this version wrote the store."
    )


def test_a_store_of_an_earlier_version_gets_the_file(tmp_path: Path) -> None:
    open_store(tmp_path)
    (tmp_path / "format.json").unlink()
    open_store(tmp_path)
    assert (tmp_path / "format.json").exists()
