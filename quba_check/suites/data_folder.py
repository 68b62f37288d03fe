"""The folder of a suite, on this machine or behind a URL."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from quba_check.storage.data_copies import CopySettings, DataCopies
from quba_check.suites.readers import READERS
from quba_check.suites.readers.paths import expand_braces


@dataclass(frozen=True)
class Place:
    """Path and reader of the images of a view.

    Attributes:
        title: name in messages, such as `the set 'clean'`.
        reader: name of the reader.
        path: folder, file or pattern.
        files: further files of the reader, by argument name.
        options: further arguments of the reader.
    """

    title: str
    reader: str
    path: Path
    files: Mapping[str, Path] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)


class DataFolder(Protocol):
    """The folder of a suite.

    Attributes:
        root: absolute path on this machine.
        location: path or URL, for messages and records.
        copies: settings of the copies on this machine; None if the folder is on it.
    """

    root: Path
    location: str
    copies: CopySettings | None

    def has(self, path: Path, reader: str) -> bool:
        """Return True if there is something to read at a path."""
        ...

    def fetch(self, places: Sequence[Place]) -> None:
        """Copy the files of places that are not on this machine."""
        ...

    def shown(self, text: str) -> str:
        """Return a text with the location in place of the path on this machine."""
        ...


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.location = str(self.root)
        self.copies: CopySettings | None = None

    def has(self, path: Path, reader: str) -> bool:
        """Return True if there is something to read at a path."""
        return READERS[reader].is_there(path)

    def fetch(self, places: Sequence[Place]) -> None:
        """Do nothing: the files are on this machine."""

    def shown(self, text: str) -> str:
        """Return the text."""
        return text


class RemoteFolder:
    """A folder behind a URL.

    Args:
        copies: the copies of its files.

    Attributes:
        listing: all files, by their names relative to the URL.
    """

    def __init__(self, copies: DataCopies) -> None:
        self.root = copies.root
        self.location = copies.label
        self.copies: CopySettings | None = copies.settings.silent()
        self.listing = copies.listing
        self._copies = copies
        self._names: dict[tuple[Path, ...], list[str]] = {}

    def has(self, path: Path, reader: str) -> bool:  # noqa: ARG002  of the protocol
        """Return True if the URL has files at a path; nothing is copied."""
        return next(self._names_at(path), None) is not None

    def fetch(self, places: Sequence[Place]) -> None:
        """Copy the files of places that are not on this machine.

        Raises:
            SuiteError: one cannot be read.
            StoreError: one cannot be written.
        """
        for place in places:
            self._copies.fetch(place.title, self._files_of(place))

    def fetch_files(self, title: str, names: Sequence[str]) -> None:
        """Copy single files to this machine; names without a file are skipped.

        Raises:
            UserError: see `fetch`.
        """
        self._copies.fetch(title, names)

    def shown(self, text: str) -> str:
        """Return a text with the URL in place of the path on this machine."""
        return text.replace(str(self.root), self.location)

    def _files_of(self, place: Place) -> list[str]:
        key = (place.path, *place.files.values())
        if key not in self._names:
            names = [name for path in key for name in self._names_at(path)]
            list_paths = READERS[place.reader].listed_paths
            if list_paths is not None:  # a list of images elsewhere: it comes first
                self._copies.fetch(f"the list of {place.title}", names)
                names += map(self._name, list_paths(place.path, **place.options))
            self._names[key] = names
        return self._names[key]

    def _names_at(self, path: Path) -> Iterator[str]:
        """Yield the files at a path, in a folder, or of a pattern."""
        name = self._name(path)
        # As of local files, a name with braces or wildcards is first that of a file.
        for one in [name] if self._is_there(name) else expand_braces(name):
            if one in self.listing.files:
                yield one
            yield from self.listing.below("" if one == "." else one)
            folder, _, pattern = one.rpartition("/")
            for inside in self.listing.below(folder) if _is_wild(pattern) else ():
                rest = inside.removeprefix(f"{folder}/") if folder else inside
                if "/" not in rest and fnmatchcase(rest, pattern):
                    yield inside

    def _is_there(self, name: str) -> bool:
        return name in self.listing.files or bool(self.listing.below(name))

    def _name(self, path: Path) -> str:
        """Return the name of a path relative to the URL; `.` for the root."""
        return posixpath.normpath(posixpath.relpath(path.as_posix(), self.root.as_posix()))


def _is_wild(pattern: str) -> bool:
    return any(character in pattern for character in "*?[")
