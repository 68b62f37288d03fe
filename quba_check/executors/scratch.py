"""A folder for the digests and prepared images of all workers of a machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from quba_check.errors import StoreError


def scratch_folder() -> Path:
    """Return the folder, in the temporary folder of the machine; it is created if missing.

    Workers and later runs share it, so that each file is read for its digest once. Other users cannot write
    to it.

    Raises:
        StoreError: it cannot be created, or belongs to another user.
    """
    owner = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"quba-check-{owner}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        is_ours = not folder.is_symlink() and folder.stat().st_uid == owner
    except OSError as error:
        raise StoreError(
            f"{folder}: a worker cannot create it ({error.strerror}). Name another temporary folder in the "
            "worker's environment variable TMPDIR."
        ) from None
    if not is_ours:
        raise StoreError(
            f"{folder}: it belongs to another user. Name another temporary folder in the worker's "
            "environment variable TMPDIR."
        )
    return folder
