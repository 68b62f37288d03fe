"""Which threshold files the arguments of a command line mean."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from quba_check.demands.profiles import find_thresholds
from quba_check.errors import ThresholdError
from quba_check.storage.user_files import file_kind, is_utf8

SUFFIXES = (".yaml", ".yml")
FOLDER = "thresholds"
_PASSED_OVER = frozenset({"node_modules", "build", "dist", "venv"})


def named_files(arguments: Sequence[str], where: Path) -> list[str]:
    """The arguments that name a YAML file or a folder of threshold files, as typed."""
    paths = {argument: _path(argument, where) for argument in arguments}
    return [
        argument
        for argument, path in paths.items()
        if path.suffix in SUFFIXES or (path.name == FOLDER and _is_folder(path))
    ]


def with_shipped_files(arguments: Sequence[str], where: Path) -> list[str]:
    """The arguments, with names of shipped threshold files replaced by their paths.

    What was printed can be typed: `quba_check/thresholds/default.yaml::accuracy[min]`.

    Raises:
        ThresholdError: a YAML file that is not there.
    """
    return [_with_shipped_file(argument, where) for argument in arguments]


def threshold_files(arguments: Sequence[str], where: Path) -> tuple[Path, ...]:
    """Return the files named by arguments, and those in their `thresholds` folders.

    Raises:
        ThresholdError: the name of a file is not UTF-8.
    """
    found: dict[Path, None] = {}
    for argument in arguments:
        path = _path(argument, where)
        if path.suffix in SUFFIXES:
            found[path] = None
        elif _is_folder(path):
            found |= dict.fromkeys(_below(path))
    for path in found:
        if not is_utf8(str(path)):
            raise ThresholdError(f"{path}: the path is not UTF-8 text. Rename the file or its folder.")
    return tuple(found)


def _with_shipped_file(argument: str, where: Path) -> str:
    name, mark, item = argument.partition("::")
    path = _path(argument, where)
    if path.suffix not in SUFFIXES or file_kind(path, name, ThresholdError) is not None:
        return argument
    return f"{find_thresholds(name, where)}{mark}{item}"


def _path(argument: str, where: Path) -> Path:
    return Path(os.path.abspath(where / argument.partition("::")[0]))  # noqa: PTH100  keep links, as pytest does


def _is_folder(path: Path) -> bool:
    """Return True for a folder; False if it cannot be read, as pytest reports that."""
    return os.path.isdir(path)  # noqa: PTH112  Path.is_dir raises for names that are too long


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith((".", "_")) and name not in _PASSED_OVER
        )
        if Path(parent).name == FOLDER:
            yield from (Path(parent) / name for name in sorted(files) if Path(name).suffix in SUFFIXES)
