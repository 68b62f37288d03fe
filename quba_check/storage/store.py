"""Predictions on disk, in shards named by hashes of all that determines them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from quba_check.errors import StoreError
from quba_check.storage.atomic import write_atomically
from quba_check.storage.user_files import file_kind, reason, remove, user_path

Columns = Mapping[str, NDArray[Any]]
SHARD_SIZE = 256
"""Images of a shard: the unit of work, locks and checksums, whatever the batch size."""
_LOCKS = 1024
_HEX = 32


def content_hash(content: Any) -> str:
    """Return a 128-bit hexadecimal hash of a JSON-like value."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=_HEX // 2).hexdigest()


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


@dataclass(frozen=True, slots=True)
class Shard:
    """A stored shard: its columns and its metadata."""

    columns: Columns
    about: Mapping[str, str]


class DamagedShardError(StoreError):
    """A shard is missing or cannot be trusted."""


class Store:
    """A folder of predictions, shared by any number of processes.

    Layout: `predictions/<cache entry>/<shard>-<content>.safetensors`, `locks/`, `runs/` (records), `texts/`
    (class embeddings of zero-shot models), `digests.sqlite` (content digests of image files), `demo/` (the
    embedded suite).

    Args:
        root: the folder; created if missing.

    Raises:
        StoreError: the folder cannot be created or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            for folder in ("predictions", "locks", "runs"):
                (root / folder).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=root):
                pass
        except OSError as error:
            raise StoreError(
                f"--quba-store: {root} cannot be written ({error.strerror}). Allowed: a folder that you may "
                "write to. Name another with --quba-store DIR."
            ) from None

    def path(self, key: ShardKey) -> Path:
        """Return the path of a shard's file."""
        return self.root / "predictions" / key.cache_entry / _file_name(key)

    def has(self, key: ShardKey) -> bool:
        """Return True if the shard's file exists; it may still be damaged."""
        return os.path.lexists(self.path(key))

    def has_entry(self, cache_entry: str) -> bool:
        """Return True if there is a shard with this cache entry, of any images."""
        try:
            return any((self.root / "predictions" / cache_entry).iterdir())
        except OSError:
            return False

    def missing(self, keys: Sequence[ShardKey]) -> list[ShardKey]:
        """Return the keys without a file; all keys must have one cache entry."""
        if not keys:
            return []
        try:
            names = {path.name for path in self.path(keys[0]).parent.iterdir()}
        except OSError:
            return list(keys)
        return [key for key in keys if _file_name(key) not in names]

    def read(self, key: ShardKey) -> Shard:
        """Return a shard after checking its checksum, indices and lengths.

        Raises:
            DamagedShardError: the file is missing, truncated, altered, or holds other rows.
        """
        path = self.path(key)
        if file_kind(path, str(path), DamagedShardError) != "file":
            raise DamagedShardError(f"{path}: is not a file")
        try:
            with safe_open(path, framework="numpy") as file:
                about = dict(file.metadata() or {})
                columns = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
        except Exception as error:  # noqa: BLE001  also of types that numpy does not have
            raise DamagedShardError(f"{path}: cannot be read ({error})") from None
        if about.get("checksum") != _checksum(columns):
            raise DamagedShardError(f"{path}: its checksum does not fit its columns")
        indices = columns.get("index")
        if indices is None or indices.tolist() != list(key.indices):
            raise DamagedShardError(f"{path}: it does not hold the {len(key.indices)} rows of its range")
        if any(len(column) != len(key.indices) for column in columns.values()):
            raise DamagedShardError(f"{path}: its columns differ in length")
        return Shard(columns, about)

    def write(self, key: ShardKey, columns: Columns, about: Mapping[str, str]) -> None:
        """Write a shard atomically.

        Raises:
            StoreError: the disk is full or the folder is gone.
        """
        path = self.path(key)
        arrays = {name: np.ascontiguousarray(column) for name, column in columns.items()}
        payload = save(arrays, {**about, "checksum": _checksum(arrays)})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, payload)
        except OSError as error:
            raise StoreError(f"--quba-store: {path} cannot be written ({error.strerror}).") from None

    def remove(self, key: ShardKey) -> None:
        """Remove a shard if it exists.

        Raises:
            StoreError: it cannot be removed.
        """
        path = self.path(key)
        try:
            remove(path)
        except OSError as error:
            raise StoreError(f"--quba-store: {path} cannot be removed ({reason(error)}).") from None

    @contextlib.contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Hold the lock of that name, without waiting; yield False if another process holds it.

        The operating system frees the lock of a process that died. Names share a fixed number of lock files,
        so another name's lock may appear as held: callers may wait and try again, no more.

        Raises:
            StoreError: the lock file cannot be opened.
        """
        slot = int(hashlib.blake2b(name.encode(), digest_size=4).hexdigest(), 16) % _LOCKS
        path = self.root / "locks" / f"{slot:04d}.lock"
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        except (OSError, NotImplementedError) as error:
            raise StoreError(
                f"--quba-store: {path} cannot be locked ({reason(error)}). Remove it, or name another folder "
                "with --quba-store DIR."
            ) from None
        try:
            yield True
        finally:
            lock.release()


def default_root() -> Path:
    """Return `$QUBA_STORE`, by default a folder in the user's cache."""
    path = os.environ.get("QUBA_STORE")
    return (
        user_path(path, "$QUBA_STORE")
        if path
        else platformdirs.user_cache_path("quba-check", appauthor=False)
    )


def _file_name(key: ShardKey) -> str:
    return f"{key.shard:05d}-{key.content[:16]}.safetensors"


def _checksum(columns: Columns) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(columns):
        column = np.ascontiguousarray(columns[name])
        digest.update(f"{name}:{column.dtype.str}:{column.shape};".encode())
        digest.update(column.tobytes())
    return digest.hexdigest()
