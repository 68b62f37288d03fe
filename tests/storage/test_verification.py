"""Checksums of all stored predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.stored import flip_last_bit, keys_of, predict, prediction_files

from quba_check.storage.shard import DamagedShardError, ShardKey, shard_file
from quba_check.storage.store import Store
from quba_check.storage.verification import Damage, prediction_damages, remove_damages


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def damages(store: Store, path: Path) -> list[Damage]:
    return prediction_damages(path, path.relative_to(store.root).as_posix(), str(path))


@pytest.mark.parametrize("packed", [True, False])
def test_undamaged_files(store: Store, packed: bool) -> None:
    predict(store, "r50", "clean", packed=packed)
    paths = prediction_files(store, "r50", "clean")
    assert len(paths) == (1 if packed else 2)
    assert [damages(store, path) for path in paths] == [[] for _ in paths]


def test_a_damaged_shard(store: Store) -> None:
    predict(store, "r50", "clean", packed=False)
    path, other = prediction_files(store, "r50", "clean")
    flip_last_bit(path)
    name = path.relative_to(store.root).as_posix()
    found = damages(store, path)
    assert found == [Damage(name, f"{path}: its checksum does not fit its columns")]
    remove_damages(store, found)
    assert prediction_files(store, "r50", "clean") == [other]


def test_a_damaged_shard_of_a_pack_is_removed_alone(store: Store) -> None:
    predict(store, "r50", "clean")
    (path,) = prediction_files(store, "r50", "clean")
    flip_last_bit(path)
    first, last = keys_of("r50", "clean")
    found = damages(store, path)
    assert found == [
        Damage(
            path.relative_to(store.root).as_posix(),
            f"{path}: shard 1: its checksum does not fit its columns",
            ShardKey(last.cache_entry, 1, last.content[:16], ()),
        )
    ]
    remove_damages(store, found)
    assert store.read(first).columns["index"].tolist() == [0, 1, 2]
    with pytest.raises(DamagedShardError):
        store.read(last)


def test_a_cut_pack_is_removed_whole(store: Store) -> None:
    predict(store, "r50", "clean")
    (path,) = prediction_files(store, "r50", "clean")
    path.write_bytes(path.read_bytes()[:-1])
    (damage,) = found = damages(store, path)
    assert damage.shard is None
    assert damage.problem.startswith(f"{path}: cannot be read (")
    remove_damages(store, found)
    assert not path.exists()


def test_columns_of_different_length(store: Store) -> None:
    predict(store, "r50", "clean", packed=False)
    path, _ = prediction_files(store, "r50", "clean")
    columns = {"index": np.arange(3), "top1": np.arange(2)}
    path.write_bytes(shard_file(keys_of("r50", "clean")[0], columns, {}))
    assert [damage.problem for damage in damages(store, path)] == [f"{path}: its columns differ in length"]


def test_a_file_that_another_process_removed(store: Store) -> None:
    predict(store, "r50", "clean")
    (path,) = prediction_files(store, "r50", "clean")
    path.unlink()
    assert damages(store, path) == []
