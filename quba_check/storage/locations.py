"""Places of stores: folders, or URLs as text. Imports nothing large."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from quba_check.storage.machine_folder import machine_folder, user_cache
from quba_check.storage.user_files import user_location


def default_location() -> str | Path:
    """Return `$QUBA_STORE`, by default a folder in the user's cache.

    Raises:
        OptionError: the text cannot be a path.
    """
    text = os.environ.get("QUBA_STORE")
    return user_location(text, "$QUBA_STORE") if text else user_cache()


def folder_of(location: str | Path) -> Path | None:
    """Return the folder of a store on this machine; None for a store elsewhere.

    >>> folder_of("s3://bucket/store") is None
    True
    """
    return location if isinstance(location, Path) else None


def local_folder(location: str | Path) -> Path:
    """Return a store's own folder, or this machine's folder for a store at a URL.

    It may be missing.

    Raises:
        StoreError: there is no folder of this machine.
    """
    folder = folder_of(location)
    if folder is not None:
        return folder
    digest = hashlib.blake2b(str(location).rstrip("/").encode(), digest_size=8).hexdigest()
    return machine_folder("stores") / digest
