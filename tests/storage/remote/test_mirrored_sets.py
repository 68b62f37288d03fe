"""Copied sets: their notes, their removal, and room for others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quba_check.storage.remote.mirrored_sets import MirroredSet, Pin, make_room


def stored(mirror: Path, name: str, files: dict[str, bytes], *, used: int, version: str = "v") -> MirroredSet:
    """A complete set with a time of use in seconds."""
    one = MirroredSet(mirror / "url" / version / "sets" / name)
    one.folder.mkdir(parents=True)
    for file, content in files.items():
        (one.root / file).parent.mkdir(parents=True, exist_ok=True)
        (one.root / file).write_bytes(content)
    one.reserve(files, sum(map(len, files.values())))
    one.set_complete(True)
    os.utime(one.folder / "bytes", (used, used))
    return one


def test_notes_on_a_set(tmp_path: Path) -> None:
    one = MirroredSet(tmp_path / "url" / "v" / "sets" / "x")
    assert (one.size, one.used_ns, one.names(), one.is_reserved, one.is_complete) == (0, 0, [], False, False)
    one.touch()
    one = stored(tmp_path, "x", {"a b/c\n.png": b"123", "é": b""}, used=7)
    assert (one.size, one.used_ns, one.names()) == (3, 7 * 10**9, ["a b/c\n.png", "é"])
    assert one.is_complete
    one.touch()
    assert one.used_ns > 7 * 10**9
    one.set_complete(False)
    assert (one.is_reserved, one.is_complete) == (True, False)
    (one.folder / "bytes").write_text("many", encoding="ascii")
    assert one.size == 0


def test_removal_keeps_the_files_of_other_sets(tmp_path: Path) -> None:
    one = stored(tmp_path, "one", {"c/labels.npy": b"1", "c/fog.npy": b"2"}, used=1)
    other = stored(tmp_path, "other", {"c/labels.npy": b"1", "c/snow.npy": b"3"}, used=2)
    one.remove()
    assert not one.folder.exists()
    assert sorted(path.name for path in (tmp_path / "url/v/files/c").iterdir()) == ["labels.npy", "snow.npy"]
    other.remove()
    assert not any((tmp_path / "url/v/files/c").iterdir())


def test_sets_that_were_unused_longest_make_room(tmp_path: Path) -> None:
    sets = [
        stored(tmp_path, name, {f"{name}.tar": bytes(10)}, used=used)
        for used, name in enumerate(("oldest", "old", "new"))
    ]
    assert make_room(tmp_path, 10, 40, {}, ())
    assert all(one.is_reserved for one in sets)
    assert make_room(tmp_path, 10, 30, {}, ())
    assert [one.is_reserved for one in sets] == [False, True, True]
    assert make_room(tmp_path, 20, 30, {}, (sets[1].folder,))
    assert [one.is_reserved for one in sets] == [False, True, False]
    assert (tmp_path / "url/v/files/old.tar").exists()


def test_sets_of_a_request_stay_and_do_not_fit_with_too_large_others(tmp_path: Path) -> None:
    one = stored(tmp_path, "one", {"a": bytes(10)}, used=1)
    assert not make_room(tmp_path, 1, 10, {}, (one.folder,))
    assert one.is_complete


def test_a_set_that_is_read_stays(tmp_path: Path) -> None:
    one = stored(tmp_path, "one", {"a": bytes(10)}, used=1)
    other = stored(tmp_path, "other", {"b": bytes(10)}, used=2)
    pin = one.pin()
    assert make_room(tmp_path, 10, 20, {}, ())
    assert (one.is_complete, other.is_complete) == (True, False)
    pin.release()
    pin.release()
    assert not one.is_pinned()
    assert make_room(tmp_path, 10, 10, {}, ())
    assert not one.is_complete


def test_own_pins_end_when_the_room_is_needed(tmp_path: Path) -> None:
    one = stored(tmp_path, "one", {"a": bytes(10)}, used=1)
    pins: dict[Path, Pin] = {one.folder: one.pin()}
    assert make_room(tmp_path, 10, 10, pins, ())
    assert (pins, one.is_complete) == ({}, False)


def test_the_pin_of_a_killed_process_ends_with_it(tmp_path: Path) -> None:
    one = stored(tmp_path, "one", {"a": bytes(10)}, used=1)
    code = (
        "import sys; from pathlib import Path\n"
        "from quba_check.storage.remote.mirrored_sets import MirroredSet\n"
        "pin = MirroredSet(Path(sys.argv[1])).pin(); print(flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(one.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        assert one.is_pinned()
        assert not make_room(tmp_path, 10, 10, {}, ())
        process.kill()
    assert len(list((one.folder / "readers").iterdir())) == 1
    assert not one.is_pinned()
    assert not any((one.folder / "readers").iterdir())
    assert make_room(tmp_path, 10, 10, {}, ())


@pytest.mark.parametrize("requested", [False, True])
def test_the_last_set_of_a_version_takes_its_folder_along(requested: bool, tmp_path: Path) -> None:
    stored(tmp_path, "one", {"a": bytes(10)}, used=1)
    other = stored(tmp_path, "other", {"b": bytes(10)}, used=2, version="w")
    next_folder = (tmp_path / "url/v/sets/next",) if requested else (other.folder,)
    assert make_room(tmp_path, 10, 20, {}, next_folder)
    assert (tmp_path / "url" / "v").exists() == requested
    assert other.is_complete
