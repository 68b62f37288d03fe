"""Stores with predictions of several models, without models and images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from quba_check.storage.shard import Columns, ShardKey, encode_shards, object_name
from quba_check.storage.store import Store

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


def write(store: Store, key: ShardKey, columns: Columns, about: Mapping[str, str]) -> None:
    """Store a shard as an object of its own."""
    store.put(key, encode_shards([key], columns, about))


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
