"""The files from which pytest may take options."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from quba_check.errors import UserError
from quba_check.storage.user_files import read_text, sha256

NAMES = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
SUFFIXES = (".ini", ".toml", ".cfg")
"""Suffixes of files that `-c` may name."""
_SETS_EXECUTOR = re.compile(
    r"""^[^#;\n]*(--quba-executor(?![-\w])|quba_executor["']?\s*[=:])""", re.MULTILINE
)
"""An executor in a word, or on a line of an ini file outside its comments."""


def ini_files(words: Iterable[str]) -> list[Path]:
    """Return the existing files from which pytest may take options.

    These are the files of its names in the current folder, in folders that the words name, and in the parents
    of both, and ini files that the words name. pytest reads only one of them.

    Args:
        words: words of pytest's command line.
    """
    named = [Path(word.rpartition("=")[2].removeprefix("-c").partition("::")[0]).absolute() for word in words]
    folders = {folder for path in (Path.cwd(), *named) for folder in (path, *path.parents)}
    files = {folder / name for folder in folders for name in NAMES}
    files |= {path for path in named if path.suffix in SUFFIXES}
    return sorted(file for file in files if os.path.isfile(file))  # noqa: PTH113  False for a name too long


def executor_setting(words: Iterable[str]) -> str | None:
    """Return the word or the ini file that sets `--quba-executor`; None if there is none.

    Args:
        words: words of pytest's command line.
    """
    words = list(words)
    for word in words:
        if _SETS_EXECUTOR.search(word):
            return f"'{word}'"
    for file in ini_files(words):
        with suppress(UserError):
            if _SETS_EXECUTOR.search(read_text(file, str(file), UserError)):
                return str(file)
    return None


def stamped(file: Path) -> str:
    """Return the path of a file and the SHA-256 of its bytes."""
    try:
        return f"{file} {sha256(file, str(file), UserError)}"
    except UserError:
        return f"{file} unreadable"
