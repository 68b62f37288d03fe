"""Files of a store by name: listing, small shared files, removal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from quba_check.errors import StoreError
from quba_check.storage.atomic import write_atomically
from quba_check.storage.user_files import reason

MIRROR = "mirror"
"""Folder in a store for copies of remote data."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a store.

    Attributes:
        name: relative to the store, with slashes, such as `runs/demo.json`.
        size: in bytes.
        modified: Unix time of the last change.
    """

    name: str
    size: int
    modified: float


class StoreFiles:
    """The files of a local store, by names relative to it and with slashes.

    Args:
        root: folder of the store.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def shown(self) -> str:
        """Its folder, for messages."""
        return str(self.root)

    def files(self) -> Iterator[StoredFile]:
        """Yield every file of the store, hidden ones included, in no order.

        Links are neither followed nor listed. Files that are removed meanwhile are left out, and copies of
        remote data too, which have a limit of their own.
        """
        folders, mirror = [self.root], self.root / MIRROR
        while folders:
            with suppress(OSError), os.scandir(folders.pop()) as entries:
                for entry in entries:
                    path = Path(entry.path)
                    if entry.is_dir(follow_symlinks=False):
                        folders += [] if path == mirror else [path]
                    elif entry.is_file(follow_symlinks=False):
                        with suppress(FileNotFoundError):
                            status = entry.stat(follow_symlinks=False)
                            name = path.relative_to(self.root).as_posix()
                            yield StoredFile(name, status.st_size, status.st_mtime)

    def publish(self, name: str, payload: bytes) -> None:
        """Write a small file, over an earlier one of the same name.

        Other processes see the old content or the new.

        Raises:
            StoreError: the file cannot be written.
        """
        path = self._place(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, payload)
        except OSError as error:
            raise StoreError(f"--quba-store: {path} cannot be written ({reason(error)}).") from None

    def published(self, folder: str) -> dict[str, bytes]:
        """Return the contents of a folder's files by name.

        Hidden and unreadable files and folders are left out. It is empty if the folder does not exist.
        """
        contents: dict[str, bytes] = {}
        with suppress(OSError):
            for path in sorted(self._place(folder).iterdir()):
                if not path.name.startswith(".") and path.is_file():
                    with suppress(OSError):  # another process removed it
                        contents[f"{folder}/{path.name}"] = path.read_bytes()
        return contents

    def withdraw(self, name: str) -> None:
        """Remove a file if it exists.

        Raises:
            StoreError: it cannot be removed.
        """
        path = self._place(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"--quba-store: {path} cannot be removed ({reason(error)}).") from None

    def start_of(self, name: str, size: int) -> bytes:
        """Return the first `size` bytes of a file, fewer if it is shorter.

        Raises:
            StoreError: it is missing or cannot be read.
        """
        path = self._place(name)
        try:
            with path.open("rb") as file:
                return file.read(size)
        except OSError as error:
            raise StoreError(f"--quba-store: {path} cannot be read ({reason(error)}).") from None

    def local_file(self, name: str) -> Path:
        """Return the path of a file on this machine; it may be missing.

        Raises:
            StoreError: it cannot be brought to this machine.
        """
        return self._place(name)

    @contextmanager
    def folder_with(self, *names: str) -> Iterator[Path]:
        """Yield a folder of this machine with files of the store under their names.

        Missing files are left out. Files of a store elsewhere are copied, and removed after the block.

        Raises:
            StoreError: a file cannot be copied, or a name leads out of the store.
        """
        for name in names:
            self._place(name)
        yield self.root

    def upload(self, name: str) -> None:
        """Copy a file of this machine to the store, if the store is elsewhere.

        Raises:
            StoreError: it cannot be written.
        """

    def fetch(self, prefix: str) -> None:
        """Copy missing files whose names start with a prefix from a store elsewhere.

        Raises:
            StoreError: one cannot be read.
        """

    def close(self) -> None:
        """Complete all writes, and free all locks. The store can still be used.

        Raises:
            StoreError: a file cannot be written.
        """

    def _unwritable(self, path: Path, error: OSError) -> StoreError:
        """Return the error of a file or folder that cannot be written on this machine."""
        return StoreError(
            f"--quba-store: {path} cannot be written ({reason(error)}). Allowed: a folder that you may "
            "write to. Name another with --quba-store DIR."
        )

    def _place(self, name: str) -> Path:
        """Return the path of a name.

        Raises:
            StoreError: the name leads out of the store.
        """
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or PurePosixPath(name).is_absolute():
            raise StoreError(f"--quba-store: '{name}' is no name of a file in {self.root}.")
        return self.root.joinpath(*parts)
