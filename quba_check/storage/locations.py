"""Places of stores, and folders of one machine, away from network file systems.

Imports nothing large.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from quba_check.errors import StoreError
from quba_check.storage.user_files import os_errors, user_location

NETWORK_TYPES = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs", "panfs",
    "orangefs", "pvfs2", "wekafs", "ocfs2", "gfs2", "davfs",
})  # fmt: skip
"""File systems that several machines share. Locks of SQLite fail on some of them."""
LOCAL_FUSE = frozenset(
    {"fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.gocryptfs", "fuse.encfs", "fuse.ntfs-3g"}
)
MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")
_DIGESTS = "digests.sqlite"


def default_location() -> str | Path:
    """Return `$QUBA_STORE`, by default a folder in the user's cache.

    Raises:
        OptionError: the text cannot be a path.
    """
    text = os.environ.get("QUBA_STORE")
    return user_location(text, "$QUBA_STORE") if text else user_cache()


def local_folder(location: str | Path) -> Path:
    """Return a store's own folder, or this machine's folder for a store at a URL.

    It may be missing.

    Raises:
        StoreError: there is no folder of this machine.
    """
    if isinstance(location, Path):
        return location
    digest = hashlib.blake2b(str(location).rstrip("/").encode(), digest_size=8).hexdigest()
    return machine_folder("stores") / digest


def machine_folder(name: str) -> Path:
    """Return a folder in the user's cache, temporary if the cache is on a network.

    Args:
        name: path of the folder below that of quba-check.

    Raises:
        StoreError: the temporary folder belongs to another user.
    """
    cache = user_cache()
    return (temporary_folder() if is_on_network(cache) else cache) / name


def user_cache() -> Path:
    """Return the folder of quba-check in the user's cache, wherever it is."""
    import platformdirs

    return platformdirs.user_cache_path("quba-check", appauthor=False)


def temporary_folder() -> Path:
    """Return the user's folder among the temporary files of this machine; created if missing.

    Raises:
        StoreError: it belongs to another user, or cannot be created.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    path = Path(tempfile.gettempdir()) / f"quba-check-{user}"
    with os_errors("cannot be created", StoreError, where=f"{path}", hint=_HELP):
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or (user and status.st_uid != user):
        raise StoreError("belongs to another user", where=f"{path}", hint=_HELP)
    return path


_HELP = "Set XDG_CACHE_HOME to a folder of this machine."


def digests_file(root: Path) -> Path:
    """Return the SQLite file of file digests for a store.

    Args:
        root: folder of the store. If it is on a network, the digests are kept by each machine.

    Raises:
        StoreError: there is no folder of this machine.
    """
    return machine_folder(_DIGESTS) if is_on_network(root) else root / _DIGESTS


def is_on_network(path: Path) -> bool:
    """Return True if a path is on a file system that several machines share.

    False if that is not known, as on other systems than Linux. The path need not exist.
    """
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    kind = _file_system(Path(os.path.realpath(path)), lines)
    return kind in NETWORK_TYPES or (kind.startswith("fuse.") and kind not in LOCAL_FUSE)


def _file_system(path: Path, lines: Iterable[str]) -> str:
    """Return the type of a path's file system, empty if it is not known.

    Args:
        path: an absolute path without links.
        lines: the lines of `MOUNTS`, later mounts last.
    """
    longest = -1
    kind = ""
    for line in lines:
        mount, _, system = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) < 5 or not system:
            continue
        point = Path(_ESCAPE.sub(lambda code: chr(int(code[1], 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= longest:
            longest = len(point.parts)
            kind = system.split(" ")[0]
    return kind
