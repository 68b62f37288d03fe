"""Labelled images as readers list them, and files listed in a table."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from quba_check.core.predictions import NO_CLASS
from quba_check.errors import SuiteError
from quba_check.storage.user_files import file_kind

LABELS = "labels"
"""The column of several classes that are right answers."""


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image of a set, as its reader lists it.

    Attributes:
        path: its file, or the container that holds it, with forward slashes.
        label: position of its class in the class list.
        texture: class of its second cue; `NO_CLASS` if it has none.
        member: name of the image in the container; None if the file is the image.
        cells: text of each requested column.
        also: further classes that are right answers too.
    """

    path: str
    label: int
    texture: int = NO_CLASS
    member: str | None = None
    cells: tuple[str, ...] = ()
    also: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedRow:
    """A row in a list of images.

    Attributes:
        where: the file with its line or row, for messages.
        path: of the image, relative to the folder of the list.
        labels: positions of the classes that are right; the first one is its label.
        cells: text of each requested column.
    """

    where: str
    path: str
    labels: tuple[int, ...]
    cells: tuple[str, ...] = ()


def list_files(rows: Iterable[ListedRow], folder: Path, listed: dict[Path, str]) -> list[LabelledImage]:
    """Return the images of a list in order.

    Args:
        rows: of the list.
        folder: folder of the list.
        listed: by image its row in an earlier list of the set; the images of `rows` are added.

    Raises:
        SuiteError: an image is missing, or is listed twice, also by another spelling of its path or a link.
    """
    real_folder = cache(os.path.realpath)  # few folders hold many images
    images = []
    for row in rows:
        file = folder / row.path
        if file_kind(file, f"{row.where}: {file}", SuiteError) != "file":
            raise SuiteError(f"{row.where}: there is no file {file}.")
        real = Path(
            os.path.realpath(file) if file.is_symlink() else f"{real_folder(file.parent)}/{file.name}"
        )
        if real in listed:
            raise SuiteError(f"{row.where}: {row.path} is listed twice, first in {listed[real]}.")
        listed[real] = row.where
        label, *also = row.labels
        images.append(LabelledImage(file.as_posix(), label, cells=row.cells, also=tuple(also)))
    return images
