"""Readers: from how a folder or file is laid out to the images in it with their classes."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quba_check.errors import SuiteError, did_you_mean, listed
from quba_check.protocol.predictions import OUTSIDE

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""What counts as an image, in either case; other files, and all that begins with a dot, are passed over."""
_SHOWN_CLASSES = 10
_COLUMNS = ("path", "label")


@dataclass(frozen=True, slots=True)
class Listed:
    """An image that a reader found.

    Attributes:
        path: where it is, with forward slashes.
        label: its class, as a position in the class list.
        texture: class of its second cue; `OUTSIDE` where it has none.
    """

    path: str
    label: int
    texture: int = OUTSIDE


Reader = Callable[[Path, Sequence[str]], list[Listed]]
"""From a place and a class list to the images there, in an order that depends on names alone."""


def folder_images(path: Path, classes: Sequence[str]) -> list[Listed]:
    """Images in one folder per class: `<class>/<image>`.

    A folder is matched to a class by its name; a leading number, and underscores for blanks, are looked past
    where the name as it stands is no class (`02_wheeled vehicle`). Deeper folders are not looked into.

    Args:
        path: the folder of class folders.
        classes: the class list.

    Raises:
        SuiteError: a folder is no class or holds no image, an image lies beside the folders, or there
            are no folders.
    """
    if stray := _image_names(path):
        raise SuiteError(f"{path / stray[0]}: an image outside the class folders. Expected: <class>/<image>.")
    numbers = _numbers(classes)
    images: list[Listed] = []
    for name in _folder_names(path):
        folder = path / name
        label = _folder_label(name, numbers)
        if label is None:
            raise SuiteError(f"{folder}: {_unknown('class folder', name, classes)}")
        files = _image_names(folder)
        if not files:
            raise SuiteError(
                f"{folder}: no image in this class folder. Images end in {', '.join(IMAGE_SUFFIXES)}."
            )
        prefix = folder.as_posix()
        images += [Listed(f"{prefix}/{file}", label) for file in files]
    if not images:
        raise SuiteError(f"{path}: no class folders. Expected: one for each of {_shown(classes)}.")
    return images


def csv_images(path: Path, classes: Sequence[str]) -> list[Listed]:
    """Images that a CSV file lists in its columns `path` (relative to the file) and `label`.

    A label is a class name, or a class number where no class has that name. Further columns are passed over;
    rows keep their order.

    Args:
        path: the CSV file.
        classes: the class list.

    Raises:
        SuiteError: with its line: a column is missing, a label is no class, an image is not there or is
            listed twice.
    """
    numbers = _numbers(classes)
    lines: dict[Path, int] = {}
    images = []
    for line, row in _csv_rows(path):
        image = path.parent / row["path"]
        if image in lines:
            raise SuiteError(f"{path}:{line}: {row['path']} is listed twice, first in line {lines[image]}.")
        if not image.is_file():
            raise SuiteError(f"{path}:{line}: there is no file {image}.")
        lines[image] = line
        label = row["label"].strip()
        if label not in numbers and not (label.isdecimal() and int(label) < len(classes)):
            raise SuiteError(f"{path}:{line}: {_unknown('class', label, classes)}")
        images.append(Listed(image.as_posix(), numbers[label] if label in numbers else int(label)))
    if not images:
        raise SuiteError(f"{path}: lists no images. Expected: rows of path and label under that header.")
    return images


def cue_conflict_images(path: Path, classes: Sequence[str]) -> list[Listed]:
    """Images named `<shape><i>-<texture><j>.png`, in one folder or in one folder per shape class.

    Args:
        path: the folder.
        classes: the class list of both cues.

    Raises:
        SuiteError: a name is not of that form or names no class, a file lies in another class's folder, or
            there are no images.
    """
    numbers = _numbers(classes)
    either = "|".join(re.escape(name) for name in sorted(classes, key=len, reverse=True))
    cues = re.compile(rf"({either})\d+-({either})\d+")
    images = []
    for folder in ("", *_folder_names(path)):
        for file in _image_names(path / folder):
            where = path / folder / file
            named = cues.fullmatch(where.stem)
            if named is None:
                raise SuiteError(f"{where}: {_no_cues(where.stem, numbers)}")
            shape, texture = named.groups()
            if folder and folder != shape:
                raise SuiteError(f"{where}: the shape is '{shape}', got it in the folder '{folder}'.")
            images.append(Listed(where.as_posix(), numbers[shape], numbers[texture]))
    if not images:
        raise SuiteError(f"{path}: no images. Expected: files named <shape><i>-<texture><j>.png.")
    return images


def model_vs_human_images(path: Path, classes: Sequence[str]) -> list[Listed]:
    """Images named `*_*_*_*_<category>_*.png` in one folder, as model-vs-human publishes them.

    Args:
        path: the folder.
        classes: the class list.

    Raises:
        SuiteError: a name is not of that form or names no class, or there are no images.
    """
    numbers = _numbers(classes)
    images = []
    for file in _image_names(path):
        fields = file.split("_", maxsplit=5)
        if len(fields) < 6:
            raise SuiteError(f"{path / file}: the name tells no class. Expected: *_*_*_*_<category>_*.png.")
        if fields[4] not in numbers:
            raise SuiteError(f"{path / file}: {_unknown('class', fields[4], classes)}")
        images.append(Listed((path / file).as_posix(), numbers[fields[4]]))
    if not images:
        raise SuiteError(f"{path}: no images. Expected: files named *_*_*_*_<category>_*.png.")
    return images


READERS: dict[str, Reader] = {
    "folder": folder_images,
    "csv": csv_images,
    "cue-conflict": cue_conflict_images,
    "model-vs-human": model_vs_human_images,
}
"""By the name that manifests use."""


def check_complete(path: Path, images: Sequence[Listed], classes: Sequence[str]) -> None:
    """Refuse a folder set that lacks classes.

    Raises:
        SuiteError: naming the first few of them.
    """
    present = {image.label for image in images}
    absent = [name for number, name in enumerate(classes) if number not in present]
    if absent:
        raise SuiteError(
            f"{path}: class folders are missing, got {len(present)} of {len(classes)}. "
            f"Missing: {listed(absent, _SHOWN_CLASSES)}."
        )


def _numbers(classes: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(classes)}


def _folder_label(name: str, numbers: Mapping[str, int]) -> int | None:
    bare = re.sub(r"^\d+_", "", name)
    return next((numbers[form] for form in (name, bare, bare.replace("_", " ")) if form in numbers), None)


def _no_cues(stem: str, numbers: Mapping[str, int]) -> str:
    """Why a file name does not say two cues."""
    cues = re.fullmatch(r"(.+?)\d+-(.+?)\d+", stem)
    if cues is None:
        return "the name tells no cues. Expected: <shape><i>-<texture><j>.png."
    unknown = next((cue for cue in cues.groups() if cue not in numbers), cues[1])
    return _unknown("class", unknown, list(numbers))


def _unknown(what: str, name: str, classes: Sequence[str]) -> str:
    return f"unknown {what} '{name}'.{did_you_mean(name, classes)} Allowed: {_shown(classes)}."


def _shown(classes: Sequence[str]) -> str:
    return listed(classes, _SHOWN_CLASSES)


def _image_names(folder: Path) -> list[str]:
    return sorted(
        entry.name
        for entry in _entries(folder)
        if entry.name.lower().endswith(IMAGE_SUFFIXES) and entry.is_file()
    )


def _folder_names(path: Path) -> list[str]:
    return sorted(entry.name for entry in _entries(path) if entry.is_dir())


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder; the entries know their kind without a look at each file."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise SuiteError(f"{folder}: cannot be read as a folder ({error.strerror}).") from None


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row that is not empty."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True, restval="")
            header = rows.fieldnames or ()
            if not set(_COLUMNS) <= set(header):
                got = ", ".join(header) or "nothing"
                raise SuiteError(f"{path}:1: the header must name path and label, got {got}.")
            for row in rows:
                yield rows.line_num, {column: row[column] for column in _COLUMNS}
    except UnicodeDecodeError:
        raise SuiteError(f"{path}: not a text file in UTF-8.") from None
    except csv.Error as error:
        raise SuiteError(f"{path}:{rows.reader.line_num}: not a CSV file ({error}).") from None
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read ({error.strerror}).") from None
