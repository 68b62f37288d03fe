"""Paths that mean several files, and results of files that are cached until these change."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.suites import error_text, tree

from quba_check.suites.readers.listing import FileCache, expand_braces, files_at, has_files, unread_files


def names(path: Path) -> list[str]:
    return [file.name for file in files_at(path, ".tar")]


def test_braces() -> None:
    assert expand_braces("x.tar") == ["x.tar"]
    assert expand_braces("{a,b}-{9..10}") == ["a-9", "a-10", "b-9", "b-10"]
    assert expand_braces("x-{000..002}.tar") == ["x-000.tar", "x-001.tar", "x-002.tar"]


def test_a_file_a_folder_and_what_braces_and_stars_match(tmp_path: Path) -> None:
    tree(tmp_path, "b.tar", "a.TAR", "c-1.tar", "c-0.tar", "notes.txt", "d{0..1}.tar", "deep/x.tar")
    assert names(tmp_path / "b.tar") == ["b.tar"]
    assert names(tmp_path) == ["a.TAR", "b.tar", "c-0.tar", "c-1.tar", "d{0..1}.tar"]
    assert names(tmp_path / "c-{0..1}.tar") == ["c-0.tar", "c-1.tar"]
    assert names(tmp_path / "c-*.tar") == ["c-0.tar", "c-1.tar"]
    assert names(tmp_path / "{b,c-?}.tar") == ["b.tar", "c-0.tar", "c-1.tar"]
    assert names(tmp_path / "d{0..1}.tar") == ["d{0..1}.tar"]


def test_folders_may_be_called_like_patterns(tmp_path: Path) -> None:
    tree(tmp_path, "data [1]/a.tar")
    assert names(tmp_path / "data [1]/*.tar") == names(tmp_path / "data [1]") == ["a.tar"]


def test_what_is_not_there(tmp_path: Path) -> None:
    tree(tmp_path, "c-0.tar", "empty/notes.txt")
    for path, text in {
        "c-{0..2}.tar": "there is no file c-1.tar",
        "empty": "no file in this folder ends in .tar",
        "x-*.tar": "no file is called x-*.tar",
        "x.tar": "there is no file x.tar",
    }.items():
        assert error_text(files_at, tmp_path / path, ".tar") == f"{tmp_path / path}: {text}."
    there = {
        path: has_files(tmp_path / path) for path in ("c-{0..2}.tar", "c-*", "x-*", "x-{0..2}.tar", "no/*")
    }
    assert there == {"c-{0..2}.tar": True, "c-*": True, "x-*": False, "x-{0..2}.tar": False, "no/*": False}


def test_a_file_that_several_patterns_mean_counts_once(tmp_path: Path) -> None:
    tree(tmp_path, "a.tar", "b.tar", "x/c.tar")
    assert names(tmp_path / "{a.tar,./a.tar,x/../a.tar,*.tar}") == ["a.tar", "b.tar"]


@pytest.mark.parametrize("pattern", ["x-{0..99999999999}.tar", "{a,b}" * 40, "{1..400}{1..400}"])
def test_braces_that_stand_for_too_much(tmp_path: Path, pattern: str) -> None:
    assert error_text(has_files, tmp_path / pattern) == (
        f"{tmp_path / pattern}: the braces stand for too many files. Allowed: 100,000."
    )


def test_a_pipe_is_no_shard(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tar")
    assert (
        error_text(files_at, tmp_path / "a.tar", ".tar")
        == f"{tmp_path}/a.tar: is a pipe or a device, not a file."
    )


def test_files_that_look_like_images_and_are_not_read(tmp_path: Path) -> None:
    tree(
        tmp_path, "a/0.png", "a/1.gif", "a/2.AVIF", "a/notes.txt", "a/.3.gif", "a/more/4.png", "a/more/5.gif"
    )
    tree(tmp_path, "b/0.jfif", "b/boxes.xml", "README.md", "b/more/x.csv", "shelf/x.heic")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "c").symlink_to(tmp_path / "shelf")
    in_class_folders = [
        "a/1.gif",
        "a/2.AVIF",
        "a/loop/",
        "a/more/4.png",
        "a/more/5.gif",
        "c/x.heic",
        "shelf/x.heic",
    ]
    assert sorted(unread_files(tmp_path, 1)) == in_class_folders
    assert sorted(unread_files(tmp_path / "a", 0)) == ["1.gif", "2.AVIF", "loop/", "more/4.png", "more/5.gif"]


def test_threads_wait_for_one_answer(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    made: list[str] = []

    def make(path: Path, word: str) -> bytes:
        made.append(word)
        time.sleep(0.02)
        return path.read_bytes()

    cached = FileCache(make, 2)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: cached(tmp_path / "x", "a"), range(16))) == {b"abc"}
    assert made == ["a"]
    cached(tmp_path / "x", "b")
    assert made == ["a", "b"]
    (tmp_path / "x").write_bytes(b"abcd")
    assert cached(tmp_path / "x", "a") == b"abcd"
    assert made == ["a", "b", "a"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    text = f"{tmp_path}/x: cannot be read (No such file or directory)."
    assert error_text(FileCache(Path.read_bytes, 1), tmp_path / "x") == text
