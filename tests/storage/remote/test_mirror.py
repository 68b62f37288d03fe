"""Copies of remote files: each copied once, within a limit, by any number of processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.s3 import S3Server

from quba_check.errors import StoreError, SuiteError
from quba_check.storage.remote import mirror as mirrors
from quba_check.storage.remote.files import RemoteFiles
from quba_check.storage.remote.mirror import Mirror, MirrorSettings

KB = 1e-6
"""In gigabytes."""


class Remote:
    """Files of 1,000 bytes behind a URL, and copies of them."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.files = RemoteFiles(url, "--quba-data", SuiteError)

    def put(self, *names: str, content: bytes = b"") -> None:
        for name in names:
            self.files.replace(name, (content or name.encode()).ljust(1000))

    def mirror(self, kilobytes: float = 1000, **settings) -> Mirror:
        return Mirror(self.url, self.folder, MirrorSettings(kilobytes * KB, **settings))


@pytest.fixture
def remote(s3: S3Server, tmp_path: Path) -> Remote:
    remote = Remote(f"{s3.new_bucket()}/data", tmp_path / "mirror")
    remote.put("a/1", "a/2", "b/1", "b/2", "c/1", "c/2")
    return remote


def fetched(mirror: Mirror, folder: str) -> None:
    mirror.fetch(mirror.file_set(f"the set '{folder}'", mirror.listing.below(folder)))


def copies(mirror: Mirror) -> list[str]:
    paths = mirror.root.rglob("*")
    return sorted(path.relative_to(mirror.root).as_posix() for path in paths if path.is_file())


def reads(requests: Iterable[tuple[str, str]]) -> list[str]:
    """Names of the files that were read, without their folder."""
    return sorted(path.partition("/data/")[2] for method, path in requests if method == "GET")


def test_files_are_copied_once_when_they_are_used(remote: Remote, s3: S3Server) -> None:
    mirror = remote.mirror()
    assert copies(mirror) == []
    before = len(s3.requests)
    fetched(mirror, "a")
    fetched(mirror, "a")
    assert copies(mirror) == ["a/1", "a/2"]
    assert (mirror.root / "a/2").read_bytes() == b"a/2".ljust(1000)
    fetched(remote.mirror(), "a")
    fetched(remote.mirror(), "b")
    assert reads(s3.requests[before:]) == ["a/1", "a/2", "b/1", "b/2"]
    mirror.fetch(mirror.file_set("nothing", ["x", "y"]))
    assert copies(mirror) == ["a/1", "a/2", "b/1", "b/2"]


def test_processes_and_threads_share_one_copy(remote: Remote, s3: S3Server) -> None:
    code = (
        "import sys; from pathlib import Path; from quba_check.storage.remote.mirror import *\n"
        "mirror = Mirror(sys.argv[1], Path(sys.argv[2]), MirrorSettings(listed_since=float(sys.argv[3])))\n"
        "mirror.fetch(mirror.file_set('x', mirror.listing.below('a')))\n"
        "assert len(list((mirror.root / 'a').iterdir())) == 2\n"
    )
    arguments = [sys.executable, "-c", code, remote.url, str(remote.folder), str(time.time())]
    before = len(s3.requests)
    processes = [subprocess.Popen(arguments) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    mirror = remote.mirror(listed_since=float(arguments[-1]))
    threads = [threading.Thread(target=fetched, args=(mirror, "b")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    requests = s3.requests[before:]
    assert reads(requests) == ["a/1", "a/2", "b/1", "b/2"]
    assert [method for method, _ in requests].count("LIST") == 1


def test_sets_that_were_unused_longest_are_removed_whole(remote: Remote) -> None:
    mirror = remote.mirror(5)
    for folder in ("a", "b", "a", "c"):
        fetched(mirror, folder)
    assert copies(mirror) == ["a/1", "a/2", "c/1", "c/2"]
    fetched(mirror, "b")
    assert copies(mirror) == ["b/1", "b/2", "c/1", "c/2"]
    fetched(remote.mirror(5), "c")
    assert copies(mirror) == ["b/1", "b/2", "c/1", "c/2"]


def test_sets_of_the_latest_two_requests_of_another_run_stay(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "LONGEST_WAIT", 0.0)
    other = remote.mirror(5)
    for folder in ("c", "a", "b"):
        fetched(other, folder)
    mirror = remote.mirror(5)
    with pytest.raises(StoreError) as error:
        fetched(mirror, "c")
    assert str(error.value) == (
        f"{remote.folder}: there is no room for the set 'c' of {remote.url} (2e-06 GB) next to the data that "
        "other runs read. Allowed: --quba-mirror-gb above 5e-06, or wait until they end."
    )
    assert copies(mirror) == ["a/1", "a/2", "b/1", "b/2"]
    fetched(other, "c")
    assert copies(mirror) == ["b/1", "b/2", "c/1", "c/2"]


def test_a_run_waits_until_another_leaves_room(remote: Remote) -> None:
    others = [remote.mirror(4)]
    fetched(others[0], "b")
    fetched(others[0], "a")

    def make_room(text: str) -> None:
        texts.append(text)
        if text.startswith("waiting"):
            others.clear()  # as at the end of a run

    texts: list[str] = []
    mirror = remote.mirror(4, announce=make_room)
    fetched(mirror, "c")
    assert texts[1:] == [f"waiting until other runs leave room in {remote.folder}"]
    assert copies(mirror) == ["a/1", "a/2", "c/1", "c/2"]


def test_runs_without_room_for_all_do_not_wait_for_each_other(remote: Remote) -> None:
    code = (
        "import sys; from pathlib import Path; from quba_check.storage.remote.mirror import *\n"
        "mirror = Mirror(sys.argv[1], Path(sys.argv[2]), MirrorSettings(4e-6))\n"
        "for name in 3 * sys.argv[3]:\n"
        "    mirror.fetch(mirror.file_set(name, mirror.listing.below(name)))\n"
        "    assert len(list((mirror.root / name).iterdir())) == 2 or mirror.restore(f'{name}/1') is None\n"
    )
    arguments = [sys.executable, "-c", code, remote.url, str(remote.folder)]
    processes = [subprocess.Popen([*arguments, order]) for order in ("abc", "bca", "cab")]
    assert [process.wait() for process in processes] == [0, 0, 0]


def test_a_part_of_the_latest_request_keeps_all_of_it(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "LONGEST_WAIT", 0.0)
    mirror = remote.mirror(6)
    parts = [mirror.file_set(folder, mirror.listing.below(folder)) for folder in "abc"]
    mirror.fetch(*parts)
    for part in parts:
        mirror.fetch(part)
    remote.put("d/1")
    with pytest.raises(StoreError, match="there is no room"):
        fetched(remote.mirror(6), "d")


def test_a_request_above_the_limit(remote: Remote) -> None:
    mirror = remote.mirror(1.5)
    with pytest.raises(SuiteError) as error:
        fetched(mirror, "a")
    assert str(error.value) == (
        f"{remote.url}: the set 'a' takes 2e-06 GB, more than this machine may keep (1.5e-06 GB). Allowed: "
        "--quba-mirror-gb 0.1 or more, or fewer images."
    )
    parts = [mirror.file_set(f"the set '{name}'", mirror.listing.below(name)) for name in "abc"]
    with pytest.raises(SuiteError) as error:
        mirror.fetch(*parts)
    assert str(error.value).startswith(
        f"{remote.url}: the set 'a' and 2 others together take 6e-06 GB, more than"
    )
    assert copies(mirror) == []


def test_one_set_under_several_names_counts_once(remote: Remote) -> None:
    mirror = remote.mirror(2)
    mirror.fetch(*(mirror.file_set(name, ["a/2", "a/1", "x"]) for name in "xyz"))
    assert copies(mirror) == ["a/1", "a/2"]


def test_a_removed_file_is_restored_with_its_set(remote: Remote, s3: S3Server) -> None:
    mirror = remote.mirror(3)
    fetched(mirror, "a")
    fetched(mirror, "b")
    assert copies(mirror) == ["b/1", "b/2"]
    mirror.restore("b/1")
    mirror.restore("x")
    mirror.restore("b/../a/1")
    assert copies(mirror) == ["a/1", "a/2"]
    (mirror.root / "a/2").unlink()  # by hand
    before = len(s3.requests)
    mirror.restore("a/2")
    assert reads(s3.requests[before:]) == ["a/2"]
    assert copies(mirror) == ["a/1", "a/2"]


def test_a_changed_file_alone_is_copied_again(remote: Remote, s3: S3Server) -> None:
    old = remote.mirror()
    fetched(old, "a")
    remote.put("a/2", content=b"new")
    remote.put("d")
    before = len(s3.requests)
    new = remote.mirror()
    fetched(new, "a")
    assert reads(s3.requests[before:]) == ["a/2"]
    assert new.root != old.root
    assert (old.root / "a/2").read_bytes() == b"a/2".ljust(1000)
    assert (new.root / "a/2").read_bytes() == b"new".ljust(1000)
    assert (new.root / "a/1").read_bytes() == b"a/1".ljust(1000)


def test_files_that_changed_after_the_listing(remote: Remote) -> None:
    mirror = remote.mirror()
    remote.files.remove("a/1")
    with pytest.raises(SuiteError) as error:
        fetched(mirror, "a")
    assert str(error.value) == (f"{remote.url}/a/1: was removed since it was listed. Start the run again.")
    remote.files.replace("b/2", b"short")
    with pytest.raises(SuiteError) as error:
        fetched(mirror, "b")
    assert str(error.value) == (
        f"{remote.url}/b/2: changed since it was listed, from 1,000 to 5 bytes. Start the run again."
    )
    assert "b/2" not in copies(mirror)
    remote.put("a/1", "b/2")
    fetched(mirror, "a")
    fetched(mirror, "b")
    assert copies(mirror) == ["a/1", "a/2", "b/1", "b/2"]


def test_what_a_killed_process_left_is_removed_and_the_rest_is_copied(remote: Remote, s3: S3Server) -> None:
    mirror = remote.mirror()
    one = mirror.file_set("x", mirror.listing.below("a"))
    fetched(mirror, "a")
    unfinished = one.folder / "unfinished"
    unfinished.mkdir()
    (unfinished / "half").write_bytes(b"x")
    (one.folder / "complete").unlink()
    (mirror.root / "a/1").unlink()
    before = len(s3.requests)
    fetched(remote.mirror(), "a")
    assert reads(s3.requests[before:]) == ["a/1"]
    assert not unfinished.exists()


def test_a_folder_that_cannot_be_written(remote: Remote) -> None:
    remote.folder.write_bytes(b"")
    with pytest.raises(StoreError) as error:
        remote.mirror()
    assert str(error.value).startswith(f"{remote.folder}: copies of {remote.url} cannot be written (")
    assert str(error.value).endswith(
        "). Allowed: a larger disk. Name another store with --quba-store DIR, or another TMPDIR for workers, "
        "or free some space."
    )


def test_a_disk_without_room(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = remote.mirror()
    monkeypatch.setattr(mirrors.shutil, "disk_usage", lambda path: SimpleNamespace(free=1999))
    with pytest.raises(StoreError) as error:
        fetched(mirror, "a")
    assert str(error.value) == (
        f"{remote.folder}: the set 'a' of {remote.url} takes 2e-06 GB, and 1.999e-06 GB are free on this "
        "disk. Allowed: a larger disk. Name another store with --quba-store DIR, or another TMPDIR for "
        "workers, or free some space."
    )
    assert copies(mirror) == []


def test_long_copies_are_announced(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a", "b"):
        (source / name).write_bytes(bytes(1_500_000))
    texts: list[str] = []
    settings = MirrorSettings(announce=texts.append, show_step=texts.append)
    mirror = Mirror(f"file://{source}", tmp_path / "mirror", settings)
    mirror.fetch(mirror.file_set("the set 'clean'", ["a", "b"]))
    assert texts == [
        f"listing file://{source}",
        f"copying the set 'clean' from file://{source}: 2 files, 3 MB",
        "the set 'clean', 50 % copied",
        "the set 'clean', 100 % copied",
    ]
    texts.clear()
    mirror.fetch(mirror.file_set("x", ["a"]))
    assert texts == []
