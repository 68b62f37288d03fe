"""Files by name of a store at a URL: listing, small shared files, copies."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from quba_check.errors import StoreError
from quba_check.storage.remote.files import RemoteFiles
from quba_check.storage.remote.remote_file import RemoteFile
from quba_check.storage.remote.server_files import UNFINISHED
from quba_check.storage.store_files import StoredFile, StoreFiles
from quba_check.storage.store_format import FORMAT_NAME
from quba_check.storage.user_files import reason

SHARED = ("predictions", "runs", "active", "leases", "compute", UNFINISHED)
"""Folders at the URL; all others belong to one machine."""


class SharedFiles(StoreFiles):
    """The files of a store at a URL and of its folder here.

    Args:
        root: the folder on this machine.
        remote: the files at the URL.
    """

    def __init__(self, root: Path, remote: RemoteFiles) -> None:
        super().__init__(root)
        self.remote = remote
        self._published: dict[str, tuple[RemoteFile, bytes]] = {}

    def changed(self, name: str) -> None:
        """Note that a file was written or removed by its name."""

    def files(self) -> Iterator[StoredFile]:
        """Yield every file at the URL, then those of this machine alone.

        A time that the server does not state counts as now.
        """
        now = time.time()
        for name, file in self.remote.listing().items():
            yield StoredFile(name, file.size, now if file.modified is None else file.modified)
        yield from (file for file in super().files() if not _is_shared(file.name))

    def publish(self, name: str, payload: bytes) -> None:
        """Write a small file at the URL, over an earlier one of the same name."""
        self._place(name)
        self.remote.replace(name, payload)
        self.changed(name)

    def published(self, folder: str) -> dict[str, bytes]:
        """Return the contents of a folder's files by name; unchanged ones are read once."""
        contents: dict[str, bytes] = {}
        for name, file in self.remote.listing(f"{folder}/").items():
            if self._published.get(name, (None, b""))[0] != file:
                with suppress(FileNotFoundError):  # another process removed it
                    self._published[name] = (file, self.remote.read(name))
            if name in self._published and "/" not in name.removeprefix(f"{folder}/"):
                contents[name] = self._published[name][1]
        return contents

    def withdraw(self, name: str) -> None:
        """Remove a file if it exists, here and at the URL."""
        super().withdraw(name)
        if _is_shared(name):
            self.remote.remove(name)
            self.changed(name)

    def start_of(self, name: str, size: int) -> bytes:
        """Return the first `size` bytes of a file, fewer if it is shorter."""
        if not _is_shared(name):
            return super().start_of(name, size)
        try:
            return self.remote.read(name, size)
        except FileNotFoundError:
            raise StoreError(f"--quba-store: {self.remote.shown}/{name} does not exist.") from None

    def local_file(self, name: str) -> Path:
        """Return the path of a copy of a file; it may be missing."""
        path = super().local_file(name)
        if _is_shared(name):
            self._download(name, path)
        return path

    @contextmanager
    def folder_with(self, *names: str) -> Iterator[Path]:
        """Yield a temporary folder with copies of files at the URL, under their names."""
        with ExitStack() as stack:
            try:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="quba-check-")))
                for name in names:
                    with suppress(FileNotFoundError):
                        self.remote.download(name, folder / name)
            except OSError as error:
                raise StoreError(
                    f"--quba-store: files of {self.shown} cannot be copied to this machine "
                    f"({reason(error)}). Allowed: a folder for temporary files, $TMPDIR, with room for the "
                    "largest files of the store."
                ) from None
            yield folder

    def upload(self, name: str) -> None:
        """Copy a file of this machine to the URL, over an earlier one."""
        path = self._place(name)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"--quba-store: {path} cannot be read ({reason(error)}).") from None
        self.remote.replace(name, content)

    def fetch(self, prefix: str) -> None:
        """Copy missing files whose names start with a prefix to this machine."""
        for name in self.remote.listing(prefix):
            if not (path := self._place(name)).exists():
                self._download(name, path)

    def _download(self, name: str, path: Path) -> None:
        """Copy a file to this machine, if it exists at the URL.

        Raises:
            StoreError: it cannot be read, or the copy cannot be written.
        """
        try:
            self.remote.download(name, path)
        except FileNotFoundError:  # another process removed it
            return
        except OSError as error:
            raise self._unwritable(path, error) from None

    def _unwritable(self, path: Path, error: OSError) -> StoreError:
        return StoreError(
            f"--quba-store: {path} cannot be written ({reason(error)}). Allowed: a folder of this machine "
            "that you may write to, with free space. Copies of files at a URL are in the user's cache; "
            "XDG_CACHE_HOME moves it."
        )


def _is_shared(name: str) -> bool:
    return name == FORMAT_NAME or name.partition("/")[0] in SHARED
