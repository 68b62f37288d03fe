"""Stores of bytes by name: the abstract class, and the one in a folder."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeVar

from quba_check.errors import StoreError
from quba_check.storage.atomic import write_atomically
from quba_check.storage.user_files import os_errors, reason


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An object of a store.

    Attributes:
        name: relative to the store, with slashes, such as `runs/demo.json`.
        size: in bytes.
        modified: Unix time of the last change.
        version: text that changes with the content, if the store has one.
    """

    name: str
    size: int
    modified: float
    version: str = ""


class ObjectStore(ABC):
    """Objects by name. Readers see an object whole: the old content or the new.

    Instances may be used from any thread.

    Attributes:
        label: folder or URL, for messages, without a password.
        listing_seconds: age up to which a listing may be used again.
    """

    label: str
    listing_seconds = 0.0

    @abstractmethod
    def get(self, name: str, size: int | None = None) -> bytes:
        """Return the content of an object, or its first `size` bytes.

        Raises:
            FileNotFoundError: there is no such object.
            UserError: it cannot be read.
        """

    @abstractmethod
    def create(self, name: str, content: bytes) -> None:
        """Write an object that does not exist; one of the same name stays.

        Raises:
            UserError: it cannot be written.
        """

    @abstractmethod
    def set(self, name: str, content: bytes) -> None:
        """Write an object, over an earlier one of the same name.

        Raises:
            UserError: it cannot be written.
        """

    @abstractmethod
    def list(self, folder: str = "") -> Iterator[StoredFile]:
        """Yield the objects below a folder, such as `runs`; by default all, in no order.

        Raises:
            UserError: they cannot be listed.
        """

    @abstractmethod
    def delete(self, *names: str) -> None:
        """Remove objects, if they exist.

        Raises:
            UserError: one cannot be removed.
        """

    def flush(self) -> None:  # noqa: B027  most have nothing to do
        """Complete all writes.

        Raises:
            UserError: one failed.
        """


class FolderObjects(ObjectStore):
    """Objects as files below a folder.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.label = str(root)

    def get(self, name: str, size: int | None = None) -> bytes:
        """Return the content of a file, or its first `size` bytes."""
        path = self.path(name)
        try:
            with path.open("rb") as file:
                return file.read(-1 if size is None else size)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(error.errno, reason(error), str(path)) from None
        except OSError as error:
            raise StoreError(f"{path} cannot be read ({reason(error)}).", where="--quba-store") from None

    def create(self, name: str, content: bytes) -> None:
        """Write a file unless it exists. Of two writers at once, either may come last."""
        if not self.path(name).is_file():
            self.set(name, content)

    def set(self, name: str, content: bytes) -> None:
        """Write a file atomically."""
        path = self.path(name)
        with os_errors(f"{path} cannot be written", StoreError, where="--quba-store"):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)

    def list(self, folder: str = "") -> Iterator[StoredFile]:
        """Yield all files below a folder, hidden ones included; links are neither followed nor listed."""
        folders = [self.path(folder) if folder else self.root]
        while folders:
            with suppress(OSError), os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        with suppress(FileNotFoundError):
                            status = entry.stat(follow_symlinks=False)
                            name = Path(entry.path).relative_to(self.root).as_posix()
                            yield StoredFile(name, status.st_size, status.st_mtime)

    def delete(self, *names: str) -> None:
        """Remove files, if they exist. Empty folders stay: another process may be about to write."""
        for path in map(self.path, names):
            with os_errors(f"{path} cannot be removed", StoreError, where="--quba-store"):
                path.unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Return the path of a name.

        Raises:
            StoreError: the name leads out of the folder.
        """
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or PurePosixPath(name).is_absolute():
            raise StoreError(f"'{name}' is no name of a file in {self.root}.", where="--quba-store")
        return self.root.joinpath(*parts)


class Evictable(Protocol):
    """A file, or several that are removed together."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    @property
    def modified(self) -> float:
        """Unix time of the last use."""


Candidate = TypeVar("Candidate", bound=Evictable)


def least_recently_used(
    candidates: Iterable[Candidate], excess: float, before: float = float("inf")
) -> list[Candidate]:
    """Return the candidates to remove, those that were unused longest first.

    Args:
        candidates: files that may be removed.
        excess: bytes that are too many; all candidates together may have fewer.
        before: Unix time; what was used since then stays.
    """
    selected = []
    for candidate in sorted(candidates, key=lambda each: each.modified):
        if excess <= 0 or candidate.modified >= before:
            break
        selected.append(candidate)
        excess -= candidate.size
    return selected
