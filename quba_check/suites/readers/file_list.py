"""Files that a list names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from quba_check.errors import SuiteError
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


def files_of(rows: Iterable[ListedRow], folder: Path) -> list[Listed]:
    """The images that rows name, in their order.

    Args:
        rows: of the list.
        folder: in which the list is.

    Raises:
        SuiteError: an image is not there or is listed twice.
    """
    places: dict[Path, str] = {}
    images = []
    for row in rows:
        file = folder / row.path
        if file in places:
            raise SuiteError(f"{row.where}: {row.path} is listed twice, first in {places[file]}.")
        if not file.is_file():
            raise SuiteError(f"{row.where}: there is no file {file}.")
        places[file] = row.place
        images.append(Listed(file.as_posix(), row.label))
    return images
