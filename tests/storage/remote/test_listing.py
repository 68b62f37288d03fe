"""Listings of URLs, shared by the processes of a run."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support.s3 import S3Server

from quba_check.errors import SuiteError
from quba_check.storage.remote.files import RemoteFiles
from quba_check.storage.remote.listing import Listing, current_listing, earlier_listing
from quba_check.storage.remote.remote_file import RemoteFile


@pytest.fixture
def remote(s3: S3Server) -> RemoteFiles:
    files = RemoteFiles(f"{s3.new_bucket()}/data", "--quba-data", SuiteError)
    for name in ("val/a/0.png", "val/b/0.png", "val-2/a/0.png", "val0", "quba-data.yaml"):
        files.replace(name, name.encode())
    return files


def test_the_processes_of_a_run_list_once(remote: RemoteFiles, s3: S3Server, tmp_path: Path) -> None:
    start = time.time()
    with s3.counted() as requests:
        first = current_listing(remote, tmp_path / "home", start)
        second = current_listing(remote, tmp_path / "home", start)
    assert requests == {"LIST": 1}
    assert list(first.files) == list(second.files) == sorted(first.files)
    assert first.version == second.version
    assert second.files["val0"].size == 4
    with s3.counted() as requests:
        current_listing(remote, tmp_path / "home", time.time())
        current_listing(remote, tmp_path / "home", math.inf)
    assert requests == {"LIST": 2}


def test_the_version_depends_on_names_and_contents_alone(remote: RemoteFiles, tmp_path: Path) -> None:
    def version() -> str:
        return current_listing(remote, tmp_path, math.inf).version

    first = version()
    remote.replace("val0", b"val0")
    assert version() == first
    remote.replace("val0", b"val1")
    second = version()
    remote.replace("val1", b"val1")
    assert len({first, second, version()}) == 3


@pytest.mark.parametrize("entry", [{"size": None, "ETag": "x"}, {"size": 5}, {"size": None}])
def test_a_url_that_does_not_show_changes_is_refused(
    entry: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {f"/data/{name}": {**entry, "type": "file"} for name in ("labels.csv", "a.png")}
    monkeypatch.setattr(MemoryFileSystem, "find", lambda *_, **__: entries)
    with pytest.raises(SuiteError) as caught:
        current_listing(RemoteFiles("memory://data", "--quba-data", SuiteError), tmp_path, math.inf)
    assert str(caught.value) == (
        "--quba-data: memory://data cannot be used: its listing has no size of 'a.png', or neither a hash "
        "nor a time. Changes would not be noticed. Allowed: a URL whose listing has them, such as "
        "s3://bucket/folder, or a copy in a folder of this machine."
    )


def test_a_damaged_listing_is_read_again(remote: RemoteFiles, s3: S3Server, tmp_path: Path) -> None:
    listing = current_listing(remote, tmp_path, 0)
    for damaged in (tmp_path / listing.version / "listing.json", tmp_path / "latest.json"):
        for content in ("", "[1]", '{"x": 1}', "{"):
            damaged.write_text(content, encoding="utf-8")
            with s3.counted() as requests:
                assert current_listing(remote, tmp_path, 0).files.keys() == listing.files.keys()
            assert requests == {"LIST": 1}


def test_names_below_a_folder() -> None:
    names = ("val", "val-2/a", "val.d/b", "val/a/0", "val/b/0", "val0", "vam/a")
    listing = Listing({name: RemoteFile(1, "", None) for name in sorted(names)}, "")
    assert listing.below("val") == ["val/a/0", "val/b/0"]
    assert listing.below("val/a") == ["val/a/0"]
    assert listing.below("") == sorted(names)
    assert listing.below("va") == listing.below("z") == []
    assert listing.size(["val", "val0"]) == 2


def test_the_newest_of_the_other_listings(remote: RemoteFiles, tmp_path: Path) -> None:
    assert earlier_listing(tmp_path, "x") is None
    first = current_listing(remote, tmp_path, math.inf)
    assert earlier_listing(tmp_path, first.version) is None
    remote.replace("new", b"")
    second = current_listing(remote, tmp_path, math.inf)
    earlier = earlier_listing(tmp_path, second.version)
    assert earlier is not None
    assert (earlier.version, list(earlier.files)) == (first.version, list(first.files))
