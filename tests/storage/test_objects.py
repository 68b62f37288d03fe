"""What every store of objects does: in a folder, at a URL of each kind, and with copies on this machine."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path, PureWindowsPath

import pytest
from support.errors import error_text
from support.object_servers import CONTAINER, azurite, google
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import StoreError
from quba_check.storage.objects import FolderObjects, LocalCopies, ObjectStore, StoredFile
from quba_check.storage.url_objects import UrlObjects

NUMBERS = count()


@pytest.fixture(scope="module")
def azure_settings() -> Iterator[dict[str, str]]:
    with azurite() as settings:
        yield settings


@pytest.fixture(scope="module")
def google_settings() -> Iterator[dict[str, str]]:
    with google() as settings:
        yield settings


@pytest.fixture(params=["folder", "s3", "az", "gs", "copies"])
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], ObjectStore]:
    """Opens the same empty store, as each process or machine does."""
    folder = f"folder-{next(NUMBERS)}"
    if request.param in ("az", "gs"):
        kind = {"az": "azure", "gs": "google"}[request.param]
        for name, value in request.getfixturevalue(f"{kind}_settings").items():
            monkeypatch.setenv(name, value)
        return lambda: UrlObjects(f"{request.param}://{CONTAINER}/{folder}")
    if request.param == "folder":
        return lambda: FolderObjects(tmp_path / folder)
    url = f"{request.getfixturevalue('s3').new_bucket()}/{folder}"
    if request.param == "s3":
        return lambda: UrlObjects(url)
    return lambda: LocalCopies(UrlObjects(url), tmp_path / f"copies-{next(NUMBERS)}")


class TestObjects:
    """The behaviour of `ObjectStore`; an implementation passes all of it."""

    def test_objects_are_written_listed_read_and_removed(self, opened: Callable[[], ObjectStore]) -> None:
        objects = opened()
        other = opened()
        assert list(objects.list()) == list(objects.list("a")) == []
        objects.set("a/b.txt", b"old")
        objects.set("ab/c", b"")
        objects.flush()
        (before,) = other.list("a")
        objects.set("a/b.txt", b"longer")
        objects.flush()
        assert {file.name: file.size for file in other.list()} == {"a/b.txt": 6, "ab/c": 0}
        (file,) = other.list("a")
        assert file == StoredFile("a/b.txt", 6, file.modified, file.version)
        assert bool(file.version) is (file.version != before.version)  # a folder states none
        assert file.modified >= before.modified > 1e9
        assert (other.get("a/b.txt"), other.get("ab/c")) == (b"longer", b"")
        objects.delete("a/b.txt")
        objects.delete("a/b.txt")
        assert [file.name for file in other.list()] == ["ab/c"]
        objects.delete()
        objects.delete("ab/none", "ab/c", "ab/d")
        assert list(other.list()) == []

    def test_the_start_of_an_object_and_a_large_one(self, opened: Callable[[], ObjectStore]) -> None:
        first = opened()
        large = bytes(range(256)) * 50_000
        first.set("a", b"content")
        first.set("large", large)
        first.flush()
        objects = opened()
        assert objects.get("large") == large
        for size, content in ((4, b"cont"), (40, b"content"), (None, b"content"), (3, b"con")):
            assert objects.get("a", size) == content

    def test_an_object_is_created_once(self, opened: Callable[[], ObjectStore]) -> None:
        objects = opened()
        for content in (b"first", b"second"):
            objects.create("a/b", content)
            objects.flush()
        assert objects.get("a/b") == opened().get("a/b") == b"first"

    def test_a_missing_object_is_an_error_that_the_caller_can_tell(
        self, opened: Callable[[], ObjectStore]
    ) -> None:
        objects = opened()
        for size in (None, 10):
            with pytest.raises(FileNotFoundError):
                objects.get("a/b", size)

    def test_many_objects(self, opened: Callable[[], ObjectStore]) -> None:
        objects = opened()
        names = [f"a/{number}" for number in range(1200 if isinstance(objects, FolderObjects) else 40)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: objects.set(name, name.encode()), names))
        objects.flush()
        other = opened()
        assert sorted(file.name for file in other.list("a")) == sorted(names)
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(other.get, names)) == [name.encode() for name in names]
        other.delete(*names, "a/none")
        assert list(objects.list()) == []


class TestFolderObjects:
    def test_hidden_files_are_listed_and_links_are_not(self, tmp_path: Path) -> None:
        objects = FolderObjects(tmp_path / "store")
        objects.set("runs/.hidden.tmp", b"")
        (objects.root / "link").symlink_to(objects.root / "runs")
        assert [file.name for file in objects.list()] == ["runs/.hidden.tmp"]

    @pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "runs/../../outside", ""])
    def test_a_name_that_leads_out_of_the_store(self, tmp_path: Path, name: str) -> None:
        text = error_text(StoreError, FolderObjects(tmp_path).set, name, b"")
        assert text == f"--quba-store: '{name}' is no name of a file in {tmp_path}."

    @pytest.mark.parametrize("name", ["..\\outside", "D:/x", "D:x", "\\x"])
    def test_a_name_that_leads_out_of_the_store_on_windows(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("quba_check.storage.objects.Path", PureWindowsPath)
        with pytest.raises(StoreError, match="is no name of a file"):
            FolderObjects(PureWindowsPath("C:/store")).path(name)

    def test_a_file_that_cannot_be_written_read_or_removed(
        self, tmp_path: Path, snapshot: SnapshotAssertion
    ) -> None:
        objects = FolderObjects(tmp_path)
        (tmp_path / "runs").write_text("")
        (tmp_path / "folder").mkdir()
        texts = [
            error_text(StoreError, objects.set, "runs/a.json", b"{}"),
            error_text(StoreError, objects.delete, "runs/a.json"),
            error_text(StoreError, objects.get, "folder"),
        ]
        assert [text.replace(str(tmp_path), "STORE") for text in texts] == snapshot


class TestLocalCopies:
    @pytest.fixture
    def remote(self, tmp_path: Path) -> FolderObjects:
        return FolderObjects(tmp_path / "remote")

    def test_a_damaged_copy_is_read_again(self, remote: FolderObjects, tmp_path: Path) -> None:
        copies = LocalCopies(remote, tmp_path / "copies")
        remote.set("a", b"content")
        copies.get("a")
        for damaged in (b"Content", b"", b"conte"):
            (tmp_path / "copies" / "a").write_bytes(damaged)
            assert copies.get("a") == b"content"
            assert copies.get("a", 3) == b"con"

    def test_an_object_is_copied_whole_for_its_start(self, remote: FolderObjects, tmp_path: Path) -> None:
        remote.set("a", b"content")
        assert LocalCopies(remote, tmp_path / "copies").get("a", 3) == b"con"
        remote.delete("a")
        assert LocalCopies(remote, tmp_path / "copies").get("a") == b"content"

    def test_a_disk_without_room_changes_nothing(self, remote: FolderObjects, tmp_path: Path) -> None:
        (tmp_path / "copies").write_text("a file")
        copies = LocalCopies(remote, tmp_path / "copies")
        copies.create("a", b"content")
        copies.flush()
        assert copies.get("a") == remote.get("a") == b"content"

    def test_an_error_of_a_write_is_raised_by_a_later_call(
        self, remote: FolderObjects, tmp_path: Path
    ) -> None:
        remote.root.write_text("a file")
        copies = LocalCopies(remote, tmp_path / "copies")
        for call in (copies.flush, lambda: copies.delete("b"), lambda: list(copies.list())):
            with pytest.raises(StoreError, match="cannot be written"):  # noqa: PT012
                copies.create("a", b"")
                call()
        with pytest.raises(StoreError, match="cannot be written"):  # noqa: PT012
            for _ in range(10_000):
                copies.create("a", b"")

    def test_copies_are_bounded(
        self, remote: FolderObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("quba_check.storage.objects._STARTED", 2e9)
        copies = LocalCopies(remote, tmp_path / "copies", limit_bytes=1000)
        for number in range(30):
            remote.set(str(number), bytes(100))
            copies.get(str(number))
        kept = list(FolderObjects(tmp_path / "copies").list())
        assert 0 < sum(file.size for file in kept) <= 1000
        monkeypatch.setattr("quba_check.storage.objects._STARTED", 0)
        for number in range(30):
            copies.get(str(number))
        assert len(list(FolderObjects(tmp_path / "copies").list())) == 30  # used by this process
