"""Findings are recalled as long as the files behind them are what they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quba_check.doctor.finding import Finding
from quba_check.doctor.findings_cache import FindingsCache
from quba_check.storage.file_digests import ContentDigests

FOUND = (Finding(check="x", problem="p.", evidence="e", fix="f"),)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("a.png", "b.png")]
    for path in made:
        path.write_bytes(path.name.encode())
    return made


@pytest.fixture
def memory(tmp_path: Path) -> FindingsCache:
    return FindingsCache(tmp_path / "store", ContentDigests(tmp_path / "digests.sqlite"))


def kept(memory: FindingsCache, files: list[Path]):
    return memory.keep("address", FOUND, map(str, files), decoded=2, forwards=3)


def test_what_was_kept_is_recalled(memory, files) -> None:
    assert memory.recall("address") is None
    made = kept(memory, files)
    assert memory.recall("address") == made
    assert (made.findings, made.decoded, made.forwards) == (FOUND, 2, 3)
    assert memory.recall("another") is None


def test_a_touched_file_changes_nothing_and_a_changed_one_does(memory, files) -> None:
    kept(memory, files)
    os.utime(files[0], ns=(1, 1))
    assert memory.recall("address") is not None
    files[0].write_bytes(b"other")
    assert memory.recall("address") is None


def test_a_file_that_is_gone_is_a_change(memory, files) -> None:
    kept(memory, files)
    files[1].unlink()
    assert memory.recall("address") is None


def test_a_damaged_memory_is_none(memory, files, tmp_path) -> None:
    kept(memory, files)
    (tmp_path / "store" / "doctor" / "address.json").write_text("{", encoding="utf-8")
    assert memory.recall("address") is None


def test_a_folder_that_cannot_be_written_costs_the_memory_alone(memory, files, tmp_path) -> None:
    (tmp_path / "store").write_text("a file", encoding="utf-8")
    assert kept(memory, files).findings == FOUND
    assert memory.recall("address") is None
