"""The cache of preprocessed images: bounded, shared, and never a wrong pixel."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from io import FileIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from quba_check.storage import image_cache
from quba_check.storage.image_cache import ImageCache, ImageFile

SHAPE = (3, 4, 5, 3)
FILE_BYTES = 3 * 4 * 5 * 3 + 3 * 4
LONG_AGO = 1_600_000_000_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "images"


def cache(folder: Path, files: float = 10) -> ImageCache:
    return ImageCache(folder, int(files * FILE_BYTES))


def images(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)


def keep(to: ImageCache, key: str, seed: int = 0) -> Path:
    """Write the images of a key, as one pass over them does."""
    file = to.open(key, SHAPE)
    assert file is not None
    for position in (2, 0, 1):
        assert file.read(position) is None
        file.write(position, images(seed)[position])
    file.publish()
    file.close()
    return file.path


def kept(file: ImageFile | None) -> list[list[int] | None]:
    assert file is not None
    found = [file.read(position) for position in range(SHAPE[0])]
    return [None if pixels is None else pixels.tolist() for pixels in found]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def use(path: Path, when_ns: int) -> None:
    os.utime(path, ns=(when_ns, when_ns))


def test_images_come_back_in_another_process_object(folder: Path) -> None:
    keep(cache(folder), "a")
    assert names(folder) == ["a.images"]
    assert (folder / "a.images").stat().st_size == FILE_BYTES
    assert kept(cache(folder).open("a", SHAPE)) == images().tolist()


def test_the_first_bytes_are_the_pixels(folder: Path) -> None:
    path = keep(cache(folder), "a")
    pixels = np.fromfile(path, np.uint8, count=images().size).reshape(SHAPE)
    np.testing.assert_array_equal(pixels, images())


def test_images_of_a_file_that_is_not_complete_can_be_read_by_the_same_process(folder: Path) -> None:
    file = cache(folder).open("a", SHAPE)
    assert file is not None
    file.write(1, images()[1])
    assert kept(file) == [None, images()[1].tolist(), None]
    file.publish()
    file.close()
    assert names(folder) == []  # not all were added
    assert kept(file) == [None, None, None]
    file.write(0, images()[0])  # of a thread that was still reading


def test_an_unfinished_file_is_removed_when_nothing_refers_to_it(folder: Path) -> None:
    assert cache(folder).open("a", SHAPE) is not None
    assert names(folder) == []


def test_any_damaged_byte_is_noticed(folder: Path) -> None:
    path = keep(cache(folder), "a")
    whole = path.read_bytes()
    for place in range(FILE_BYTES):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        again = cache(folder)
        found = kept(again.open("a", SHAPE))
        damaged = place // 60 if place < 180 else (place - 180) // 4
        assert found == [None if k == damaged else images()[k].tolist() for k in range(3)]
        damage = "a checksum does not fit its image"
        assert again.notes == [f"{path}: these prepared images were damaged ({damage}) and are made again."]
        assert not path.exists()


def test_a_file_under_another_name_is_noticed(folder: Path) -> None:
    keep(cache(folder), "a").rename(folder / "b.images")
    assert kept(cache(folder).open("b", SHAPE)) == [None, None, None]


@pytest.mark.parametrize("size", [0, 191, 193])
def test_a_file_of_another_size_is_replaced(folder: Path, size: int) -> None:
    path = keep(cache(folder), "a")
    path.write_bytes(path.read_bytes().ljust(size, b"x")[:size])
    again = cache(folder)
    keep(again, "a")
    assert again.notes == [
        f"{path}: these prepared images were damaged (it has {size} bytes, not 192) and are made again."
    ]
    assert kept(again.open("a", SHAPE)) == images().tolist()


@pytest.mark.parametrize("spoil", [Path.mkdir, os.mkfifo])
def test_a_path_that_is_no_file_is_replaced(folder: Path, spoil) -> None:
    folder.mkdir()
    spoil(folder / "a.images")
    again = cache(folder)
    keep(again, "a")
    assert again.notes == [
        f"{folder}/a.images: these prepared images were damaged (it is not a file) and are made again."
    ]


def test_the_limit_is_never_exceeded_and_files_of_this_run_stay(folder: Path) -> None:
    bounded = cache(folder, 2.5)
    keep(bounded, "a")
    keep(bounded, "b")
    assert bounded.open("c", SHAPE) is None
    assert names(folder) == ["a.images", "b.images"]
    assert bounded.notes == []


def test_unfinished_files_count(folder: Path) -> None:
    bounded = cache(folder, 1.5)
    first = bounded.open("a", SHAPE)
    assert first is not None
    assert bounded.open("b", SHAPE) is None


def test_the_files_unused_longest_make_room(folder: Path) -> None:
    for age, key in enumerate("abc"):
        use(keep(cache(folder), key), LONG_AGO - age)
    assert kept(cache(folder).open("c", SHAPE)) == images().tolist()  # the oldest is used again
    keep(cache(folder, 3.9), "d")
    assert names(folder) == ["a.images", "c.images", "d.images"]
    keep(cache(folder, 3.9), "e")
    assert names(folder) == ["c.images", "d.images", "e.images"]
    assert cache(folder, 3.9).open("f", SHAPE) is None
    assert names(folder) == ["c.images", "d.images", "e.images"]


def test_nothing_is_removed_if_it_would_not_be_enough(folder: Path) -> None:
    use(keep(cache(folder), "a"), LONG_AGO)
    assert cache(folder, 0.9).open("b", SHAPE) is None
    assert names(folder) == ["a.images"]


def test_no_gigabytes_keep_and_read_nothing(folder: Path) -> None:
    keep(cache(folder), "a")
    assert ImageCache(folder, 0).open("a", SHAPE) is None


@pytest.mark.parametrize(
    ("total", "free", "fits"),
    [
        (1000, 100 + FILE_BYTES, True),
        (1000, 99 + FILE_BYTES, False),
        (10**12, 10**10, False),
        (10**12, 10**11, True),
    ],
)
def test_a_share_of_the_disk_stays_free(
    folder: Path, monkeypatch: pytest.MonkeyPatch, total: int, free: int, fits: bool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=total, free=free))
    assert (cache(folder).open("a", SHAPE) is not None) == fits


def test_abandoned_files_are_removed(folder: Path) -> None:
    folder.mkdir()
    old, young, other = folder / ".1.tmp", folder / ".2.tmp", folder / "notes.txt"
    for path in (old, young, other):
        path.touch()
    use(old, LONG_AGO)
    use(other, LONG_AGO)
    keep(cache(folder), "a")
    assert names(folder) == [".2.tmp", "a.images", "notes.txt"]


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    stopped = cache(tmp_path / "file")
    assert stopped.open("a", SHAPE) is None
    assert stopped.open("b", SHAPE) is None
    assert stopped.notes == [f"{tmp_path}/file: prepared images are not kept here (File exists)."]


class FullDisk(FileIO):
    def write(self, content) -> int:
        return super().write(content[:1])


def test_a_full_disk_keeps_nothing_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = cache(folder)
    keep(full, "a")
    monkeypatch.setattr(image_cache, "FileIO", FullDisk)
    file = full.open("b", SHAPE)
    assert file is not None
    file.write(0, images()[0])
    file.write(1, images()[1])
    file.publish()
    assert not file.is_intact
    assert full.notes == [f"{folder}: prepared images are not kept here (No space left on device)."]
    assert names(folder) == ["a.images"]
    assert full.open("c", SHAPE) is None
    assert kept(full.open("a", SHAPE)) == images().tolist()


def test_the_folder_may_be_deleted_at_any_time(folder: Path) -> None:
    deleted = cache(folder)
    keep(deleted, "a")
    complete, unfinished = deleted.open("a", SHAPE), deleted.open("b", SHAPE)
    assert unfinished is not None
    for position in range(3):
        unfinished.write(position, images(1)[position])
    shutil.rmtree(folder)
    unfinished.publish()
    assert kept(complete) == images().tolist()
    keep(deleted, "b")
    assert (names(folder), deleted.notes) == (["b.images"], [])


def test_threads_fill_one_file(folder: Path) -> None:
    file = cache(folder).open("a", SHAPE)
    assert file is not None
    threads = [threading.Thread(target=file.write, args=(k, images()[k])) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.publish()
    assert kept(cache(folder).open("a", SHAPE)) == images().tolist()


def test_systems_that_rename_no_open_file_keep_images(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imitate Windows."""
    opened: list[FileIO] = []
    rename = Path.replace

    class NotedFile(FileIO):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments)
            opened.append(self)

    def replace(path: Path, target: Path) -> Path:
        if any(file.name == path and not file.closed for file in opened):
            raise PermissionError(errno.EACCES, "The file is being used by another process")
        return rename(path, target)

    monkeypatch.setattr(image_cache, "FileIO", NotedFile)
    monkeypatch.setattr(Path, "replace", replace)
    kept_here = cache(folder)
    file = kept_here.open("a", SHAPE)
    assert file is not None
    for position in range(3):
        file.write(position, images()[position])
    file.publish()
    assert kept(file) == images().tolist()  # read again by this process
    assert (names(folder), kept_here.notes) == (["a.images"], [])
    file.close()
    assert all(file.closed for file in opened)
    assert kept(cache(folder).open("a", SHAPE)) == images().tolist()


def test_files_that_cannot_be_removed_stay_and_others_make_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Imitate Windows, which removes no file that another process reads."""
    for age, key in enumerate("abc"):
        use(keep(cache(folder), key), LONG_AGO - age)
    unlink, in_use = Path.unlink, {"c.images"}

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name in in_use:
            raise PermissionError(errno.EACCES, "The file is being used by another process")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    full = cache(folder, 3)
    keep(full, "d")
    assert names(folder) == ["a.images", "c.images", "d.images"]
    in_use.add("a.images")
    assert full.open("e", SHAPE) is None
    assert (names(folder), full.notes) == (["a.images", "c.images", "d.images"], [])


def test_processes_share_a_folder(folder: Path) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from quba_check.storage.image_cache import ImageCache\n"
        f"images = np.random.default_rng(0).integers(0, 256, {SHAPE}, dtype=np.uint8)\n"
        f"cache = ImageCache(Path(sys.argv[1]), {5 * FILE_BYTES})\n"
        "for key in 'abcdefgh':\n"
        f"    file = cache.open(key, {SHAPE})\n"
        "    if file is None: continue\n"
        "    for k in range(3):\n"
        "        kept = file.read(k)\n"
        "        assert kept is None or (kept == images[k]).all()\n"
        "        file.write(k, images[k])\n"
        "    file.publish(); file.close()\n"
        "assert cache.notes == [], cache.notes\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, folder]) for _ in range(3)]
    assert [process.wait() for process in running] == [0] * 3
    assert 1 <= len(names(folder)) <= 5
    for name in names(folder):
        assert kept(cache(folder).open(name.removesuffix(".images"), SHAPE)) == images().tolist()
