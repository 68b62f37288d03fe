"""Paths that mean several files: a folder, braces, stars."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.storage.user_files import Kind, file_kind
from quba_check.suites.readers.files import file_names

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]{1,18})\.\.([0-9]{1,18})")
MOST_TEXTS = 100_000
_WILDCARDS = re.compile(r"[*?\[]")


def files_at(path: Path, suffix: str) -> list[Path]:
    """The files that a path means.

    A file means itself, a folder the files in it that end in the suffix, by name. `{000..009}` and `{a,b}`
    stand for each of their alternatives, all of which must be there; `*`, `?` and `[…]` in the last part of
    the path for what they match. A file that several of them mean counts once.

    Args:
        path: absolute.
        suffix: how the files of a folder end, with a dot.

    Raises:
        SuiteError: one is not there, or there are none.
    """
    found: dict[str, Path] = {}
    for one in _alternatives(path):
        files = _files(one, suffix)
        if not files:
            raise SuiteError(f"{path}: {_why_none(one, suffix)}.")
        found |= {os.path.normpath(file): file for file in files}
    return list(found.values())


def any_at(path: Path) -> bool:
    """Whether there is anything at one of the places that a path means."""
    return any(
        _kind(one) is not None or (_is_wild(one) and _kind(one.parent) == "folder" and bool(_files(one, "")))
        for one in _alternatives(path)
    )


def expanded(text: str) -> list[str]:
    """The texts that braces stand for, in order.

    Raises:
        SuiteError: they are more than `MOST_TEXTS`.

    >>> expanded("a-{08..10}.tar"), expanded("{x,y}/{0..1}")
    (['a-08.tar', 'a-09.tar', 'a-10.tar'], ['x/0', 'x/1', 'y/0', 'y/1'])
    """
    begins, texts = 0, [""]
    for braces in _BRACES.finditer(text):
        choices = _choices(braces[1])
        if len(choices) * len(texts) > MOST_TEXTS:
            raise SuiteError(f"{text}: the braces stand for too many files. Allowed: {MOST_TEXTS:,}.")
        plain, begins = text[begins : braces.start()], braces.end()
        texts = [f"{one}{plain}{choice}" for one in texts for choice in choices]
    return [one + text[begins:] for one in texts]


def _choices(inside: str) -> list[str]:
    ends = _RANGE.fullmatch(inside)
    if not ends:
        return inside.split(",")
    first, last = int(ends[1]), int(ends[2])
    # One more than there may be is enough to be refused.
    return [str(number).zfill(len(ends[1])) for number in range(first, min(last, first + MOST_TEXTS) + 1)]


def _alternatives(path: Path) -> list[Path]:
    # The name may be too long for a file, as long as it has braces.
    is_there = os.path.exists(path)  # noqa: PTH110
    return [path] if is_there else [Path(text) for text in expanded(str(path))]


def _kind(path: Path) -> Kind | None:
    return file_kind(path, str(path), SuiteError)


def _files(path: Path, suffix: str) -> list[Path]:
    kind = _kind(path)
    if kind == "folder":
        return [path / name for name in file_names(path, lambda name: name.lower().endswith(suffix))]
    if _is_wild(path) and _kind(path.parent) == "folder":
        names = file_names(path.parent, lambda name: fnmatchcase(name, path.name))
        return [path.parent / name for name in names]
    if kind == "other":
        raise SuiteError(f"{path}: is a pipe or a device, not a file.")
    return [] if kind is None else [path]


def _why_none(path: Path, suffix: str) -> str:
    if path.is_dir():
        return f"no file in this folder ends in {suffix}"
    return f"no file is called {path.name}" if _is_wild(path) else f"there is no file {path.name}"


def _is_wild(path: Path) -> bool:
    return _WILDCARDS.search(path.name) is not None
