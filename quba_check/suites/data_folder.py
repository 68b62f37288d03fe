"""The folder of a suite, on this machine or behind a URL."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.storage.data_copies import CopySettings, DataCopies
from quba_check.storage.user_files import os_errors
from quba_check.suites.manifest.reading import class_files
from quba_check.suites.readers import READERS
from quba_check.suites.readers.listing import ReaderInput, expand_braces, has_files, is_wild


class DataFolder:
    """The folder of a suite, on this machine.

    Args:
        root: the folder.

    Attributes:
        root: absolute path on this machine.
        location: path or URL, for messages and records.
        copies: settings of the copies on this machine; None if the folder is on it.
    """

    copies: CopySettings | None = None

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.location = str(self.root)

    def names(self) -> list[str]:
        """Return the names of its files and folders, sorted.

        Raises:
            SuiteError: it cannot be read.
        """
        with os_errors("the data folder cannot be read", SuiteError, where=f"{self.root}"):
            return sorted(path.name for path in self.root.iterdir())

    def has(self, path: str) -> bool:
        """Return True if there is a file, or a folder, at a relative path."""
        return has_files(self.root / path)

    def fetch(self, title: str, reader: str, source: ReaderInput) -> None:
        """Copy the input of a reader to this machine, if it is elsewhere.

        Args:
            title: its name in messages, such as `the set 'clean'`.
            reader: name of the reader.
            source: the input.

        Raises:
            SuiteError: a file cannot be read.
            StoreError: a file cannot be written.
        """

    def fetch_manifest(self, name: str) -> None:
        """Copy the manifest and its lists of classes, if they are not on this machine."""

    def with_location(self, text: str) -> str:
        """Return a text with the location in place of the path on this machine."""
        return text.replace(str(self.root), self.location)

    def relocated(self, error: SuiteError, advice: str = "") -> SuiteError:
        """Return an error with the location for the path, and advice at its end."""
        pieces = error.pieces | {"hint": f"{error.hint} {advice}".strip()}
        return SuiteError(**{name: self.with_location(text) for name, text in pieces.items()})


class RemoteFolder(DataFolder):
    """A folder behind a URL.

    Args:
        copies: the copies of its files.
    """

    def __init__(self, copies: DataCopies) -> None:
        self.root = copies.root
        self.location = copies.label
        self.copies = CopySettings(copies.settings.listed_since)  # without functions, for other processes
        self._copies = copies
        self._names: dict[tuple[str, ...], list[str]] = {}

    def names(self) -> list[str]:
        """Return the names of its files and folders, sorted."""
        return list(dict.fromkeys(name.partition("/")[0] for name in self._copies.files))

    def has(self, path: str) -> bool:
        """Return True if the URL has files at a relative path; nothing is copied."""
        return next(self._names_at(path), None) is not None

    def fetch(self, title: str, reader: str, source: ReaderInput) -> None:
        """Copy the files of a reader's input that are not on this machine."""
        key = (source.path, *source.files.values())
        if key not in self._names:
            names = [name for path in key for name in self._names_at(path)]
            list_paths = READERS[reader].listed_paths
            if list_paths is not None:  # a list of images elsewhere: it comes first
                self._copies.fetch(f"the list of {title}", names)
                paths = list_paths(self.root / source.path, **source.options)
                names += (posixpath.relpath(path.as_posix(), self.root.as_posix()) for path in paths)
            self._names[key] = names
        self._copies.fetch(title, self._names[key])

    def fetch_manifest(self, name: str) -> None:
        """Copy the manifest and its lists of classes.

        Raises:
            UserError: see `fetch`.
        """
        self._copies.fetch("the manifest", [name])
        lists = class_files(self.root / name, f"{self.location}/{name}")
        self._copies.fetch("the lists of classes", lists)

    def _names_at(self, path: str) -> Iterator[str]:
        """Yield the files at a path, in a folder, or of a pattern."""
        name = posixpath.normpath(path)
        # As of local files, a name with braces or wildcards is first that of a file.
        is_there = name in self._copies.files or self._copies.below(name)
        for location in [name] if is_there else expand_braces(name):
            if location in self._copies.files:
                yield location
            yield from self._copies.below("" if location == "." else location)
            folder, _, pattern = location.rpartition("/")
            for inside in self._copies.below(folder) if is_wild(pattern) else ():
                rest = inside.removeprefix(f"{folder}/") if folder else inside
                if "/" not in rest and fnmatchcase(rest, pattern):
                    yield inside
