"""The cache of preprocessed images: bounded, shared, and never a wrong pixel."""

import gc
import os
import shutil
from collections import namedtuple
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from filelock import FileLock
from support.errors import raising

from quba_check.storage import image_cache
from quba_check.storage.image_cache import ImageCache, KeptImages

SHAPE = (3, 4, 5, 3)
FILE_BYTES = 128 + 3 * 4 * 5 * 3 + 3 * 4
LONG_AGO = 1_600_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "images"


def cache(folder: Path, files: float = 10) -> ImageCache:
    return ImageCache(folder, int(files * FILE_BYTES))


def images(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)


def keep(to: ImageCache, key: str, seed: int = 0) -> Path:
    """Write the images of a key, as one pass over them does."""
    kept = to.open(key, SHAPE)
    if kept is not None:
        for position in (2, 0, 1):
            kept.finish()  # without effect before the last image
            assert kept.read(slice(position, position + 1)) is None
            kept.write(slice(position, position + 1), images(seed)[position : position + 1])
        kept.finish()
    return to.folder / f"{key}.npy"


def values(kept: KeptImages | None) -> list[list[int] | None]:
    found = [kept.read(slice(position, position + 1)) for position in range(SHAPE[0])]
    return [None if pixels is None else pixels[0].tolist() for pixels in found]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def use(path: Path, when: float) -> None:
    os.utime(path, (when, when))


NONE = [None, None, None]


def test_images_come_back_in_another_process_object(folder: Path) -> None:
    path = keep(cache(folder), "a")
    assert names(folder) == ["a.npy"]
    assert path.stat().st_size == FILE_BYTES
    kept = cache(folder).open("a", SHAPE)
    kept.write(slice(0, 1), images(1)[:1])  # a complete file is not written again
    kept.finish()
    assert values(kept) == images().tolist()
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), images())


def test_an_unfinished_file_is_read_while_it_is_filled_and_then_removed(folder: Path) -> None:
    kept = cache(folder).open("a", SHAPE)
    kept.write(slice(1, 2), images()[1:2])
    kept.finish()
    assert values(kept) == [None, images()[1].tolist(), None]
    (unfinished,) = names(folder)
    assert unfinished.endswith(".tmp")
    assert values(cache(folder).open("a", SHAPE)) == NONE  # another pass fills a file of its own
    del kept
    assert names(folder) == []


def test_several_images_are_read_and_written_at_once(folder: Path) -> None:
    kept = cache(folder).open("a", SHAPE)
    kept.write(slice(1, 3), images()[1:])
    assert kept.read(slice(0, 3)) is None
    np.testing.assert_array_equal(kept.read(slice(1, 3)), images()[1:])
    kept.write(slice(0, 1), images()[:1])
    kept.finish()
    again = cache(folder).open("a", SHAPE)
    np.testing.assert_array_equal(again.read(slice(0, 3)), images())


def test_unfinished_files_count_with_their_full_size(folder: Path) -> None:
    first, second = (cache(folder, 1.5).open(key, SHAPE) for key in "ab")
    assert (first is None, second is None) == (False, True)


def test_a_killed_process_leaves_a_file_that_makes_room(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.0123.tmp").write_bytes(bytes(FILE_BYTES))
    use(folder / "a.0123.tmp", LONG_AGO)
    keep(cache(folder, 1), "b")
    assert names(folder) == ["b.npy"]


@pytest.mark.parametrize("is_complete", [False, True])
def test_a_file_that_is_removed_meanwhile_is_missing(folder: Path, is_complete: bool) -> None:
    to = cache(folder)
    if is_complete:
        keep(to, "a")
    kept = to.open("a", SHAPE)
    shutil.rmtree(folder)
    assert values(kept) == NONE
    kept.write(slice(0, SHAPE[0]), images())
    kept.finish()
    assert (folder.exists(), to.notes) == (False, [])


def test_any_damaged_byte_is_noticed(folder: Path) -> None:
    path = keep(cache(folder), "a")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        again = cache(folder)
        found = values(again.open("a", SHAPE))
        if found == images().tolist():  # a blank of the header
            assert place < len(whole) - 12 - images().size
            continue
        assert found == NONE


def test_a_file_under_another_name_is_noticed(folder: Path) -> None:
    keep(cache(folder), "a").rename(folder / "b.npy")
    assert values(cache(folder).open("b", SHAPE)) == NONE


@pytest.mark.parametrize("content", ["", "cut", "longer", "objects", "shape", "pipe"])
def test_a_file_that_is_none_is_replaced(folder: Path, content: str) -> None:
    path = keep(cache(folder), "a")
    whole = path.read_bytes()
    path.unlink()
    match content:
        case "pipe":
            os.mkfifo(path)
        case "objects":
            np.save(path, np.array([{}], dtype=object))
        case "shape":
            np.save(path, images()[:2])
        case _:
            path.write_bytes({"": b"", "cut": whole[:200], "longer": whole + b"x"}[content])
    again = cache(folder)
    keep(again, "a")
    assert again.notes == []
    assert values(cache(folder).open("a", SHAPE)) == images().tolist()


def test_files_that_windows_does_not_remove_while_they_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = cache(folder, files=1)
    use(keep(one, "a"), LONG_AGO)
    monkeypatch.setattr(Path, "unlink", Mock(side_effect=PermissionError(13, "Access is denied")))
    assert (keep(one, "b").exists(), one.notes) == (True, [])


def test_files_that_were_unused_longest_make_room(folder: Path) -> None:
    for number, name in enumerate("abc"):
        use(keep(cache(folder), name), LONG_AGO + number)
    assert values(cache(folder).open("a", SHAPE)) == images().tolist()  # now used last
    keep(cache(folder, 2), "d")
    assert names(folder) == ["a.npy", "d.npy"]


def test_files_in_use_stay_and_none_is_removed_if_it_does_not_suffice(folder: Path) -> None:
    use(keep(cache(folder), "a"), LONG_AGO)
    for name, files in (("b", 2), ("c", 1.2)):  # the second one was used since this process started
        keep(cache(folder, files), name)
    assert names(folder) == ["a.npy", "b.npy"]


@pytest.mark.parametrize("files", [0, 0.3])
def test_images_larger_than_the_limit_are_not_kept(folder: Path, files: float) -> None:
    assert cache(folder, files).open("a", SHAPE) is None
    assert not folder.exists()


def test_room_on_the_disk_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    use(keep(cache(folder), "a"), LONG_AGO)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10_000, 0, 1000 + FILE_BYTES // 2))
    keep(cache(folder), "b")
    assert names(folder) == ["b.npy"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**14, 0, 10**10))
    keep(cache(folder), "c")
    assert names(folder) == ["b.npy"]


@pytest.mark.parametrize("step", ["open", "replace"])
def test_a_full_disk_is_noted_once(folder: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    to = cache(folder)
    kept = to.open("a", SHAPE)
    with monkeypatch.context() as disk:
        disk.setattr(Path, step, raising(OSError(28, "No space left on device")))
        kept.write(slice(0, SHAPE[0]), images())
        kept.finish()
    assert to.notes == [f"{folder}: prepared images are not kept here (No space left on device)."]
    assert to.open("b", SHAPE) is None
    del kept
    gc.collect()  # the error holds its frames
    assert names(folder) == []


def test_a_folder_that_may_only_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(cache(folder), "a")
    monkeypatch.setattr(os, "utime", raising(OSError(13, "Permission denied")))
    assert values(cache(folder).open("a", SHAPE)) == images().tolist()


def test_a_lock_that_another_process_holds_long(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache, "LOCK_SECONDS", 0.01)
    folder.mkdir()
    kept = cache(folder)
    with FileLock(folder / ".lock"):
        assert kept.open("a", SHAPE) is None
    assert (names(folder), kept.notes) == ([], [])
