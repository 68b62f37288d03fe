"""A threshold file laid over those that it extends. Every value keeps the file and line that it is from."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from quba_check.demands.profiles import display_name, find_thresholds
from quba_check.demands.schema import ThresholdFile
from quba_check.errors import ThresholdError
from quba_check.strict_yaml import Document, Location, dotted_path, read_yaml, validate

Check = Callable[[Document], None]
SCHEMA = 1
MOST_LAYERS = 20


@dataclass(frozen=True, slots=True)
class LocatedValue:
    """A value of a threshold file and where it stands."""

    value: Any
    document: Document
    location: Location

    @property
    def line(self) -> int:
        """Line (1-based) of the value."""
        return self.document.line(self.location)


Tree: TypeAlias = "dict[str, Tree | LocatedValue]"


def merged_tree(path: Path, shown: str, check: Check) -> Tree:
    """The content of a threshold file and of all that it extends.

    Args:
        path: the file.
        shown: how messages call it.
        check: called with each file on its own, before it is laid over another; raises on a mistake.

    Returns:
        Keys of the extended file first, in its order; the file's own values in their place; without what the
        file removes by null.

    Raises:
        ThresholdError: a mistake in one of the files.
    """
    return _layered(path, shown, check, ())


def _layered(path: Path, shown: str, check: Check, below: tuple[_File, ...]) -> Tree:
    document = read_yaml(path, shown, ThresholdError)
    _check_version(document)
    validate(document, ThresholdFile)
    check(document)
    own = tree_of(document)
    below = (*below, _File(Path(os.path.realpath(path)), shown))
    extends = own.pop("extends", None)
    if not isinstance(extends, LocatedValue) or extends.value is None:
        return merge({}, own)
    parent = _parent(extends)
    _check_cycle(extends, parent, below)
    return merge(_layered(parent.path, parent.shown, check, below), own)


def tree_of(document: Document) -> Tree:
    """The content of one file, each value with where it stands."""

    def grown(data: Mapping[str, Any], location: Location) -> Tree:
        return {
            key: grown(value, (*location, key))
            if isinstance(value, dict)
            else LocatedValue(value, document, (*location, key))
            for key, value in data.items()
        }

    return grown(document.data, ())


def merge(parent: Tree, child: Tree) -> Tree:
    """The parent with the child's values over it; neither is changed.

    Raises:
        ThresholdError: the child removes a key that the parent does not have.
    """
    merged = dict(parent)
    for key, item in child.items():
        if isinstance(item, dict):
            under = merged.get(key, {})
            merged[key] = merge(under if isinstance(under, dict) else {}, item)
            if item and not merged[key]:  # all of it was removed
                del merged[key]
        elif item.value is not None:
            merged[key] = item
        elif key in merged:
            del merged[key]
        else:
            raise ThresholdError(
                f"{item.document.at(item.location)}: {dotted_path(item.location)}: null removes a key of "
                "the extended file, which has no such key."
            )
    return merged


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    shown: str


def _parent(extends: LocatedValue) -> _File:
    document = extends.document
    folder = document.path.parent
    try:
        path = find_thresholds(extends.value, folder, document.path)
    except ThresholdError as error:
        raise ThresholdError(f"{document.at(extends.location)}: extends: {error}") from None
    if path != folder / extends.value or Path(extends.value).is_absolute():
        return _File(path, display_name(path))
    text = Path(extends.value).as_posix()
    return _File(path, posixpath.normpath(posixpath.join(posixpath.dirname(document.shown), text)))


def _check_cycle(extends: LocatedValue, parent: _File, below: tuple[_File, ...]) -> None:
    known = [file.path for file in below]
    resolved = Path(os.path.realpath(parent.path))
    where = extends.document.at(extends.location)
    if resolved not in known:
        if len(known) >= MOST_LAYERS:
            raise ThresholdError(f"{where}: more than {MOST_LAYERS} files extend each other.")
        return
    if resolved == known[-1]:
        name = os.path.basename(extends.value)  # noqa: PTH119  text as typed
        raise ThresholdError(
            f"{where}: the file extends itself. For a shipped profile of that name write "
            f"'extends: quba_check/thresholds/{name}'."
        )
    around = [file.shown for file in below[known.index(resolved) :]]
    raise ThresholdError(f"{where}: the files extend each other: {' → '.join([*around, around[0]])}.")


def _check_version(document: Document) -> None:
    """A later version may know other keys, so this is asked before any of them."""
    version = document.data.get("schema")
    if isinstance(version, int) and not isinstance(version, bool) and version > SCHEMA:
        raise ThresholdError(
            f"{document.at(('schema',))}: schema {version} is newer than this version of quba-check reads. "
            f"Allowed: {SCHEMA}."
        )
