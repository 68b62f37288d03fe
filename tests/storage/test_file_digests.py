"""The cache of content digests: files read again, and damage."""

import hashlib
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.errors import error_text, raising
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import StoreError, SuiteError
from quba_check.storage import file_digests
from quba_check.storage.file_digests import CLOCK_TICK_NS, ContentDigests

LONG_AGO = 1_600_000_000_000_000_000


def written(path: Path, content: bytes, mtime_ns: int = LONG_AGO) -> Path:
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def files(folder: Path, number: int) -> list[Path]:
    paths = [written(folder / f"{k}.png", str(k).encode()) for k in range(number)]
    age_the_change()
    return paths


def age_the_change() -> None:
    """Wait until the digests of files that were just written are stored; nobody can set their ctime."""
    time.sleep(2 * CLOCK_TICK_NS / 1e9)


def digest_of(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "store" / "digests.sqlite"


def test_unchanged_files_cost_one_stat_each_and_one_query(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = files(tmp_path, 1100)
    before = ContentDigests(cache).digests(paths)
    names = [str(path) for path in paths]
    queries = []
    stats = []
    opened = []
    connect = sqlite3.connect
    os_stat = os.stat

    def traced(*args, **options) -> sqlite3.Connection:
        connection = connect(*args, **options)
        connection.set_trace_callback(queries.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    monkeypatch.setattr(os, "stat", lambda path, **options: stats.append(path) or os_stat(path, **options))
    monkeypatch.setattr(file_digests, "open", lambda *args, **_: opened.append(args), raising=False)
    assert ContentDigests(cache).digests(names) == before
    assert sorted(path for path in stats if isinstance(path, str) and path.endswith(".png")) == sorted(names)
    assert len([query for query in queries if query.startswith("SELECT")]) == 1
    assert opened == []


def test_a_link_has_the_digest_of_its_file(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path / "a.png", b"old")
    link = tmp_path / "link.png"
    link.symlink_to(path)
    digests = ContentDigests(cache)
    assert digests.digests([link])[0] == digests.digests([path])[0]
    written(path, b"new", LONG_AGO + 1)
    assert digests.digests([link])[0] == digest_of(b"new")


def test_a_large_file_is_read_in_parts(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_digests, "FIRST_READ", 3)
    monkeypatch.setattr(file_digests, "NEXT_READ", 2)
    path = written(tmp_path / "a.png", b"0123456789")
    assert ContentDigests(cache).digests([path]) == [digest_of(b"0123456789")]


def test_a_container_of_many_images_is_read_once(tmp_path: Path, cache: Path) -> None:
    young = written(tmp_path / "x.tar", b"many", time.time_ns())
    digests = ContentDigests(cache)
    assert digests.digests([young] * 1100) == [digests.digests([young])[0]] * 1100
    assert digests.files_read <= 2  # for all 1100, and for the one that was asked for again


def test_digests_come_in_the_order_asked_for(tmp_path: Path, cache: Path) -> None:
    paths = files(tmp_path, 5)
    digests = ContentDigests(cache)
    forward = digests.digests(paths)
    assert digests.digests([*reversed(paths), paths[0]]) == [*reversed(forward), forward[0]]
    assert digests.digests([]) == []
    assert len(set(forward)) == 5


def test_a_replaced_file_of_the_same_size_and_time_is_noticed(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path / "a.png", b"old")
    other = written(tmp_path / "b.png", b"new")
    digests = ContentDigests(cache)
    before = digests.digests([path])[0]
    other.replace(path)
    assert digests.digests([path])[0] != before


def test_content_replaced_in_place_with_size_and_time_kept_is_noticed(tmp_path: Path, cache: Path) -> None:
    """As `rsync --times --inplace` and `cp --preserve` do with images of one size, such as BMP."""
    path = written(tmp_path / "a.bmp", b"old")
    age_the_change()
    digests = ContentDigests(cache)
    before = digests.digests([path])[0]
    assert (digests.digests([path])[0], digests.files_read) == (before, 1)
    written(path, b"new")
    assert digests.digests([path])[0] == digest_of(b"new")


def test_the_time_of_creation_on_windows_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = written(tmp_path / "a.png", b"one")
    assert file_digests.file_stamp(path)[2] == path.stat().st_ctime_ns
    monkeypatch.setattr(file_digests, "HAS_CHANGE_TIME", False)
    assert file_digests.file_stamp(path)[2] == 0


def test_a_touched_file_is_read_again_and_keeps_its_digest(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path / "a.png", b"same")
    digests = ContentDigests(cache)
    before = digests.digests([path])[0]
    os.utime(path, ns=(LONG_AGO + 5, LONG_AGO + 5))
    age_the_change()
    assert digests.digests([path])[0] == before
    assert digests.files_read == 2
    digests.digests([path])[0]
    assert digests.files_read == 2


def test_a_file_written_this_instant_is_not_trusted_to_its_time(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path / "a.png", b"old", time.time_ns() + 1000 * CLOCK_TICK_NS)
    stamp = path.stat().st_mtime_ns
    digests = ContentDigests(cache)
    before = digests.digests([path])[0]
    written(path, b"new", stamp)  # within one tick of the file system's clock: the content alone differs
    assert digests.digests([path])[0] != before


@pytest.mark.parametrize(
    ("name", "reason"), [("none", "cannot be read (No such file or directory)."), ("pipe", "is not a file.")]
)
def test_a_path_without_a_file_has_no_digest(tmp_path: Path, cache: Path, name: str, reason: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    text = error_text(SuiteError, ContentDigests(cache).digests, [tmp_path / name])
    assert text == f"{tmp_path}/{name}: {reason}"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    digests = ContentDigests(tmp_path / "file" / "digests.sqlite")
    text = error_text(StoreError, digests.digests, [tmp_path / "file"])
    assert text == f"{tmp_path}/file: cannot be written (File exists)."


def spoil_folder(cache: Path) -> None:
    cache.unlink()
    (cache / "below").mkdir(parents=True)


def spoil_pipe(cache: Path) -> None:
    cache.unlink()
    os.mkfifo(cache)


def spoil_content(cache: Path) -> None:
    for file in cache.parent.glob("digests.sqlite*"):
        file.write_bytes(b"this is not a database, and long enough to be looked at" * 100)


def cut_off(cache: Path) -> None:
    cache.write_bytes(cache.read_bytes()[:6000])


def spoil_table(cache: Path) -> None:
    with closing(sqlite3.connect(cache)) as connection:
        connection.execute("DROP TABLE digests_2")
        connection.execute("CREATE TABLE digests_2 (name TEXT)")


def without_reason(text: str, root: Path) -> str:
    """Leave out the folder and what SQLite says."""
    return re.sub(r"\(.*?\)", "(…)", text.replace(str(root), "STORE"))


@pytest.mark.parametrize("spoil", [spoil_folder, spoil_pipe, spoil_content, cut_off, spoil_table])
def test_a_damaged_cache_is_an_error(
    tmp_path: Path, cache: Path, spoil: Callable[[Path], None], snapshot: SnapshotAssertion
) -> None:
    paths = files(tmp_path, 300)
    ContentDigests(cache).digests(paths)
    spoil(cache)
    text = error_text(StoreError, ContentDigests(cache).digests, paths)
    assert without_reason(text, cache.parent) == snapshot


def test_a_cache_that_is_locked_for_long(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    monkeypatch.setattr(file_digests, "file_stamp", raising(sqlite3.OperationalError("database is locked")))
    text = error_text(StoreError, ContentDigests(cache).digests, [written(tmp_path / "a.png", b"x")])
    assert without_reason(text, cache.parent) == snapshot


def test_digests_that_are_none_are_not_used(tmp_path: Path, cache: Path) -> None:
    paths = files(tmp_path, 2)
    before = ContentDigests(cache).digests(paths)
    with closing(sqlite3.connect(cache)) as connection, connection:
        connection.execute("UPDATE digests_2 SET digest = 5")
    assert ContentDigests(cache).digests(paths) == before


def test_processes_share_a_cache(tmp_path: Path, cache: Path) -> None:
    paths = files(tmp_path, 600)
    code = (
        "import sys; from pathlib import Path; from quba_check.storage.file_digests import ContentDigests; "
        "print(*ContentDigests(Path(sys.argv[1])).digests(sorted(Path(sys.argv[2]).glob('*.png'))))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, cache, tmp_path], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outputs = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0] * 4
    expected = [digest_of(path.read_bytes()) for path in sorted(paths)]
    assert [output.split() for output in outputs] == [expected]
