"""Paths that mean several files: a folder, braces, stars."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.suites.readers.files import file_names

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_WILDCARDS = re.compile(r"[*?\[]")


def files_at(path: Path, suffix: str) -> list[Path]:
    """The files that a path means.

    A file means itself, a folder the files in it that end in the suffix, by name. `{000..009}` and `{a,b}`
    stand for each of their alternatives, all of which must be there; `*`, `?` and `[…]` in the last part of
    the path for what they match.

    Args:
        path: absolute.
        suffix: how the files of a folder end, with a dot.

    Raises:
        SuiteError: one is not there, or there are none.
    """
    found: list[Path] = []
    for one in _alternatives(path):
        files = _files(one, suffix)
        if not files:
            raise SuiteError(f"{path}: {_why_none(one, suffix)}.")
        found += files
    return found


def any_at(path: Path) -> bool:
    """Whether there is anything at one of the places that a path means."""
    return any(
        one.exists() or (_is_wild(one) and one.parent.is_dir() and bool(_files(one, "")))
        for one in _alternatives(path)
    )


def expanded(text: str) -> list[str]:
    """The texts that braces stand for, in order.

    >>> expanded("a-{08..10}.tar"), expanded("{x,y}/{0..1}")
    (['a-08.tar', 'a-09.tar', 'a-10.tar'], ['x/0', 'x/1', 'y/0', 'y/1'])
    """
    braces = _BRACES.search(text)
    if braces is None:
        return [text]
    ends = _RANGE.fullmatch(braces[1])
    if ends:
        numbers = range(int(ends[1]), int(ends[2]) + 1)
        choices = [str(number).zfill(len(ends[1])) for number in numbers]
    else:
        choices = braces[1].split(",")
    before, after = text[: braces.start()], expanded(text[braces.end() :])
    return [before + choice + rest for choice in choices for rest in after]


def _alternatives(path: Path) -> list[Path]:
    return [path] if path.exists() else [Path(text) for text in expanded(str(path))]


def _files(path: Path, suffix: str) -> list[Path]:
    if path.is_dir():
        return [path / name for name in file_names(path, (suffix,))]
    if _is_wild(path) and path.parent.is_dir():
        return [path.parent / name for name in file_names(path.parent, ("",)) if fnmatchcase(name, path.name)]
    return [path] if path.exists() else []


def _why_none(path: Path, suffix: str) -> str:
    if path.is_dir():
        return f"no file in this folder ends in {suffix}"
    return f"no file is called {path.name}" if _is_wild(path) else f"there is no file {path.name}"


def _is_wild(path: Path) -> bool:
    return _WILDCARDS.search(path.name) is not None
