"""A stored shard: its key, its columns and its checksum.

The metadata of a shard state the key that it belongs to, so that the shard of another model, copied over it,
is not taken for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from quba_check.errors import StoreError

Columns = Mapping[str, NDArray[Any]]
ShardId = tuple[int, str]
"""Number of a shard and the first 16 digits of its content: its name within a cache entry."""
ENTRY, SHARD = "entry", "shard"
"""Keys of the metadata that state the cache entry and the name of a shard."""
OTHER_ENTRY = "it is of another model, view or settings"


@dataclass(frozen=True, slots=True)
class ShardKey:
    """The key of a shard.

    Attributes:
        cache_entry: hash of model, preprocessing, view and settings.
        shard: its number; it covers the selected images [shard · 256, (shard + 1) · 256).
        content: hash of these images and their labels.
        indices: positions of these images in the set.
    """

    cache_entry: str
    shard: int
    content: str
    indices: Sequence[int]

    @property
    def id(self) -> ShardId:
        """Name of the shard within its cache entry."""
        return self.shard, self.content[:16]

    @property
    def name(self) -> str:
        """Its name in files."""
        return f"{self.shard:05d}-{self.content[:16]}"


@dataclass(frozen=True, slots=True)
class Shard:
    """The rows of one or several stored shards.

    Attributes:
        columns: the columns, all of one length.
        about: the metadata; of several shards, the entries that are the same in all.
        place: the file, and the shard in it, for messages.
    """

    columns: Columns
    about: Mapping[str, str]
    place: str


class DamagedShardError(StoreError):
    """A shard is missing or cannot be trusted."""


def shard_file(key: ShardKey, columns: Columns, about: Mapping[str, str]) -> bytes:
    """Return the content of a shard's own file.

    It is a safetensors file with key and checksum in its metadata.
    """
    arrays = {name: np.ascontiguousarray(column) for name, column in columns.items()}
    return save(arrays, {**about, ENTRY: key.cache_entry, SHARD: key.name, "checksum": checksum(arrays)})


def check_stated_key(about: Mapping[str, str], path: Path) -> None:
    """Check that a shard's own file states the key that its path stands for.

    Raises:
        DamagedShardError: it is a copy of another shard.
    """
    if about.get(ENTRY) != path.parent.name:
        raise DamagedShardError(f"{path}: {OTHER_ENTRY}")
    if about.get(SHARD) != path.stem:
        raise DamagedShardError(f"{path}: it is of other images")


def checksum(columns: Columns) -> str:
    """Return a 128-bit hexadecimal hash of names, types, shapes and values of columns."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(columns):
        column = np.ascontiguousarray(columns[name])
        digest.update(f"{name}:{column.dtype.str}:{column.shape};".encode())
        digest.update(column.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
