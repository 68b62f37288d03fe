"""Stores by the folder or URL that a user names."""

from __future__ import annotations

import tempfile
from pathlib import Path

from quba_check.errors import StoreError
from quba_check.storage.locations import local_folder
from quba_check.storage.objects import FolderObjects, ObjectStore
from quba_check.storage.store import Store
from quba_check.storage.url_objects import UrlObjects
from quba_check.storage.user_files import os_errors

FORMAT_NAME = "format.json"
_CONTENT = b'{"format": 2}'


def open_store(location: str | Path) -> Store:
    """Open a store, or create it.

    Args:
        location: a folder, or a URL as text.

    Raises:
        StoreError: it cannot be used, or was written by another version.
    """
    folder = local_folder(location)
    problem = f"{folder} cannot be written"
    allowed = "a folder that you may write to"
    hint = "Name another with --quba-store DIR."
    with os_errors(problem, StoreError, where="--quba-store", allowed=allowed, hint=hint):
        for name in ("predictions", "locks", "runs"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    objects = UrlObjects(location) if isinstance(location, str) else None
    _check_format(objects or FolderObjects(folder))
    return Store(folder, objects)


def stored_files(location: str | Path, prefix: str) -> list[Path]:
    """Return the files of a store whose names start with a prefix, sorted by name.

    Those of a store at a URL are copied to this machine. A folder need not exist.

    Args:
        location: a folder, or a URL as text.
        prefix: a folder of the store and the start of a name in it, such as `runs/demo`.

    Raises:
        StoreError: a file cannot be read.
    """
    local = FolderObjects(local_folder(location))
    folder = prefix.partition("/")[0]
    if isinstance(location, str):
        shared = UrlObjects(location)
        for file in shared.list(folder):
            if file.name.startswith(prefix) and not local.path(file.name).exists():
                local.set(file.name, shared.get(file.name))
    names = sorted(file.name for file in local.list(folder))
    return [local.path(name) for name in names if name.startswith(prefix)]


def _check_format(objects: ObjectStore) -> None:
    """Refuse a store of another version; write the format of a new one.

    Raises:
        StoreError: the store is of another version, or its format is damaged.
    """
    try:
        content = objects.get(FORMAT_NAME)
    except FileNotFoundError:
        content = b""
        if next(objects.list("predictions"), None) is None:
            objects.create(FORMAT_NAME, content := _CONTENT)
    if content != _CONTENT:
        raise StoreError(
            f"{objects.label} was written by another version of quba-check, or its file '{FORMAT_NAME}' "
            "is damaged",
            where="--quba-store",
            allowed="a store of this version",
            hint="Remove that file and the folder 'predictions', which are a cache, or name another "
            "store; records stay.",
        )
