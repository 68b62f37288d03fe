"""A store at a URL, with a folder on each machine."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from quba_check.errors import StoreError
from quba_check.storage.packs import PackListing, check_pack, is_pack, pack_listing, pack_name
from quba_check.storage.remote.entry_listings import EntryListings
from quba_check.storage.remote.files import RemoteFiles
from quba_check.storage.remote.leases import ASK_SECONDS, Leases
from quba_check.storage.remote.local_copies import LocalCopies
from quba_check.storage.remote.pack_changes import PackChange, packing_change, removal_change
from quba_check.storage.remote.shared_files import SharedFiles
from quba_check.storage.remote.uploads import Uploads
from quba_check.storage.shard import DamagedShardError, Shard, ShardKey
from quba_check.storage.store import Store, shard_file_name
from quba_check.storage.store_format import FORMAT_CONTENT, FORMAT_NAME, check_format
from quba_check.storage.user_files import remove

COPIES_BYTES = 20 * 10**9
"""Bytes of predictions that stay on a machine: those of 70 models on 50,000 images under 90 views."""
SHARDS_OF_LEASE = 64
"""Shards that one lease covers. A lease for each would double the requests of a run."""


class SharedStore(SharedFiles, Store):
    """A store at a URL, shared by any number of machines.

    Shards, packs, records and running evaluations are at the URL, under the names that they have in a
    `Store`. Predictions are written there only if absent, and read from copies in a folder of this machine.
    The files of a cache entry are listed once; a shard that is missing is looked up again once this process
    has its lease. Leases take the place of lock files, and only avoid double work.

    Args:
        url: the URL.
        root: a folder of this machine.
        copies_bytes: total size of copies on this machine.

    Raises:
        StoreError: the URL cannot be used, or holds a store of a later version.
    """

    def __init__(self, url: str, root: Path, copies_bytes: int = COPIES_BYTES) -> None:
        super().__init__(root, RemoteFiles(url, "--quba-store"))
        self._check_format()
        self._listings = EntryListings(self.remote)
        self._uploads = Uploads(self.remote)
        self._leases = Leases(self.remote, "leases", self._uploads.wait)
        self._copies = LocalCopies(root / "predictions", copies_bytes)
        self._acquired = self._refused = 0.0
        self._written: set[str] = set()
        self._packs_by_name: dict[Path, PackListing] = {}
        # Made after the first request, it runs before the connection is closed when the interpreter ends.
        self._end = weakref.finalize(self, self._leases.close)

    @property
    def shown(self) -> str:
        """Its URL, for messages."""
        return self.remote.shown

    def _check_format(self) -> None:
        try:
            content = self.remote.read(FORMAT_NAME)
        except FileNotFoundError:
            if self.remote.create(FORMAT_NAME, FORMAT_CONTENT):
                return
            content = self.remote.read(FORMAT_NAME)
        check_format(content, self.remote.shown)

    def has(self, key: ShardKey) -> bool:
        """Return True if the shard is known to be stored; it may still be damaged.

        While another process has a lease that this one needs, the files are listed again every few seconds.
        """
        return self._holds(key) or (
            self._listings.is_old(key.cache_entry, self._refused) and self._holds_now(key)
        )

    def has_now(self, key: ShardKey) -> bool:
        """Return True if the shard is stored by now; requires its lock.

        The files are listed again if they were listed before this process had the last lease.
        """
        return self._holds(key) or (
            self._listings.is_old(key.cache_entry, self._acquired) and self._holds_now(key)
        )

    def has_entry(self, cache_entry: str) -> bool:
        """Return True if there is a shard with this cache entry, of any images."""
        return bool(self._listings.names(cache_entry))

    def missing(self, keys: Sequence[ShardKey]) -> list[ShardKey]:
        """Return the keys that are not stored; all keys must have one cache entry."""
        if not keys:
            return []
        self._recognize(keys)
        return [key for key in keys if not self._holds(key)]

    def read(self, key: ShardKey) -> Shard:
        """Return a shard after checking it; a damaged copy on this machine is fetched again.

        Raises:
            DamagedShardError: it is missing, truncated, altered, or holds other rows.
            StoreError: it cannot be fetched.
        """
        self._fetch_shards([key])
        try:
            return super().read(key)
        except DamagedShardError:
            self._list_again(key.cache_entry)
            remove(self.path(key))
            for path in self._packs_of([key]):
                remove(path)
            self._fetch_shards([key])
            return super().read(key)

    def read_packed(self, keys: Sequence[ShardKey]) -> Shard | None:
        """Return the rows of shards that one pack holds undamaged, else None."""
        self._recognize(keys)
        entry = keys[0].cache_entry
        self._fetch(entry, [pack.path.name for pack in self._remote_packs(entry, keys)])
        return super().read_packed(keys)

    def put(self, key: ShardKey, content: bytes) -> None:
        """Write a shard's own file here, and at the URL in the background.

        Raises:
            StoreError: the disk is full, or an earlier file cannot be written at the URL.
        """
        super().put(key, content)
        self._copies.grew(len(content))
        name = shard_file_name(key)
        self._listings.names(key.cache_entry).add(name)
        self._written.add(key.cache_entry)
        self._uploads.add(f"predictions/{key.cache_entry}/{name}", content)

    def pack(self, keys: Sequence[ShardKey]) -> None:
        """Move the shards of a complete view into one file, here and at the URL.

        Raises:
            StoreError: a shard cannot be written at the URL.
        """
        self._uploads.flush()
        self._leases.release({_lease_of(key.cache_entry, key.shard) for key in keys})
        if len(keys) < 2 or self._is_packed_remotely(keys):
            return
        entry = keys[0].cache_entry
        if entry not in self._written:  # the process that wrote the shards may have packed them meanwhile
            self._list_again(entry)
        if self.missing(keys) or self._is_packed_remotely(keys):
            return
        with suppress(StoreError, OSError):  # the shards stay where they are
            self._fetch_shards(keys)
            before = self._packs(entry, self._names(entry))
            super().pack(keys)
            change = packing_change(keys, before, self._packs(entry, self._names(entry)))
            for name in change.packs:
                self._check_copy(self._folder(entry) / name)
            self.remote.remove_all(self._publish(entry, change))

    def remove(self, *keys: ShardKey) -> None:
        """Remove shards if they exist; the other shards of their packs stay.

        Raises:
            StoreError: one cannot be removed.
        """
        for entry in dict.fromkeys(key.cache_entry for key in keys):
            removed = [key for key in keys if key.cache_entry == entry]
            self._list_again(entry)
            names = {pack.path.name for key in removed for pack in self._remote_packs(entry, [key])}
            before = [self._fetched_pack(entry, name) for name in names]
            super().remove(*removed)
            change = removal_change(removed, before, self._names(entry))
            self._uploads.for_each(self.remote.remove, self._publish(entry, change))

    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Lock a shard without waiting; yield False if another process has the lock.

        Shards whose numbers are near share a lease. Other names are locks of this machine.

        Raises:
            StoreError: the lease cannot be written.
        """
        entry, _, shard = name.rpartition("/")
        if not shard.isdecimal():
            with super().try_lock(name) as is_held:
                yield is_held
            return
        lease = _lease_of(entry, int(shard))
        acquired = self._leases.take(lease)
        if acquired is None:
            if time.monotonic() - self._refused > ASK_SECONDS:
                self._refused = time.monotonic()
            yield False
            return
        self._acquired = acquired
        try:
            yield True
        finally:
            self._leases.give(lease)

    def close(self) -> None:
        """Complete all writes, and release all leases. The store can still be used.

        Raises:
            StoreError: a file cannot be written at the URL.
        """
        self._leases.close()
        self._uploads.flush()

    def changed(self, name: str) -> None:
        """List cache entries again after a file was written or removed by its name."""
        if name.startswith("predictions/"):
            self._listings.forget()
            self._packs_by_name.clear()

    def _holds_now(self, key: ShardKey) -> bool:
        self._list_again(key.cache_entry)
        return self._holds(key)

    def _list_again(self, entry: str) -> None:
        self._uploads.flush()
        self._listings.list_again(entry)
        # A pack that was damaged or gone may have been written again.
        self._packs_by_name = {path: pack for path, pack in self._packs_by_name.items() if pack.shards}

    def _holds(self, key: ShardKey) -> bool:
        """Return True if the listing has the shard, alone or in a pack."""
        is_alone = shard_file_name(key) in self._listings.names(key.cache_entry)
        return is_alone or bool(self._remote_packs(key.cache_entry, [key]))

    def _recognize(self, keys: Sequence[ShardKey]) -> None:
        """Note the pack of exactly these shards by its name, without fetching it."""
        ids = sorted(key.id for key in keys)
        name = pack_name(ids)
        if name in self._listings.names(keys[0].cache_entry):
            path = self._folder(keys[0].cache_entry) / name
            self._packs_by_name[path] = PackListing(path, frozenset(ids))

    def _remote_packs(self, entry: str, keys: Sequence[ShardKey]) -> list[PackListing]:
        """Return the listed packs that may hold all of these shards; unknown ones are fetched."""
        packs = []
        for name in [name for name in self._listings.names(entry) if is_pack(name)]:
            path = self._folder(entry) / name
            if all(PackListing(path, None).may_hold(key.id) for key in keys):
                if path not in self._packs_by_name:
                    self._packs_by_name[path] = self._fetched_pack(entry, name)
                packs.append(self._packs_by_name[path])
        return [pack for pack in packs if all(pack.may_hold(key.id) for key in keys)]

    def _fetched_pack(self, entry: str, name: str) -> PackListing:
        """Fetch a pack; a damaged copy is fetched once more."""
        path = self._folder(entry) / name
        self._fetch(entry, [name])
        listing = pack_listing(path)
        if listing.shards is None:
            remove(path)
            self._fetch(entry, [name])
            listing = pack_listing(path)
        return listing

    def _is_packed_remotely(self, keys: Sequence[ShardKey]) -> bool:
        self._recognize(keys)
        names = self._listings.names(keys[0].cache_entry)
        is_alone = any(shard_file_name(key) in names for key in keys)
        return not is_alone and bool(self._remote_packs(keys[0].cache_entry, keys))

    def _fetch_shards(self, keys: Sequence[ShardKey]) -> None:
        """Copy the files that hold these shards to this machine."""
        entry = keys[0].cache_entry
        names = self._listings.names(entry)
        alone = [name for name in map(shard_file_name, keys) if name in names]
        packs = {pack.path.name for key in keys for pack in self._remote_packs(entry, [key])}
        self._fetch(entry, [*alone, *packs])

    def _fetch(self, entry: str, names: Sequence[str] | set[str]) -> None:
        """Copy files of a cache entry to this machine, unless they are there."""
        folder = self._folder(entry)
        for name in names:
            self._copies.used(folder / name)
        wanted = [name for name in names if not (folder / name).exists()]
        if wanted:
            self._uploads.for_each(partial(self._fetch_file, entry), wanted)

    def _fetch_file(self, entry: str, name: str) -> None:
        path = self._folder(entry) / name
        self._download(f"predictions/{entry}/{name}", path)
        with suppress(FileNotFoundError):  # another machine packed or removed it
            self._copies.grew(path.stat().st_size)

    def _publish(self, entry: str, change: PackChange) -> list[str]:
        """Write packs at the URL; return the files there that are to be removed."""
        self._uploads.for_each(partial(self._upload_pack, entry), change.packs)
        listed = self._listings.names(entry)
        listed |= change.packs
        old = listed & change.old
        listed -= old
        return [f"predictions/{entry}/{name}" for name in old]

    def _check_copy(self, path: Path) -> None:
        """Check a pack; a damaged one is removed, and fetched again later."""
        try:
            check_pack(path)
        except DamagedShardError:
            remove(path)
            raise

    def _upload_pack(self, entry: str, name: str) -> None:
        """Write a pack at the URL, also over one that is not complete."""
        self.remote.replace(f"predictions/{entry}/{name}", (self._folder(entry) / name).read_bytes())


def _lease_of(entry: str, shard: int) -> str:
    """Return the name of the lease of a shard."""
    return f"{entry}-{shard // SHARDS_OF_LEASE}"
