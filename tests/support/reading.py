"""Shared by tests of readers: empty files, listings and messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from quba_check.errors import SuiteError
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers import LabelledImage

FRUIT = ("apple", "pear", "kiwi")
"""Classes of most tests."""
Images = Callable[..., list[LabelledImage]]


def listing(
    reader: Images, path: Path, classes: Sequence[str] = FRUIT, **keys: object
) -> list[LabelledImage]:
    """Return the listing of a reader."""
    return reader(path, ClassList.plain(classes), **keys)


def tree(root: Path, *names: str) -> Path:
    """Write empty files; most readers use names alone."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def short(root: Path, images: list[LabelledImage]) -> list[tuple[str, int, int]]:
    """Path from the test's folder, label and texture."""
    return [(image.path.removeprefix(f"{root}/"), image.label, image.texture) for image in images]


def message(reader: Images, path: Path, classes: Sequence[str] = FRUIT, **keys: object) -> str:
    """Return the message of an error, with SET for the path."""
    with pytest.raises(SuiteError) as raised:
        listing(reader, path, classes, **keys)
    return str(raised.value).replace(f"{path}", "SET")
