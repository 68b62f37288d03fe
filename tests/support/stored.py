"""Stores with predictions of several models, without models and images."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quba_check.storage.shard import Shard, ShardColumns, ShardKey, encode_shards, object_name
from quba_check.storage.store import Store

ENTRY = "e" * 32
ROWS = 4
ABOUT = {"view": "fog-3", "outputs": "logits"}
OLD = 1_000_000_000.0
"""Unix time of the files that `age` makes old, in 2001."""


def keys_of(model: str, view: str, shards: int = 2, rows: int = 3) -> list[ShardKey]:
    """The keys of a view's shards."""
    entry = hashlib.blake2b(f"{model} {view}".encode(), digest_size=16).hexdigest()
    return [
        ShardKey(entry, number, f"{number:032x}", range(number * rows, (number + 1) * rows))
        for number in range(shards)
    ]


def predict(store: Store, model: str, *views: str, packed: bool = True) -> None:
    """Store two shards of three images for each view, packed as after a run."""
    for view in views:
        keys = keys_of(model, view)
        for key in keys:
            columns = {
                "index": np.array(list(key.indices)),
                "top1": np.array([0, 1, 2]),
                "confidence": np.linspace(0, 1, 3, dtype=np.float32),
            }
            write(store, key, columns, {"model": model, "view": view, "outputs": "logits"})
        if packed:
            store.pack(keys)


def write(store: Store, key: ShardKey, columns: ShardColumns, about: Mapping[str, str]) -> None:
    """Store a shard as an object of its own."""
    store.put(key, encode_shards([key], columns, about))


def key_of(number: int, content: str = "a", entry: str = ENTRY) -> ShardKey:
    """The key of a shard of four rows."""
    return ShardKey(entry, number, content * 32, range(number * ROWS, (number + 1) * ROWS))


def columns_of(key: ShardKey) -> dict[str, NDArray[Any]]:
    """Rows that differ by key, with columns of every type."""
    generator = np.random.default_rng([key.shard, *key.content.encode()])
    rows = len(key.indices)
    return {
        "index": np.array(key.indices),
        "label": generator.integers(-1, 1000, rows),
        "top1": generator.integers(0, 100, rows),
        "confidence": generator.random(rows, dtype=np.float32),
        "flag": generator.random(rows) < 0.5,
        "probabilities": generator.random((rows, 3), dtype=np.float32),
    }


def fill(store: Store, keys: Iterable[ShardKey]) -> None:
    """Write shards with the rows of `columns_of`."""
    for key in keys:
        write(store, key, columns_of(key), ABOUT | {"model": key.cache_entry[0]})


def check(store: Store, keys: Sequence[ShardKey]) -> Shard:
    """Check that the store has exactly the rows that were written, together and shard by shard."""
    shard = store.read(*keys)
    parts = [columns_of(key) for key in keys]
    assert shard.columns.keys() == parts[0].keys()
    for name, column in shard.columns.items():
        expected = np.concatenate([part[name] for part in parts])
        assert (column.dtype, column.tolist()) == (expected.dtype, expected.tolist())
    if len(keys) > 1:
        for key in keys:
            check(store, [key])
    return shard


def path_of(store: Store, key: ShardKey) -> Path:
    """The file of a shard that is not packed."""
    return store.local.path(object_name(key.cache_entry, [key.id]))


def prediction_files(store: Store, model: str, view: str) -> list[Path]:
    """The files of a view."""
    return sorted(path_of(store, keys_of(model, view)[0]).parent.glob("*.safetensors"))


def age(*paths: Path, at: float = OLD) -> None:
    """Set the time of the last change of files."""
    for path in paths:
        os.utime(path, (at, at))


def flip_last_bit(path: Path) -> None:
    """Damage the last value of a file."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
