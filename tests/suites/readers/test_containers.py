"""What readers of containers share: one computation for all threads, and another when the file changes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.suites import error_text

from quba_check.suites.readers.containers import FileCache


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
