"""Findings are cached while the files behind them are unchanged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quba_check.doctor.finding import Finding
from quba_check.doctor.findings_cache import FindingsCache
from quba_check.storage.file_digests import ContentDigests

FINDINGS = (Finding(check="x", problem="p.", evidence="e", fix="f"),)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


@pytest.fixture
def cache(tmp_path: Path) -> FindingsCache:
    return FindingsCache(tmp_path / "store", ContentDigests(tmp_path / "digests.sqlite"))


def save(cache: FindingsCache, files: list[Path]):
    return cache.save("key", FINDINGS, map(str, files), decoded=2, forwards=3)


def test_saved_findings_are_loaded(cache, files) -> None:
    assert cache.load("key") is None
    entry = save(cache, files)
    assert cache.load("key") == entry
    assert (entry.findings, entry.decoded, entry.forwards) == (FINDINGS, 2, 3)
    assert cache.load("another") is None


def test_a_touched_file_is_valid_and_a_changed_one_is_not(cache, files) -> None:
    save(cache, files)
    os.utime(files[0], ns=(1, 1))
    assert cache.load("key") is not None
    files[0].write_bytes(b"other")
    assert cache.load("key") is None


def test_a_missing_file_is_a_change(cache, files) -> None:
    save(cache, files)
    files[1].unlink()
    assert cache.load("key") is None


def test_a_damaged_entry_is_ignored(cache, files, tmp_path) -> None:
    save(cache, files)
    (tmp_path / "store" / "doctor" / "key.json").write_text("{", encoding="utf-8")
    assert cache.load("key") is None


def test_a_folder_that_cannot_be_written_is_ignored(cache, files, tmp_path) -> None:
    (tmp_path / "store").write_text("a file", encoding="utf-8")
    assert save(cache, files).findings == FINDINGS
    assert cache.load("key") is None
