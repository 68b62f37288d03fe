"""Threshold files named on a command line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from quba_check.errors import ThresholdError
from quba_check.storage.user_files import is_utf8

SUFFIXES = (".yaml", ".yml")
FOLDER = "thresholds"
_SKIPPED = frozenset({"node_modules", "build", "dist", "venv"})


def named_files(arguments: Sequence[str], base: Path) -> list[str]:
    """Return the arguments, as given, that name a YAML file or a folder `thresholds`."""
    paths = {argument: named_path(argument, base) for argument in arguments}
    return [
        argument
        for argument, path in paths.items()
        if path.suffix in SUFFIXES or (path.name == FOLDER and os.path.isdir(path))  # noqa: PTH112  Path.is_dir raises for long names
    ]


def threshold_files(arguments: Sequence[str], base: Path) -> tuple[Path, ...]:
    """Return the files named by arguments, and those in their `thresholds` folders.

    Raises:
        ThresholdError: the name of a file is not UTF-8.
    """
    files: dict[Path, None] = {}
    for argument in arguments:
        path = named_path(argument, base)
        if path.suffix in SUFFIXES:
            files[path] = None
        elif os.path.isdir(path):  # noqa: PTH112
            files |= dict.fromkeys(_files_below(path))
    for path in files:
        if not is_utf8(str(path)):
            raise ThresholdError(
                "the path is not UTF-8 text. Rename the file or its folder.", where=f"{path}"
            )
    return tuple(files)


def named_path(argument: str, base: Path) -> Path:
    """Return the absolute path in an argument such as `FILE::ITEM`; links are kept."""
    return Path(os.path.abspath(base / argument.partition("::")[0]))  # noqa: PTH100  keep links, as pytest does


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the YAML files in folders named `thresholds`."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith((".", "_")) and name not in _SKIPPED
        )
        if Path(parent).name == FOLDER:
            yield from (Path(parent) / name for name in sorted(files) if Path(name).suffix in SUFFIXES)
