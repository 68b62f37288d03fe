"""Predictions in shards named by hashes of all that determines them."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import numpy as np

from quba_check.errors import StoreError
from quba_check.storage.objects import FolderObjects, LocalCopies, ObjectStore, StoredFile
from quba_check.storage.shard import (
    OWN_METADATA,
    DamagedShardError,
    Origin,
    Shard,
    ShardId,
    ShardKey,
    ShardsHeader,
    decode_shards,
    encode_shards,
    header_end,
    object_name,
    read_header,
    utc_time,
)
from quba_check.storage.user_files import reason

SHARD_SIZE = 256
"""Images of a shard: the unit of work and locks, whatever the batch size."""
FIRST_READ = 2**15
"""Bytes of the first read of a header. That of a view of 196 shards takes 14,000."""
SHARED = ("predictions", "runs", "compute", "format.json")
"""Folders and files of a store at a URL; all others belong to one machine."""
COPIES = "copies"
_LOCKS = 1024
_NAME = re.compile(r"predictions/[^/]+/(\d{5,})-(?:([0-9a-f]{16})|(\d{5,})-[0-9a-f]{16})\.safetensors")


def content_hash(content: Any) -> str:
    """Return a 128-bit hexadecimal hash of a JSON-like value."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Store:
    """Predictions and records, shared by any number of processes, and a folder of this machine.

    Layout: `predictions/<cache entry>/<shard>-<content>.safetensors` holds a shard, and
    `predictions/<cache entry>/<first>-<last shard>-<hash>.safetensors` all shards of a complete view. Next to
    `predictions` is `runs/` (records). The folder of this machine, in a folder store the same, has `locks/`,
    `texts/` (class embeddings of zero-shot models), `images/` (preprocessed images), `mirror/` (copies of
    data at URLs), `digests.sqlite` (content digests of image files, and values of images) and `demo/` (the
    embedded suite).

    Open one with `quba_check.storage.opening.open_store`.

    Args:
        root: the folder of this machine.
        objects: the objects at a URL; None for those in the folder.

    Attributes:
        root: the folder of this machine.
        objects: the shared objects.
        label: folder or URL, for messages.
        run: start of the run, see `utc_time`; by default now.
        is_fresh: True if shards that were predicted before the run count as missing.
    """

    def __init__(self, root: Path, objects: ObjectStore | None = None) -> None:
        self.root = root
        self.local = FolderObjects(root)
        self.objects: ObjectStore = objects or self.local
        self.label = self.objects.label
        self._predictions = LocalCopies(objects, root / COPIES) if objects else self.local
        self._listings: dict[str, tuple[float, dict[str, int]]] = {}  # time, and sizes of objects, by entry
        self._shards: dict[str, frozenset[ShardId]] = {}
        self._owner = uuid4().hex
        self.run = utc_time()
        self.is_fresh = False
        self._replaced: dict[str, tuple[ShardsHeader, Any]] = {}

    @property
    def is_remote(self) -> bool:
        """True for a store at a URL."""
        return self.objects is not self.local

    def first_shard(self, cache_entry: str) -> int:
        """Return the shard that this process predicts first, so that machines begin at different ones."""
        return Random(self._owner + cache_entry).getrandbits(20) if self.is_remote else 0  # noqa: S311

    def has(self, key: ShardKey) -> bool:
        """Return True if the shard is stored; it may still be damaged."""
        return not self.missing([key])

    def has_entry(self, cache_entry: str) -> bool:
        """Return True if there is a shard with this cache entry, of any images."""
        return bool(
            self._listing(cache_entry) or (self._drop_old_listing(cache_entry) and self._listing(cache_entry))
        )

    def missing(self, keys: Sequence[ShardKey]) -> list[ShardKey]:
        """Return the keys that are not stored; all keys must have one cache entry.

        A listing of the cache entry is used again for names that it has, and briefly for others.
        """
        if not keys:
            return []
        self._recognize(keys)
        missing = [key for key in keys if not self._holders(key)]
        if missing and self._drop_old_listing(keys[0].cache_entry):
            return [key for key in missing if not self._holders(key)]
        return missing

    def read(self, *keys: ShardKey) -> Shard:
        """Return the rows of shards of one view after checking keys, checksums and indices.

        Raises:
            DamagedShardError: one is missing, truncated, altered, or another shard.
        """
        for _ in range(2):  # another process may have written the shards as one object
            with suppress(FileNotFoundError):
                return self._read(keys)
            self._listings.pop(keys[0].cache_entry, None)
        raise DamagedShardError("is not a file", where=f"{self.label}/{_own_name(keys[0])}")

    def origins(self, keys: Sequence[ShardKey]) -> list[Origin]:
        """Return the origins of shards of one view; their headers are read.

        That of a shard that is missing or damaged is unknown.
        """
        self._recognize(keys)
        holders = [next(iter(self._holders(key)), "") for key in keys]
        origins = {name: self._origins(name) for name in {*holders} if name}
        return [origins.get(name, {}).get(key.id, Origin()) for name, key in zip(holders, keys, strict=True)]

    def replaced(self, key: ShardKey) -> Shard | None:
        """Return the earlier rows of a shard that is predicted afresh; None without usable ones."""
        with suppress(FileNotFoundError, DamagedShardError):
            return self._read([key], self._replaced)
        return None

    def put(self, key: ShardKey, content: bytes) -> None:
        """Write a shard as an object of its own.

        In a fresh run it replaces an earlier one.

        Args:
            key: the shard.
            content: see `encode_shards`.

        Raises:
            StoreError: it, or an earlier one, cannot be written.
        """
        name = _own_name(key)
        (self._predictions.set if self.is_fresh else self._predictions.create)(name, content)
        self._listing(key.cache_entry)[name] = len(content)

    def pack(self, keys: Sequence[ShardKey], shard: Shard | None = None) -> None:
        """Write all shards of a view as one object, if all of them are stored.

        Nothing changes if a shard is damaged, or the object cannot be written.

        Args:
            keys: the shards.
            shard: their rows as `read` returned them; None to read them.
        """
        self._predictions.flush()
        entry = keys[0].cache_entry
        own = self._listing(entry).keys() & set(map(_own_name, keys))
        if len(keys) < 2 or not own:
            return
        with suppress(StoreError):
            shard = shard or self.read(*keys)
            name = object_name(entry, [key.id for key in keys])
            content = encode_shards(keys, shard.columns, shard.metadata, shard.origins)
            self._predictions.set(name, content)
            self._listing(entry)[name] = len(content)
            self._delete(entry, own)

    def remove(self, *keys: ShardKey) -> None:
        """Remove the objects that hold any of these shards.

        Raises:
            StoreError: one cannot be removed.
        """
        for key in keys:
            self._drop_old_listing(key.cache_entry)
            self._delete(key.cache_entry, self._holders(key))

    def files(self) -> Iterator[StoredFile]:
        """Yield all objects, and the other files of this machine's folder, hidden ones included."""
        yield from self.objects.list()
        if self.is_remote:
            yield from (file for file in self.local.list() if not _is_shared(file.name))

    def delete_files(self, names: Iterable[str]) -> None:
        """Remove files by their names, as `files` yields them.

        Raises:
            StoreError: one cannot be removed.
        """
        names = list(names)
        self.objects.delete(*filter(_is_shared, names))
        self.local.delete(*(name for name in names if not _is_shared(name)))
        self._listings.clear()

    def upload(self, name: str) -> None:
        """Copy a file of this machine to a store at a URL.

        Raises:
            StoreError: it cannot be written.
        """
        if self.is_remote:
            with suppress(FileNotFoundError):
                self.objects.set(name, self.local.get(name))

    def close(self) -> None:
        """Complete all writes. The store can still be used.

        Raises:
            StoreError: a shard cannot be written.
        """
        self._predictions.flush()
        self._replaced.clear()

    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Hold a lock of this machine, without waiting; yield False if another process holds it.

        The operating system frees the lock of a process that died. Names share a fixed number of lock files,
        so another name's lock may appear as held: callers may wait and try again, no more. A thread gets a
        lock again that it holds, so that it never waits for itself.

        Raises:
            StoreError: the lock file cannot be opened.
        """
        from filelock import FileLock, Timeout

        slot = int(hashlib.blake2b(name.encode(), digest_size=4).hexdigest(), 16) % _LOCKS
        path = self.root / "locks" / f"{slot:04d}.lock"
        lock = FileLock(path, is_singleton=True)  # counts how often this thread has it
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        except (OSError, NotImplementedError) as error:
            raise StoreError(
                f"{path} cannot be locked ({reason(error)}). Remove it, or name another folder with "
                "--quba-store DIR.",
                where="--quba-store",
            ) from None
        try:
            yield True
        finally:
            lock.release()

    def _listing(self, entry: str) -> dict[str, int]:
        """Return the sizes of the objects of a cache entry by name."""
        if entry not in self._listings:
            now = time.monotonic()
            files = self._predictions.list(f"predictions/{entry}")
            self._listings[entry] = now, {file.name: file.size for file in files if is_predictions(file.name)}
        return self._listings[entry][1]

    def _drop_old_listing(self, entry: str) -> bool:
        """Drop an old listing of a cache entry; return True if it was old."""
        self._listing(entry)
        is_old = time.monotonic() - self._listings[entry][0] >= self.objects.listing_seconds
        if is_old:
            del self._listings[entry]
        return is_old

    def _recognize(self, keys: Sequence[ShardKey]) -> None:
        """Note the shards of the object of exactly these, by its name, without reading it."""
        shards = [key.id for key in keys]
        self._shards[object_name(keys[0].cache_entry, shards)] = frozenset(shards)

    def _holders(self, key: ShardKey, *, is_replaced: bool = False) -> list[str]:
        """Return the listed objects that hold a shard.

        Its own object comes first: it is newer than a pack, unless a process ended before removing it.

        Args:
            key: the shard.
            is_replaced: return also those that a fresh run replaces.
        """
        sizes = self._listing(key.cache_entry)
        own = _own_name(key)
        packs = (name for name in sizes if name.count("-") == 2)
        held = [name for name in packs if self._may_hold(name, sizes[name], key.id)]
        held = [own, *held] if own in sizes else held
        if is_replaced or not self.is_fresh:
            return held
        return [name for name in held if self._origins(name).get(key.id, Origin()).is_since(self.run)]

    def _origins(self, name: str) -> Mapping[ShardId, Origin]:
        """Return the origins in a listed object; none if it is gone or damaged."""
        size = self._listing(name.split("/")[1]).get(name, 0)
        with suppress(FileNotFoundError, DamagedShardError):
            return stored_header(self._predictions, name, size).origins
        return {}

    def _may_hold(self, name: str, size: int, shard: ShardId) -> bool:
        """Return True if a pack holds a shard, or cannot be read."""
        first, last = map(int, name.rpartition("/")[2].split("-")[:2])
        if not first <= shard[0] <= last:
            return False
        if name not in self._shards:
            try:
                self._shards[name] = frozenset(stored_header(self._predictions, name, size).rows)
            except (FileNotFoundError, DamagedShardError):
                return True
        return shard in self._shards[name]

    def _read(
        self, keys: Sequence[ShardKey], replaced: dict[str, tuple[ShardsHeader, Any]] | None = None
    ) -> Shard:
        """Return the rows of shards by the present listing.

        Args:
            keys: the shards.
            replaced: opened objects, to read rows from before this run; None for those in use.

        Raises:
            FileNotFoundError: an object is gone.
            DamagedShardError: one is missing or damaged.
        """
        self._recognize(keys)
        is_replaced = replaced is not None
        holders = [next(iter(self._holders(key, is_replaced=is_replaced)), "") for key in keys]
        if "" in holders:
            raise FileNotFoundError
        opened = {} if replaced is None else replaced
        for name in holders:
            if name not in opened:
                opened[name] = self._open(name)
        first, columns = opened[holders[0]]
        label = f"{self.label}/{holders[0]}"
        if len({*holders}) > 1 or [key.id for key in keys] != list(first.rows):
            parts = []
            for key, name in zip(keys, holders, strict=True):
                header, whole = opened[name]
                rows = header.rows.get(key.id, range(0))
                parts.append({column: values[rows.start : rows.stop] for column, values in whole.items()})
            kinds = [{name: (part[name].dtype, part[name].shape[1:]) for name in part} for part in parts]
            if any(kind != kinds[0] for kind in kinds):
                raise DamagedShardError("its columns differ from those of other shards", where=label)
            columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        expected = np.concatenate([np.asarray(key.indices) for key in keys])
        if not np.array_equal(columns.get("index", ()), expected):
            raise DamagedShardError(f"it does not hold the {len(expected)} rows of its range", where=label)
        metadata = {name: text for name, text in first.metadata.items() if name not in OWN_METADATA}
        origins = tuple(
            opened[name][0].origins.get(key.id, Origin()) for name, key in zip(holders, keys, strict=True)
        )
        return Shard(columns, metadata, label, origins)

    def _open(self, name: str) -> tuple[ShardsHeader, Any]:
        return decode_shards(self._predictions.get(name), name, f"{self.label}/{name}")

    def _delete(self, entry: str, names: Iterable[str]) -> None:
        names = list(names)
        self._predictions.delete(*names)
        for name in names:
            self._listing(entry).pop(name, None)


def stored_header(objects: ObjectStore, name: str, size: int) -> ShardsHeader:
    """Return the header of an object with predictions, usually in one read.

    Args:
        objects: the store.
        name: name of the object.
        size: its size.

    Raises:
        FileNotFoundError: it is gone.
        DamagedShardError: it is damaged.
    """
    start = objects.get(name, FIRST_READ)
    end = header_end(start, size)
    if end > len(start):
        start = objects.get(name, end)
    return read_header(start, size, name)


def is_predictions(name: str) -> bool:
    """Return True if a name is that of an object with predictions."""
    return _NAME.fullmatch(name) is not None


def _own_name(key: ShardKey) -> str:
    return object_name(key.cache_entry, [key.id])


def _is_shared(name: str) -> bool:
    return name.partition("/")[0] in (*SHARED, COPIES)
