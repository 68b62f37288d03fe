"""Stores by the folder or URL that a user names."""

from __future__ import annotations

from pathlib import Path

from quba_check.storage.places import default_place, folder_of, local_folder
from quba_check.storage.remote.shared_store import SharedStore
from quba_check.storage.store import Store
from quba_check.storage.user_files import user_place


def open_store(place: str | Path) -> Store:
    """Open a store, or create it.

    Args:
        place: a folder, or a URL as text.

    Raises:
        StoreError: it cannot be used, or was written by a later version.
    """
    folder = folder_of(place)
    return SharedStore(str(place), local_folder(place)) if folder is None else Store(folder)


def named_store(place: str | Path | None) -> Store:
    """Open the store that a caller in Python names.

    Args:
        place: a folder or a URL; None for `$QUBA_STORE`, else the user's cache.

    Raises:
        StoreError: see `open_store`.
        UserError: the path cannot be one.
    """
    return open_store(default_place() if place is None else user_place(place, "store"))


def stored_files(place: str | Path, prefix: str) -> list[Path]:
    """Return the files of a store whose names start with a prefix, sorted by name.

    Those of a store at a URL are copied to this machine. A folder need not exist.

    Args:
        place: a folder, or a URL as text.
        prefix: a folder of the store and the start of a name in it, such as `runs/demo`.

    Raises:
        StoreError: a file cannot be read.
    """
    if folder_of(place) is None:
        open_store(place).fetch(prefix)
    folder, _, start = prefix.rpartition("/")
    path = local_folder(place) / folder
    try:
        names = sorted(file.name for file in path.iterdir())
    except OSError:
        return []
    return [path / name for name in names if name.startswith(start)]
