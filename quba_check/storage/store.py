"""Predictions on disk, in shards named by hashes of all that determines them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from quba_check.errors import StoreError
from quba_check.storage.atomic import replacing, write_atomically
from quba_check.storage.packs import (
    PackIndex,
    PackListing,
    can_be_packed,
    is_pack,
    open_pack,
    pack_name,
    write_pack,
)
from quba_check.storage.shard import (
    SHARD,
    Columns,
    DamagedShardError,
    Shard,
    ShardId,
    ShardKey,
    check_stated_key,
    checksum,
    shard_file,
)
from quba_check.storage.store_files import StoreFiles
from quba_check.storage.store_format import FORMAT_CONTENT, FORMAT_NAME, check_format
from quba_check.storage.tensor_file import tensor_file
from quba_check.storage.user_files import reason, remove

SHARD_SIZE = 256
"""Images of a shard: the unit of work, locks and checksums, whatever the batch size."""
_LOCKS = 1024
_HEX = 32


def content_hash(content: Any) -> str:
    """Return a 128-bit hexadecimal hash of a JSON-like value."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=_HEX // 2).hexdigest()


class Store(StoreFiles):
    """A folder of predictions, shared by any number of processes.

    Layout: `predictions/<cache entry>/<shard>-<content>.safetensors` is a shard, and
    `predictions/<cache entry>/<first shard>-<last shard>-<hash>.safetensors` the pack of a complete view, see
    `quba_check.storage.packs`. Next to `predictions` are `locks/`, `runs/` (records), `texts/` (class
    embeddings of zero-shot models), `images/` (preprocessed images), `digests.sqlite` (content digests of
    image files) and `demo/` (the embedded suite).

    Args:
        root: the folder; created if missing.

    Raises:
        StoreError: the folder cannot be created or written.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._pack_index = PackIndex()
        try:
            for folder in ("predictions", "locks", "runs"):
                (root / folder).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=root):
                pass
            self._check_format_here()
        except OSError as error:
            raise self._unwritable(root, error) from None

    def _check_format_here(self) -> None:
        """Refuse the folder of a later version; write the format of a new one."""
        path = self.root / FORMAT_NAME
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            write_atomically(path, FORMAT_CONTENT)
        else:
            check_format(content, str(self.root))

    def path(self, key: ShardKey) -> Path:
        """Return the path of a shard's own file, which it has until it is packed."""
        return self._folder(key.cache_entry) / shard_file_name(key)

    def has(self, key: ShardKey) -> bool:
        """Return True if the shard is stored; it may still be damaged."""
        path = self.path(key)
        # The last look finds a shard that another process took out of a pack meanwhile.
        return os.path.lexists(path) or bool(self._packs_of([key])) or os.path.lexists(path)

    def has_now(self, key: ShardKey) -> bool:
        """Return True if the shard is stored by now; requires its lock."""
        return self.has(key)

    def has_entry(self, cache_entry: str) -> bool:
        """Return True if there is a shard with this cache entry, of any images."""
        try:
            return any((self.root / "predictions" / cache_entry).iterdir())
        except OSError:
            return False

    def missing(self, keys: Sequence[ShardKey]) -> list[ShardKey]:
        """Return the keys that are not stored; all keys must have one cache entry."""
        if not keys:
            return []
        names = self._names(keys[0].cache_entry)
        packs = self._packs(keys[0].cache_entry, names)
        return [
            key
            for key in keys
            if shard_file_name(key) not in names and not any(pack.may_hold(key.id) for pack in packs)
        ]

    def read(self, key: ShardKey) -> Shard:
        """Return a shard after checking its key, checksum, indices and lengths.

        Raises:
            DamagedShardError: it is missing, truncated, altered, or another shard.
        """
        for _ in range(2):  # another process may pack the shard after it was found, and remove its file
            with suppress(FileNotFoundError):
                if os.path.lexists(self.path(key)):
                    return self._read_file(key)
                for path in self._packs_of([key]):
                    return _read_pack(path, [key])
        raise DamagedShardError(f"{self.path(key)}: is not a file")

    def read_packed(self, keys: Sequence[ShardKey]) -> Shard | None:
        """Return the rows of shards that one pack holds undamaged, else None."""
        for path in self._packs_of(keys):
            with suppress(FileNotFoundError, DamagedShardError):
                return _read_pack(path, keys)
        return None

    def write(self, key: ShardKey, columns: Columns, about: Mapping[str, str]) -> None:
        """Write a shard atomically, into a file of its own; see `put`."""
        self.put(key, shard_file(key, columns, about))

    def put(self, key: ShardKey, content: bytes) -> None:
        """Write a shard's own file atomically.

        Args:
            key: the shard.
            content: see `shard_file`.

        Raises:
            StoreError: the disk is full or the folder is gone.
        """
        path = self.path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        except OSError as error:
            raise StoreError(f"--quba-store: {path} cannot be written ({error.strerror}).") from None

    def pack(self, keys: Sequence[ShardKey]) -> None:
        """Move the shards of a view into one file, if all of them are stored.

        Packs that hold some of the shards are merged into the new one. Nothing changes if a shard is damaged,
        the file cannot be written, or another process packs or removes shards of the cache entry.

        Args:
            keys: the keys of all shards of a view.
        """
        if len(keys) < 2 or self._is_packed(keys):
            return
        entry = keys[0].cache_entry
        if os.access(self._folder(entry), os.W_OK):  # the folder may belong to another user
            with suppress(StoreError, OSError), self._pack_lock(entry, timeout=0) as is_held:
                if is_held and not self._is_packed(keys):
                    self._merge(entry, keys)

    def remove(self, *keys: ShardKey) -> None:
        """Remove shards if they exist; the other shards of their packs stay.

        Raises:
            StoreError: one cannot be removed.
        """
        for entry in dict.fromkeys(key.cache_entry for key in keys):
            removed = [key for key in keys if key.cache_entry == entry]
            with self._pack_lock(entry, timeout=-1):
                self._remove_from_packs(entry, {key.id for key in removed})
                for key in removed:
                    _remove(self.path(key))

    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Hold the lock of that name, without waiting; yield False if another process holds it.

        The operating system frees the lock of a process that died. Names share a fixed number of lock files,
        so another name's lock may appear as held: callers may wait and try again, no more. A thread gets a
        lock again that it holds, so that it never waits for itself.

        Raises:
            StoreError: the lock file cannot be opened.
        """
        with self._lock(_slot(name), timeout=0) as is_held:
            yield is_held

    def _pack_lock(self, entry: str, timeout: float) -> AbstractContextManager[bool]:
        """Hold the lock of a cache entry's packs, always for a short time."""
        return self._lock(f"pack-{_slot(entry)}", timeout)

    @contextmanager
    def _lock(self, name: str, timeout: float) -> Iterator[bool]:
        """Hold a lock file; a timeout of -1 waits for it."""
        path = self.root / "locks" / f"{name}.lock"
        lock = FileLock(path, is_singleton=True)  # counts how often this thread has it
        try:
            lock.acquire(timeout=timeout)
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

    def _folder(self, entry: str) -> Path:
        return self.root / "predictions" / entry

    def _names(self, entry: str) -> set[str]:
        try:
            with os.scandir(self._folder(entry)) as files:
                return {file.name for file in files}
        except OSError:
            return set()

    def _packs(self, entry: str, names: Collection[str]) -> list[PackListing]:
        """Return the packs among the files of a cache entry, readable ones first."""
        packs = [self._pack_index.listing(self._folder(entry) / name) for name in names if is_pack(name)]
        return sorted(packs, key=lambda pack: (pack.shards is None, pack.path))

    def _packs_of(self, keys: Sequence[ShardKey]) -> list[Path]:
        """Return the packs that may hold all of these shards."""
        packs = self._packs(keys[0].cache_entry, self._names(keys[0].cache_entry))
        return [pack.path for pack in packs if all(pack.may_hold(key.id) for key in keys)]

    def _is_packed(self, keys: Sequence[ShardKey]) -> bool:
        """Return True if one pack holds all of these shards, and no other file does."""
        names = self._names(keys[0].cache_entry)
        return not any(shard_file_name(key) in names for key in keys) and bool(self._packs_of(keys))

    def _read_file(self, key: ShardKey) -> Shard:
        path = self.path(key)
        with tensor_file(path) as file:
            check_stated_key(file.metadata, path)
            columns = {name: file.rows(name, [range(shape[0])]) for name, shape in file.shapes.items()}
        if file.metadata.get("checksum") != checksum(columns):
            raise DamagedShardError(f"{path}: its checksum does not fit its columns")
        about = {name: text for name, text in file.metadata.items() if name != SHARD}  # a pack states it, too
        shard = Shard(columns, about, str(path))
        _check_rows(shard, [key])
        if any(len(column) != len(key.indices) for column in columns.values()):
            raise DamagedShardError(f"{path}: its columns differ in length")
        return shard

    def _merge(self, entry: str, keys: Sequence[ShardKey]) -> None:
        """Write one pack of these shards and of all packs that hold some of them."""
        names, ids = self._names(entry), {key.id for key in keys}
        files = [key for key in keys if shard_file_name(key) in names]
        old = [pack for pack in self._packs(entry, names) if pack.shards and ids & pack.shards]
        if not ids <= {key.id for key in files}.union(*(pack.shards or () for pack in old)):
            return
        shards: dict[ShardId, Shard] = {}
        for listing in old:
            with open_pack(listing.path) as pack:
                shards |= {shard: pack.unchecked(shard) for shard in pack.shards}
        shards |= {key.id: self._read_file(key) for key in files}
        if can_be_packed(shards.values()):
            self._replace(entry, shards, [pack.path for pack in old])
            for key in files:
                remove(self.path(key))

    def _remove_from_packs(self, entry: str, removed: Collection[ShardId]) -> None:
        for listing in self._packs(entry, self._names(entry)):
            if not any(map(listing.may_hold, removed)):
                continue
            left: dict[ShardId, Shard] = {}
            with suppress(FileNotFoundError, DamagedShardError), open_pack(listing.path) as pack:
                left = {shard: pack.unchecked(shard) for shard in pack.shards if shard not in removed}
            try:
                self._replace(entry, left, [listing.path])
            except OSError as error:
                raise _not_removed(listing.path, error) from None

    def _replace(self, entry: str, shards: Mapping[ShardId, Shard], old: Collection[Path]) -> None:
        """Write a pack of some shards, if any, and remove old packs."""
        for unfinished in self._folder(entry).glob(".pack-*.tmp"):  # of a process that was killed
            remove(unfinished)
        shards = dict(sorted(shards.items()))
        path = self._folder(entry) / pack_name(shards) if shards else None
        if path is not None:
            with replacing(path, prefix=".pack-") as temporary:
                write_pack(temporary, shards)
        for each in old:
            if each != path:
                remove(each)


def shard_file_name(key: ShardKey) -> str:
    """Return the name of a shard's own file in the folder of its cache entry."""
    return f"{key.name}.safetensors"


def _slot(name: str) -> str:
    """Return the name of the lock file that serves a lock of that name."""
    return f"{int(hashlib.blake2b(name.encode(), digest_size=4).hexdigest(), 16) % _LOCKS:04d}"


def _read_pack(path: Path, keys: Sequence[ShardKey]) -> Shard:
    with open_pack(path) as pack:
        shard = pack.read([key.id for key in keys])
    _check_rows(shard, keys)
    return shard


def _check_rows(shard: Shard, keys: Sequence[ShardKey]) -> None:
    expected = np.concatenate([np.asarray(key.indices) for key in keys])
    if not np.array_equal(shard.columns.get("index", ()), expected):
        raise DamagedShardError(f"{shard.place}: it does not hold the {len(expected)} rows of its range")


def _remove(path: Path) -> None:
    try:
        remove(path)
    except OSError as error:
        raise _not_removed(path, error) from None


def _not_removed(path: Path, error: OSError) -> StoreError:
    return StoreError(f"--quba-store: {path} cannot be removed ({reason(error)}).")
