"""Files that a list names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.storage.user_files import file_kind
from quba_check.suites.readers.listed import Listed


@dataclass(frozen=True, slots=True)
class ListedRow:
    """A row of a list of images.

    Attributes:
        where: how a message about it begins.
        place: its line or row, in words.
        path: of the image, relative to the folder of the list.
        label: its class.
    """

    where: str
    place: str
    path: str
    label: int


def files_of(rows: Iterable[ListedRow], folder: Path, places: dict[Path, str] | None = None) -> list[Listed]:
    """The images that rows name, in their order.

    Args:
        rows: of the list.
        folder: in which the list is.
        places: where images were listed that may not be listed again; those of `rows` are added.

    Raises:
        SuiteError: an image is not there or is listed twice, in whatever spelling of its path.
    """
    places = {} if places is None else places
    images = []
    for row in rows:
        file = folder / row.path
        same = _plain(file)
        if same in places:
            raise SuiteError(f"{row.where}: {row.path} is listed twice, first in {places[same]}.")
        if file_kind(file, f"{row.where}: {file}", SuiteError) != "file":
            raise SuiteError(f"{row.where}: there is no file {file}.")
        places[same] = row.place
        images.append(Listed(file.as_posix(), row.label))
    return images


def _plain(file: Path) -> Path:
    """Return a path without `..`; links are kept, since several may lead to one image."""
    return Path(os.path.realpath(file.parent)) / file.name if ".." in file.parts else file
