"""The class list that a manifest defines."""

from __future__ import annotations

from collections.abc import Iterable

from quba_check.errors import SuiteError
from quba_check.storage.user_files import read_text
from quba_check.strict_yaml import Document
from quba_check.suites.class_list import ClassList
from quba_check.suites.label_spaces import IMAGENET
from quba_check.suites.manifest.schema import ManifestEntry


def defined_classes(document: Document, entry: ManifestEntry) -> ClassList | None:
    """The classes under `classes`, in order; None for ImageNet's, which are looked up when they are needed.

    Text is the name of a file beside the manifest: a class a line, and after a tab its readable name.

    Raises:
        SuiteError: there are fewer than two, one is listed twice, or the file cannot be read.
    """
    if entry.classes == IMAGENET:
        return None
    where = document.at(("classes",))
    if isinstance(entry.classes, str):
        return classes_of_file(document, entry.classes, "classes")
    if isinstance(entry.classes, dict):
        _check_count(f"{where}: classes", len(entry.classes))
        return ClassList(tuple(entry.classes), tuple(entry.classes.values()))
    _check_count(f"{where}: classes", len(entry.classes))
    lines = (document.line(("classes", number)) for number in range(len(entry.classes)))
    _check_repeated(zip(entry.classes, lines, strict=True), document.shown, "classes: ")
    return ClassList.plain(entry.classes)


def classes_of_file(document: Document, name: str, key: str) -> ClassList:
    """Return the classes in a text file next to the manifest.

    Args:
        document: the manifest.
        name: the file.
        key: the manifest's key that names it.

    Raises:
        SuiteError: there are fewer than two, one is listed twice, or the file cannot be read.
    """
    path = document.path.parent / name
    text = read_text(path, f"{document.at((key,))}: {key}: {path}", SuiteError)
    rows = [(*_cells(row), line) for line, row in enumerate(text.splitlines(), 1) if row.strip()]
    _check_repeated(((name, line) for name, _, line in rows), str(path), "")
    _check_count(f"{path}", len(rows))
    return ClassList(tuple(name for name, _, _ in rows), tuple(title for _, title, _ in rows))


def _cells(row: str) -> tuple[str, str]:
    """Name and readable name of a line."""
    name, _, title = row.partition("\t")
    return name.strip(), title.strip() or name.strip()


def _check_count(where: str, count: int) -> None:
    if count < 2:
        raise SuiteError(f"{where}: got {count} names. Allowed: two or more.")


def _check_repeated(names: Iterable[tuple[str, int]], shown: str, path: str) -> None:
    first: dict[str, int] = {}
    for name, line in names:
        if name in first:
            raise SuiteError(f"{shown}:{line}: {path}'{name}' is listed twice, first in line {first[name]}.")
        first[name] = line
