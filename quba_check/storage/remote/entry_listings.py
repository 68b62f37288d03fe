"""File names of the cache entries of a store at a URL, listed once."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from quba_check.storage.remote.files import RemoteFiles


@dataclass(slots=True)
class _Listing:
    names: set[str]
    listed: float


class EntryListings:
    """The names of the files of the cache entries that this process needed.

    A name that is listed stays valid, since files are only replaced by packs of the same shards. A missing
    name may have been written since: see `is_old`.

    Args:
        files: the store.
    """

    def __init__(self, files: RemoteFiles) -> None:
        self._files = files
        self._listings: dict[str, _Listing] = {}

    def names(self, entry: str) -> set[str]:
        """Return the names of the files of a cache entry, listed once.

        Raises:
            StoreError: they cannot be listed.
        """
        if entry not in self._listings:
            self.list_again(entry)
        return self._listings[entry].names

    def list_again(self, entry: str) -> None:
        """List the files of a cache entry.

        Raises:
            StoreError: they cannot be listed.
        """
        now, prefix = monotonic(), f"predictions/{entry}/"
        names = {name.removeprefix(prefix) for name in self._files.listing(prefix)}
        self._listings[entry] = _Listing(names, now)

    def is_old(self, entry: str, time: float) -> bool:
        """Return True if a cache entry was not listed since a monotonic time."""
        return entry not in self._listings or self._listings[entry].listed < time

    def forget(self) -> None:
        """List everything again when it is needed."""
        self._listings.clear()
