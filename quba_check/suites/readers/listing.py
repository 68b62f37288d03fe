"""Images as readers list them, and what readers share: names in folders, paths, cached files."""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from quba_check.core.predictions import NO_CLASS
from quba_check.errors import SuiteError
from quba_check.storage.file_digests import file_stamp
from quba_check.storage.user_files import PathKind, file_kind, is_utf8, reason

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Suffixes of images, in any case. Other files, and names that begin with a dot, are skipped."""
ENDINGS = f"Images end in {', '.join(IMAGE_SUFFIXES)}."
"""A hint for messages."""
SIDE_SUFFIXES = (".txt", ".json", ".csv", ".tsv", ".xml", ".md", ".yaml", ".yml", ".html", ".db", ".ini")
"""Suffixes of files that lie next to images and are none."""
Result = TypeVar("Result")
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]{1,18})\.\.([0-9]{1,18})")
MOST_TEXTS = 100_000
_WILDCARDS = re.compile(r"[*?\[]")
_LISTED: ContextVar[dict[Path, list[os.DirEntry[str]]] | None] = ContextVar("listed", default=None)
"""Entries of the folders listed so far, in the body of `each_folder_once`."""


def image_names(folder: Path) -> list[str]:
    """Return the names of the images in a folder, sorted."""
    return file_names(folder, lambda name: name.lower().endswith(IMAGE_SUFFIXES))


def unread_files(folder: Path, deepest: int) -> Iterator[str]:
    """Yield the names of unread files below a folder that look like images.

    Args:
        folder: the folder of a set.
        deepest: number of folders between it and the images that are read; deeper ones are not.
    """
    for entry in _entries(folder):
        name = entry.name.lower()
        is_image = name.endswith(IMAGE_SUFFIXES)
        try:
            if _is_folder(folder, entry):
                if deepest < 1 and entry.is_symlink():  # it may lead to a folder above
                    yield f"{entry.name}/"
                    continue
                yield from (f"{entry.name}/{file}" for file in unread_files(folder / entry.name, deepest - 1))
            elif not name.endswith(SIDE_SUFFIXES) and (deepest < 0 or not is_image):
                yield entry.name
        except SuiteError:  # a deeper folder that cannot be read
            yield f"{entry.name}/"


def file_names(folder: Path, is_wanted: Callable[[str], bool]) -> list[str]:
    """Return the names of files in a folder that satisfy a condition, sorted."""
    return sorted(
        entry.name for entry in _entries(folder) if is_wanted(entry.name) and _is_file(folder, entry)
    )


def folder_names(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted."""
    return sorted(entry.name for entry in _entries(folder) if _is_folder(folder, entry))


def _is_folder(folder: Path, entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        raise SuiteError(f"cannot be read ({reason(error)}).", where=f"{folder / entry.name}") from None


def _is_file(folder: Path, entry: os.DirEntry[str]) -> bool:
    """Return True for a file, False for a folder.

    Anything else is an error: skipped silently, it would be one image less.
    """
    is_folder = _is_folder(folder, entry)
    if is_folder or entry.is_file():
        return not is_folder
    what = "a link to nothing" if entry.is_symlink() else "a pipe or a device"
    raise SuiteError(f"is {what}, not a file", where=f"{folder / entry.name}", hint="Remove it.")


@contextmanager
def each_folder_once() -> Iterator[None]:
    """List each folder at most once in the body."""
    token = _LISTED.set({})
    try:
        yield
    finally:
        _LISTED.reset(token)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder; their kind needs no further system call."""
    listed = _LISTED.get()
    if listed is not None and folder in listed:
        return listed[folder]
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except (OSError, ValueError) as error:
        raise SuiteError(f"cannot be read as a folder ({reason(error)}).", where=f"{folder}") from None
    for entry in visible:
        if not is_utf8(entry.name):
            raise SuiteError("the name is not UTF-8 text", where=f"{folder / entry.name}", hint="Rename it.")
    if listed is not None:
        listed[folder] = visible
    return visible


def files_at(path: Path, suffix: str) -> list[Path]:
    """Return the files of a path.

    A folder stands for all files in it with the suffix. `{000..009}` and `{a,b}` stand for each of their
    alternatives, which must all exist; `*`, `?` and `[…]` in the last part of the path for the matching
    files. A file that matches several times counts once.

    Args:
        path: absolute.
        suffix: of the files in a folder, with a dot.

    Raises:
        SuiteError: a file is missing, or there are none.
    """
    paths: dict[str, Path] = {}
    for alternative in _alternatives(path):
        files = _files(alternative, suffix)
        if not files:
            raise SuiteError(f"{_reason(alternative, suffix)}.", where=f"{path}")
        paths |= {os.path.normpath(file): file for file in files}
    return list(paths.values())


def has_files(path: Path) -> bool:
    """Return True if a path or one of its alternatives exists."""
    return any(
        _kind(alternative) is not None
        or (
            is_wild(alternative.name)
            and _kind(alternative.parent) == "folder"
            and bool(_files(alternative, ""))
        )
        for alternative in _alternatives(path)
    )


def expand_braces(text: str) -> list[str]:
    """Return the texts that a text with braces stands for, in order.

    Raises:
        SuiteError: there are more than `MOST_TEXTS`.

    >>> expand_braces("a-{08..10}.tar"), expand_braces("{x,y}/{0..1}")
    (['a-08.tar', 'a-09.tar', 'a-10.tar'], ['x/0', 'x/1', 'y/0', 'y/1'])
    """
    start = 0
    texts = [""]
    for braces in _BRACES.finditer(text):
        choices = _choices(braces[1])
        if len(choices) * len(texts) > MOST_TEXTS:
            raise SuiteError("the braces stand for too many files", where=text, allowed=f"{MOST_TEXTS:,}")
        plain = text[start : braces.start()]
        start = braces.end()
        texts = [f"{beginning}{plain}{choice}" for beginning in texts for choice in choices]
    return [beginning + text[start:] for beginning in texts]


def _choices(inside: str) -> list[str]:
    ends = _RANGE.fullmatch(inside)
    if not ends:
        return inside.split(",")
    first, last = int(ends[1]), int(ends[2])
    # One more than allowed is enough for the error.
    return [str(number).zfill(len(ends[1])) for number in range(first, min(last, first + MOST_TEXTS) + 1)]


def _alternatives(path: Path) -> list[Path]:
    # Unlike Path.exists, os.path.exists accepts names that are too long for a file before expansion.
    exists = os.path.exists(path)  # noqa: PTH110
    return [path] if exists else [Path(text) for text in expand_braces(str(path))]


def _kind(path: Path) -> PathKind | None:
    return file_kind(path, str(path), SuiteError)


def _files(path: Path, suffix: str) -> list[Path]:
    kind = _kind(path)
    if kind == "folder":
        return [path / name for name in file_names(path, lambda name: name.lower().endswith(suffix))]
    if is_wild(path.name) and _kind(path.parent) == "folder":
        names = file_names(path.parent, lambda name: fnmatchcase(name, path.name))
        return [path.parent / name for name in names]
    if kind == "other":
        raise SuiteError("is a pipe or a device, not a file.", where=f"{path}")
    return [] if kind is None else [path]


def _reason(path: Path, suffix: str) -> str:
    if path.is_dir():
        return f"no file in this folder ends in {suffix}"
    return f"no file is called {path.name}" if is_wild(path.name) else f"there is no file {path.name}"


def is_wild(name: str) -> bool:
    """Return True if a name is a pattern for several."""
    return _WILDCARDS.search(name) is not None


LABEL = "label"
LABELS = "labels"
"""The columns of one class, and of several classes that are right answers."""


@dataclass(frozen=True, slots=True)
class ReaderInput:
    """Input of a reader.

    Attributes:
        path: folder or file, relative to the data folder.
        options: further arguments of the reader.
        files: further files of the reader by argument name, relative to the data folder.
    """

    path: str
    options: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


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
    rows: Iterable[tuple[str, LabelledImage]], folder: Path, listed: dict[str, str]
) -> list[LabelledImage]:
    """Return the images of a list in order.

    Args:
        rows: each with its file and line for messages, and an image with a path relative to the folder.
        folder: folder of the list.
        listed: by image its row in an earlier list of the set; the images of `rows` are added.

    Raises:
        SuiteError: an image is missing, or is listed twice, also by another spelling of its path or a link.
    """

    @cache  # few folders hold many images, and a Path of each costs as much as the rest
    def stated_folder(parent: str) -> str:
        return f"{(folder / parent).as_posix().rstrip('/')}/"

    @cache
    def real_folder(parent: str) -> str:
        return os.path.join(os.path.realpath(folder / parent), "")  # noqa: PTH118

    images = []
    for where, image in rows:
        parent, name = os.path.split(image.path)
        file = stated_folder(parent) + name
        if _is_plain_file(file):  # the real folder of a text that is no path is an error
            real = os.path.normcase(real_folder(parent) + name)
        elif file_kind(folder / image.path, f"{where}: {folder / image.path}", SuiteError) == "file":
            file = (folder / image.path).as_posix()
            real = os.path.normcase(os.path.realpath(file))
        else:
            raise SuiteError(f"there is no file {folder / image.path}.", where=where)
        if real in listed:
            raise SuiteError(f"{image.path} is listed twice, first in {listed[real]}.", where=where)
        listed[real] = where
        images.append(LabelledImage(file, image.label, cells=image.cells, also=image.also))
    return images


def _is_plain_file(name: str) -> bool:
    """Return True for a file that is no link, in one system call."""
    try:
        return stat.S_ISREG(os.lstat(name).st_mode)  # a Path costs as much again
    except (OSError, ValueError):
        return False


def cells_by_row(columns: Sequence[Sequence[object]], rows: int) -> list[tuple[str, ...]]:
    """Return the text of each row's cells; missing values are empty."""
    texts = [["" if value is None else str(value) for value in column] for column in columns]
    return list(zip(*texts, strict=True)) if texts else [()] * rows


class FileCache(Generic[Result]):
    """A cached function of a file and some words; a changed file is read again.

    Each process has its own cache. Threads that call at the same time wait for one result.

    Args:
        compute: the function.
        limit: number of cached results.
    """

    def __init__(self, compute: Callable[..., Result], limit: int) -> None:
        self._lock = threading.Lock()
        self._results = lru_cache(maxsize=limit)(lambda path, _stamp, words: compute(path, *words))

    def __call__(self, path: Path, *words: str) -> Result:
        """Return the result for a file.

        Raises:
            SuiteError: the path leads to no readable file. Errors of the function come through.
        """
        stamp = file_stamp(path)
        with self._lock:
            return self._results(path, stamp, words)
