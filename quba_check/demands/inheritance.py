"""Inheritance of threshold files: values of several files, each with its file and line."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from quba_check.demands.profiles import display_name, find_thresholds
from quba_check.errors import ThresholdError
from quba_check.strict_yaml import Document, Location, dotted_path, read_yaml

Check = Callable[[Document], Document]
SCHEMA = 1
MOST_FILES = 20


@dataclass(frozen=True, slots=True)
class LocatedValue:
    """A value of a threshold file, with its document and location."""

    value: Any
    document: Document
    location: Location

    @property
    def line(self) -> int:
        """Line (1-based) of the value."""
        return self.document.line(self.location)


Tree: TypeAlias = "dict[str, Tree | LocatedValue]"


@dataclass(frozen=True, slots=True)
class MergedFile:
    """The values of a file and its extended files, with the place of each.

    Attributes:
        tree: the merged content.
        document: the file itself, which has the place of keys without a value.
    """

    tree: Tree
    document: Document

    def at(self, location: Location) -> str:
        """Return `file:line` of a value, for the start of a message."""
        return self._document(location).at(location)

    def at_key(self, location: Location) -> str:
        """Return `file:line` of a key, for the start of a message."""
        return self._document(location).at_key(location)

    def _document(self, location: Location) -> Document:
        """Return the document of the last value below a location.

        The values of extending files come last.
        """
        item: Tree | LocatedValue | None = self.tree
        for step in location:
            if not isinstance(item, dict) or str(step) not in item:
                break
            item = item[str(step)]
        while isinstance(item, dict):
            item = next(reversed(item.values()), None)
        return self.document if item is None else item.document


def merged_tree(path: Path, label: str, check: Check, extending: Mapping[Path, str] | None = None) -> Tree:
    """Return the content of a threshold file merged over its extended files.

    Args:
        path: the file.
        label: its name in messages.
        check: called with each file by itself; returns its well-formed content.
        extending: names of the files that extend it, outermost first; None for the file of a user.

    Returns:
        Keys of the extended file first, in its order, with the file's own values, without the keys that it
        sets to null.

    Raises:
        ThresholdError: an error in one of the files.
    """
    document = read_yaml(path, label, ThresholdError)
    _check_version(document)
    own = tree_of(check(document))
    extending = {**(extending or {}), Path(os.path.realpath(path)): label}
    extends = own.pop("extends", None)
    if not isinstance(extends, LocatedValue) or extends.value is None:
        return merge({}, own)
    parent, parent_shown = _parent(extends)
    _check_cycle(extends, parent, extending)
    return merge(merged_tree(parent, parent_shown, check, extending), own)


def tree_of(document: Document) -> Tree:
    """Return the content of one file as located values."""

    def subtree(data: Mapping[str, Any], location: Location) -> Tree:
        return {
            key: subtree(value, (*location, key))
            if isinstance(value, dict)
            else LocatedValue(value, document, (*location, key))
            for key, value in data.items()
        }

    return subtree(document.data, ())


def branch(tree: Tree, *keys: str | int) -> Tree:
    """Return the mapping under some keys, empty if missing."""
    for key in keys:
        item = tree.get(str(key))
        tree = item if isinstance(item, dict) else {}
    return tree


def value_of(tree: Tree, key: str, default: Any = None) -> Any:
    """Return the value of a key, or a default if it is missing."""
    located = tree.get(key)
    return located.value if isinstance(located, LocatedValue) else default


def merge(parent: Tree, child: Tree) -> Tree:
    """Return the parent with the child's values in place of its own; neither is changed.

    Raises:
        ThresholdError: the child removes a key that the parent does not have.
    """
    merged = dict(parent)
    for key, item in child.items():
        if isinstance(item, dict):
            inherited = merged.get(key, {})
            merged[key] = merge(inherited if isinstance(inherited, dict) else {}, item)
            if item and not merged[key]:  # every key was removed
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


def _parent(extends: LocatedValue) -> tuple[Path, str]:
    document = extends.document
    folder = document.path.parent
    try:
        path = find_thresholds(extends.value, folder, document.path)
    except ThresholdError as error:
        raise ThresholdError(f"{document.at(extends.location)}: extends: {error}") from None
    if path != folder / extends.value or Path(extends.value).is_absolute():
        return path, display_name(path)
    text = Path(extends.value).as_posix()
    return path, posixpath.normpath(posixpath.join(posixpath.dirname(document.label), text))


def _check_cycle(extends: LocatedValue, parent: Path, extending: Mapping[Path, str]) -> None:
    resolved = Path(os.path.realpath(parent))
    where = extends.document.at(extends.location)
    if resolved in extending:
        cycle = list(extending.values())[list(extending).index(resolved) :]
        raise ThresholdError(f"{where}: the files extend each other: {' → '.join([*cycle, cycle[0]])}.")
    if len(extending) >= MOST_FILES:
        raise ThresholdError(f"{where}: more than {MOST_FILES} files extend each other.")


def _check_version(document: Document) -> None:
    """Check the version before any keys; they differ between versions."""
    version = document.data.get("schema")
    if isinstance(version, int) and not isinstance(version, bool) and version > SCHEMA:
        raise ThresholdError(
            f"{document.at(('schema',))}: schema {version} is newer than this version of quba-check reads. "
            f"Allowed: {SCHEMA}."
        )
