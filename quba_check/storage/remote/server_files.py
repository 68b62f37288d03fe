"""Writes on file servers.

Object stores write a file in one step; other servers show it to readers while it grows.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

UNFINISHED = "unfinished"
"""Folder of files that are being written."""


def write_whole(system: Any, root: str, name: str, payload: bytes, *, is_new: bool) -> None:
    """Write a file under a hidden name, then rename it.

    Readers see the old content or the new.

    Args:
        system: a file system of fsspec.
        root: path of the store in it.
        name: the file, relative to the root.
        payload: the content.
        is_new: refuse a file that exists. Of two writers at the same time, both may succeed.

    Raises:
        FileExistsError: the file exists.
        Exception: an error of the file system.
    """
    path, folder = f"{root}/{name}", f"{root}/{UNFINISHED}"
    if is_new and system.exists(path):
        raise FileExistsError(name)
    hidden = f"{folder}/.{uuid.uuid4().hex}.tmp"
    try:
        system.pipe_file(hidden, payload)
    except FileNotFoundError:
        system.makedirs(folder, exist_ok=True)
        system.pipe_file(hidden, payload)
    _rename(system, hidden, path)


def _rename(system: Any, hidden: str, path: str) -> None:
    with suppress(Exception):
        system.mv(hidden, path)
    if system.exists(hidden):  # the folder is missing, or the server does not rename over a file
        with suppress(Exception):  # another thread creates it
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
        if system.exists(path):
            system.rm_file(path)
        system.mv(hidden, path)
