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

    Readers see the old content or the new. Where the server cannot rename a file, it is written in place.

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
    for _ in range(2):
        with suppress(Exception):
            system.mv(hidden, path)
        if not system.exists(hidden):
            return
        with suppress(Exception):  # another thread may create it
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
    # The server does not rename over a file, or not at all.
    system.pipe_file(path, payload)
    system.rm_file(hidden)
