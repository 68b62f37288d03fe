"""Places of stores and of files of one machine: SQLite files stay off network file systems."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.errors import error_text
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import OptionError, StoreError
from quba_check.storage import locations
from quba_check.storage.locations import (
    default_location,
    digests_file,
    is_on_network,
    local_folder,
    temporary_folder,
)


def test_the_environment_names_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QUBA_STORE", str(tmp_path))
    assert default_location() == tmp_path
    monkeypatch.setenv("QUBA_STORE", "s3://bucket/store")
    assert default_location() == "s3://bucket/store"
    monkeypatch.delenv("QUBA_STORE")
    assert Path(default_location()).name == "quba-check"


ONE_SLASH = ["s3", "S3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "file", "https", "sftp"]


@pytest.mark.parametrize(
    "text", ["~nobody-here/store", *(f"{scheme}:/key:secret@bucket/x" for scheme in ONE_SLASH)]
)
def test_a_place_that_cannot_be(
    text: str, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    monkeypatch.setenv("QUBA_STORE", text)
    assert error_text(OptionError, default_location) == snapshot


def test_each_url_has_a_folder_in_the_cache_and_a_folder_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = local_folder("s3://bucket/a")
    second = local_folder("s3://bucket/b")
    assert first != second
    assert first == local_folder("s3://bucket/a/")
    assert first.parent == tmp_path / "quba-check" / "stores"
    assert local_folder(tmp_path) == tmp_path


LINES = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home rw shared:2 - nfs4 server:/home rw
31 30 8:2 / /home/local rw - xfs /dev/sdb1 rw
32 22 0:41 / /with\\040space rw - lustre mds:/fs rw
33 22 0:42 / /cloud rw - fuse.gcsfuse bucket rw
34 22 0:43 / /layers rw - fuse.fuse-overlayfs overlay rw
35 22 0:44 / /homework rw - ext4 /dev/sdc1 rw
36 22 0:45 / /over rw - nfs server:/over rw
37 22 0:46 / /over rw - ext4 /dev/sdd1 rw
not a line
"""


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Mounts of a machine, in place of those of this one."""
    path = tmp_path / "mountinfo"
    path.write_text(LINES, encoding="utf-8")
    monkeypatch.setattr(locations, "MOUNTS", path)
    return path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data", False),
        ("/home/me/.cache", True),
        ("/home/local/cache", False),
        ("/homework/store", False),
        ("/with space/store", True),
        ("/cloud/store", True),
        ("/layers/store", False),
        ("/over/store", False),
    ],
)
def test_the_last_mount_of_a_path_decides(mounts: Path, path: str, expected: bool) -> None:
    assert is_on_network(Path(path)) is expected


def test_links_are_followed_and_a_system_without_mounts_has_no_network(mounts: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/home/me")
    assert is_on_network(tmp_path / "link" / "store")
    mounts.unlink()
    assert not is_on_network(Path("/home/me"))


def test_digests_stay_off_the_network(mounts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert digests_file(tmp_path) == tmp_path / "digests.sqlite"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert digests_file(Path("/cloud/store")) == tmp_path / "cache" / "quba-check" / "digests.sqlite"
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/me/.cache")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"quba-check-{os.getuid()}"
    assert digests_file(Path("/cloud/store")) == folder / "digests.sqlite"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.symlink_to(path.parent), "belongs to another user"),
        (Path.touch, "cannot be created (File exists)"),
    ],
)
def test_a_temporary_folder_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], problem: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = tmp_path / f"quba-check-{os.getuid()}"
    make(path)
    text = error_text(StoreError, temporary_folder)
    assert text == f"{path}: {problem}. Set XDG_CACHE_HOME to a folder of this machine."
