"""Shards on disk: they are read as written, or rejected."""

import contextlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.errors import error_text
from support.stored import path_of, write

from quba_check.errors import StoreError
from quba_check.storage.opening import open_store
from quba_check.storage.shard import DamagedShardError, ShardKey
from quba_check.storage.store import Store

KEY = ShardKey("a" * 32, 3, "b" * 32, range(768, 771))
COLUMNS = {
    "index": np.array([768, 769, 770]),
    "top1": np.array([1, 2, 3]),
    "right": np.array([True, False, True]),
    "probabilities": np.arange(6, dtype=np.float32).reshape(3, 2),
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


@pytest.mark.parametrize(
    "other",
    [
        ShardKey("c" * 32, 3, "b" * 32, KEY.indices),
        ShardKey("a" * 32, 3, "d" * 32, KEY.indices),
        ShardKey("a" * 32, 4, "b" * 32, KEY.indices),
    ],
)
def test_a_copy_of_another_shard_is_found(store: Store, other: ShardKey) -> None:
    write(store, KEY, COLUMNS, {})
    write(store, other, COLUMNS, {})
    path = shutil.copy(path_of(store, other), path_of(store, KEY))
    text = error_text(DamagedShardError, store.read, KEY)
    assert text == f"{path}: cannot be read (it is of another model, view, settings or images)"


def test_other_rows_than_the_range_are_found(store: Store) -> None:
    for indices in ([768, 769, 769], [769, 768, 770], [0, 1, 2]):
        write(store, KEY, {"index": np.array(indices), "top1": np.zeros(3)}, {})
        text = error_text(DamagedShardError, store.read, KEY)
        assert text == f"{path_of(store, KEY)}: it does not hold the 3 rows of its range"
        store.remove(KEY)


@pytest.mark.parametrize("kind", ["pipe", "dangling link"])
def test_a_path_that_is_no_file_is_replaced(store: Store, kind: str) -> None:
    path = path_of(store, KEY)
    path.parent.mkdir(parents=True)
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("nowhere")
    assert not store.has(KEY)
    write(store, KEY, COLUMNS, {})
    assert store.read(KEY).columns.keys() == COLUMNS.keys()


def test_a_lock_that_is_a_folder(store: Store) -> None:
    with store.try_lock("clean/0"):
        pass
    (lock,) = (store.root / "locks").iterdir()
    lock.unlink()
    lock.mkdir()
    with pytest.raises(StoreError) as caught, store.try_lock("clean/0"):
        pass
    assert str(caught.value) == (
        f"--quba-store: {lock} cannot be locked (Is a directory). Remove it, or name another folder with "
        "--quba-store DIR."
    )


def test_a_thread_never_waits_for_its_own_locks(store: Store) -> None:
    """Names share lock files: with two thousand names, some share one for sure."""
    names = [f"clean/{number}" for number in range(2000)]
    with contextlib.ExitStack() as locks:
        for one in (store, open_store(store.root)):
            assert all(locks.enter_context(one.try_lock(name)) for name in names)
        assert len(list((store.root / "locks").iterdir())) < len(names)
        with store.try_lock("clean/0"):
            pass
        assert not is_free(store)
    assert is_free(store)


def is_free(store: Store) -> bool:
    """True if another thread gets a lock of the store."""

    def try_lock() -> bool:
        with open_store(store.root).try_lock("clean/0") as is_held:
            return is_held

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(try_lock).result()
