import re
from pathlib import Path

import pytest
from support.errors import error_text
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import StoreError
from quba_check.storage.objects import FolderObjects, ObjectStore
from quba_check.storage.opening import open_store, stored_files
from quba_check.storage.url_objects import UrlObjects


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(params=["store", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    if request.param != "s3":
        return tmp_path / request.param
    return f"{request.getfixturevalue('s3').new_bucket()}/store"


@pytest.fixture
def objects(place: str | Path) -> ObjectStore:
    return FolderObjects(place) if isinstance(place, Path) else UrlObjects(place)


def test_the_place_decides(place: str | Path, tmp_path: Path) -> None:
    store = open_store(place)
    assert (store.label, store.is_remote) == (str(place), isinstance(place, str))
    folder = place if isinstance(place, Path) else tmp_path / "cache" / "quba-check" / "stores"
    assert store.root == folder or store.root.parent == folder


def test_files_are_found_by_their_start(place: str | Path, objects: ObjectStore, tmp_path: Path) -> None:
    assert stored_files(tmp_path / "none", "runs/demo-") == []
    assert not (tmp_path / "none").exists()
    for name in ("demo-2", "demo-1", "other"):
        objects.set(f"runs/{name}.json", b"{}")
    files = stored_files(place, "runs/demo-")
    assert [(path.name, path.read_bytes()) for path in files] == [
        ("demo-1.json", b"{}"),
        ("demo-2.json", b"{}"),
    ]


@pytest.mark.parametrize("content", [None, b'{"format": 1}', b'{"format": 3}', b"", b"{"])
def test_a_store_of_another_version_is_refused(
    place: str | Path, objects: ObjectStore, content: bytes | None
) -> None:
    objects.set("predictions/entry/00000-0.safetensors", b"")
    objects.set("runs/record.json", b"{}")
    if content is not None:
        objects.set("format.json", content)
    assert error_text(StoreError, open_store, place) == (
        f"--quba-store: {place} was written by another version of quba-check, or its file 'format.json' is "
        "damaged. Allowed: a store of this version. Remove that file and the folder 'predictions', which are "
        "a cache, or name another store; records stay."
    )
    objects.delete("predictions/entry/00000-0.safetensors", "format.json")
    open_store(place)
    assert objects.get("format.json") == b'{"format": 2}'
    assert [path.name for path in stored_files(place, "runs/")] == ["record.json"]


@pytest.mark.parametrize("place", ["file", "s3"], indirect=True)
def test_a_folder_that_cannot_be_written(
    place: str | Path, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    for name in ("cache", "file"):
        (tmp_path / name).write_text("")
    text = error_text(StoreError, open_store, place).replace(str(tmp_path), "ROOT")
    assert re.sub(r"ROOT\S+", "FOLDER", text) == snapshot
