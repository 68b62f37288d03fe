"""Checksums of all stored predictions."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stored import flip_last_bit, keys_of, predict, prediction_files

from quba_check.cli.store_checks import Damage, prediction_damages
from quba_check.storage.opening import open_store
from quba_check.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def damages(store: Store, path: Path) -> list[Damage]:
    return prediction_damages(store, path.relative_to(store.root).as_posix())


@pytest.mark.parametrize("packed", [True, False])
def test_damaged_files_alone_are_named(store: Store, packed: bool) -> None:
    predict(store, "r50", "clean", packed=packed)
    path, *others = prediction_files(store, "r50", "clean")
    assert len(others) == (0 if packed else 1)
    assert [damages(store, one) for one in (path, *others)] == [[] for _ in (path, *others)]
    flip_last_bit(path)
    name = path.relative_to(store.root).as_posix()
    assert damages(store, path) == [Damage(name, f"{path}: its checksum does not fit its columns")]
    store.delete_files([name])
    assert prediction_files(store, "r50", "clean") == others
    assert store.missing(keys_of("r50", "clean")) == keys_of("r50", "clean")[: 2 - len(others)]


def test_a_file_that_another_process_removed(store: Store) -> None:
    predict(store, "r50", "clean")
    (path,) = prediction_files(store, "r50", "clean")
    path.unlink()
    assert damages(store, path) == []
