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


def list_files(
    rows: Iterable[tuple[str, LabelledImage]], folder: Path, listed: dict[Path, str]
) -> list[LabelledImage]:
    """Return the images of a list in order.

    Args:
        rows: each with its file and line for messages, and an image with a path relative to the folder.
        folder: folder of the list.
        listed: by image its row in an earlier list of the set; the images of `rows` are added.

    Raises:
        SuiteError: an image is missing, or is listed twice, also by another spelling of its path or a link.
    """
    real_folder = cache(os.path.realpath)  # few folders hold many images
    images = []
    for where, image in rows:
        file = folder / image.path
        if file_kind(file, f"{where}: {file}", SuiteError) != "file":
            raise SuiteError(f"{where}: there is no file {file}.")
        real = Path(
            os.path.realpath(file) if file.is_symlink() else f"{real_folder(file.parent)}/{file.name}"
        )
        if real in listed:
            raise SuiteError(f"{where}: {image.path} is listed twice, first in {listed[real]}.")
        listed[real] = where
        images.append(LabelledImage(file.as_posix(), image.label, cells=image.cells, also=image.also))
    return images
