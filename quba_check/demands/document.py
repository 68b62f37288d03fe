"""A threshold file merged over its extended files, with the place of each value."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from quba_check.core.facts import SuiteFacts
from quba_check.demands.profiles import display_name, find_thresholds
from quba_check.demands.schema import BY_NAME, CONDITIONS, ThresholdFile, is_entry
from quba_check.errors import ThresholdError
from quba_check.strict_yaml import (
    Document,
    Location,
    check_schema,
    dotted_path,
    read_yaml,
    schema_errors,
    typed,
)

SCHEMA = 1
"""Version of threshold files."""
MOST_FILES = 20


@dataclass(frozen=True, slots=True)
class LocatedValue:
    """A value of a threshold file, with its document and location."""

    value: Any
    document: Document
    location: Location


Tree: TypeAlias = dict[str, "Tree | LocatedValue"]


class ListTree(dict[str, "Tree | LocatedValue"]):
    """A list of entries, by their positions as text.

    Attributes:
        document: the file that states it.
        location: its place there.
    """

    def __init__(self, entries: Tree, document: Document, location: Location) -> None:
        super().__init__(entries)
        self.document = document
        self.location = location


def _values(item: Tree | LocatedValue) -> Iterator[LocatedValue]:
    """Yield a value, or the values of a tree."""
    if isinstance(item, LocatedValue):
        yield item
    else:
        yield from chain.from_iterable(map(_values, item.values()))


class Problems:
    """The collected errors of a threshold file and its extended files."""

    def __init__(self) -> None:
        self.errors: list[ThresholdError] = []
        self._wrong: set[Location] = set()

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Collect an error."""
        try:
            yield
        except ThresholdError as error:
            self.errors.append(error)

    def well_formed(self, document: Document) -> Document:
        """Collect the wrong keys and types of a document; return it without wrong entries."""
        for location, error in schema_errors(document, ThresholdFile).items():
            margin = _margin_as_rule(document, location)
            pieces = {"problem": margin} if margin else error.pieces
            self.errors.append(ThresholdError(**pieces))
            depth = 2 if location and location[0] in BY_NAME else 1
            self._wrong.add(location[:depth])
        return replace(document, data=self.without_wrong(document.data))

    def without_wrong(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return the content of a file, or of merged ones, without wrong entries."""
        sections = {key: value for key, value in content.items() if (key,) not in self._wrong}
        for section in BY_NAME:
            entries = sections.get(section)
            if isinstance(entries, dict):
                names = [name for name in entries if (section, name) not in self._wrong]
                sections[section] = {name: entries[name] for name in names}
        return sections

    def raise_first(self) -> None:
        """Raise the first error, if any; it carries the messages of all."""
        if self.errors:
            self.errors[0].messages = list(dict.fromkeys(map(str, self.errors)))
            raise self.errors[0]


@dataclass(frozen=True)
class MergedFile:
    """The content of a threshold file and of those that it extends.

    Attributes:
        documents: the file itself, and those that it extends, in this order.
        tree: the merged content.
        problems: collects the errors.
        suite: determines the parts of the dimensions, and the names of classes and sets.
    """

    documents: tuple[Document, ...]
    tree: Tree
    problems: Problems
    suite: SuiteFacts

    @classmethod
    def read(cls, path: Path, label: str, suite: SuiteFacts) -> MergedFile:
        """Return a threshold file merged over its extended files.

        Keys of the extended file come first, in its order, with the file's own values, without the keys that
        the file sets to null. Wrong keys and types are collected, and left out.

        Args:
            path: the file.
            label: its name in messages.
            suite: the facts of the suite.

        Raises:
            ThresholdError: one of the files cannot be read.
        """
        problems = Problems()
        try:
            documents = [problems.well_formed(file) for file in _extended_files(path, label)]
            tree: Tree = {}
            for document in reversed(documents):
                content = {key: item for key, item in tree_of(document).items() if key != "extends"}
                tree = merge(tree, content, problems.errors)
        except ThresholdError as error:
            problems.errors.append(error)
            problems.raise_first()
            raise
        return cls(tuple(documents), problems.without_wrong(tree), problems, suite)

    @cached_property
    def content(self) -> ThresholdFile:
        """The merged content, typed."""
        return typed(plain(self.tree) | {"schema": SCHEMA}, ThresholdFile)

    def keys(self, location: Location) -> Tree:
        """Return the mapping at a location, in file order; empty if there is none."""
        tree = self.tree
        for step in location:
            item = tree.get(str(step))
            tree = item if isinstance(item, dict) else {}
        return tree

    def value(self, location: Location) -> Any:
        """Return the value at a location as stated, such as `2%`; None without one."""
        located = self.keys(location[:-1]).get(str(location[-1]))
        return located.value if isinstance(located, LocatedValue) else None

    def document(self, location: Location) -> Document:
        """Return the document that states a value, or some of the values below a location.

        Of several files it is the one that no other of them extends.
        """
        item: Tree | LocatedValue = self.tree
        for step in location:
            if not isinstance(item, dict) or str(step) not in item:
                break
            item = item[str(step)]
        stating = [value.document for value in _values(item)]
        return next((document for document in self.documents if document in stating), self.documents[0])

    def error(
        self,
        location: Location,
        problem: str = "",
        *,
        path: str | None = None,
        is_on_key: bool = True,
        **pieces: str,
    ) -> ThresholdError:
        """Return an error about the key or the value at a location.

        Args:
            location: the place.
            problem: what is wrong.
            path: the place as the message shows it; None for the whole path.
            is_on_key: show the line of the key, else that of the value.
            pieces: `got`, `allowed` and `hint`, see `QubaError`.
        """
        document = self.document(location)
        where = document.at_key(location) if is_on_key else document.at(location)
        shown_path = dotted_path(location) if path is None else path
        return ThresholdError(problem, where=": ".join(filter(None, (where, shown_path))), **pieces)


def _extended_files(path: Path, label: str) -> Iterator[Document]:
    """Yield a threshold file and those that it extends.

    Raises:
        ThresholdError: one of them cannot be read, or they extend each other or are too many.
    """
    seen: dict[Path, str] = {}
    while True:
        document = read_yaml(path, label, ThresholdError)
        check_schema(document.data, SCHEMA, document.at(("schema",)), ThresholdError)
        yield document
        seen[Path(os.path.realpath(path))] = label
        extends = document.data.get("extends")
        if not isinstance(extends, str):
            return
        path, label = _parent(document, extends)
        _check_cycle(document, path, seen)


def tree_of(document: Document) -> Tree:
    """Return the content of one file as located values."""

    def subtree(value: Any, location: Location) -> Tree | LocatedValue:
        if isinstance(value, dict):
            return {key: subtree(item, (*location, key)) for key, item in value.items()}
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            entries = {str(k): subtree(item, (*location, k)) for k, item in enumerate(value)}
            return ListTree(entries, document, location)
        return LocatedValue(value, document, location)

    return {key: subtree(value, (key,)) for key, value in document.data.items()}


def plain(item: Tree | LocatedValue) -> Any:
    """Return the values of a tree without their places."""
    if isinstance(item, LocatedValue):
        return item.value
    if isinstance(item, ListTree):
        return [plain(entry) for entry in item.values()]
    return {key: plain(inner) for key, inner in item.items()}


def merge(parent: Tree, child: Tree, errors: list[ThresholdError], location: Location = ()) -> Tree:
    """Return the parent with the child's values in place of its own; neither is changed.

    Args:
        parent: content of the extended file.
        child: content of the file.
        errors: takes an error for each key that the child removes and the parent does not have, and for each
            condition of inherited demands that it changes.
        location: the place of both in their files.
    """
    merged = dict(parent)
    for key, item in child.items():
        before = merged.get(key)
        place = (*location, key)
        if isinstance(item, ListTree):
            known = len(errors)
            merge({}, item, errors, place)  # a list extends nothing, so that null is an error in it
            merged[key] = item
            if len(errors) > known:
                del merged[key]
        elif isinstance(item, dict) and isinstance(before, ListTree):
            stated = next(_values(item), before)
            where = f"{stated.document.at_key(place)}: {dotted_path(place)}"
            text = f"keys do not extend the list of {before.document.at_key(place)}"
            errors.append(ThresholdError(text, where=where, allowed="a list, which replaces it, or null"))
        elif isinstance(item, dict):
            inherited = before if isinstance(before, dict) else {}
            result = merge(inherited, item, errors, place)
            errors.extend(_changed_conditions(inherited, item, result, place))
            merged[key] = result
            if item and not result:  # every key was removed
                del merged[key]
        elif item.value is not None:
            merged[key] = item
        elif key in merged:
            del merged[key]
        else:
            where = f"{item.document.at(item.location)}: {dotted_path(item.location)}"
            text = "null removes a key of the extended file, which has no such key."
            errors.append(ThresholdError(text, where=where))
    return merged


def _margin_as_rule(document: Document, location: Location) -> str:
    """Return the message on the margin as a rule of answering; empty for another key."""
    if location[:1] != ("answers",) or location[-2:] != ("at", "margin"):
        return ""
    where = f"{document.at_key(location)}: {dotted_path(location)}"
    instead = "probability, or score: margin next to error, accuracy or share"
    return f"{where}: the margin is a score, not a rule. Write {instead}."


def _changed_conditions(parent: Tree, child: Tree, merged: Tree, at: Location) -> Iterator[ThresholdError]:
    """Yield an error for each condition of inherited demands that an entry changes."""
    for key in CONDITIONS if parent and is_entry(at) else ():
        stated = next(_values(child.get(key, {})), None)
        if stated is not None and plain(merged.get(key, {})) != plain(parent.get(key, {})):
            place = (*at, key)
            where = f"{stated.document.at_key(place)}: {dotted_path(place)}"
            text = "it would change a condition of the inherited demands of this entry"
            allowed = "a list of entries, which replaces the inherited one"
            yield ThresholdError(text, where=where, allowed=allowed)


def _parent(document: Document, extends: str) -> tuple[Path, str]:
    """Return the path and the label of the file that a document extends."""
    folder = document.path.parent
    try:
        path = find_thresholds(extends, folder, document.path)
    except ThresholdError as error:
        raise ThresholdError(str(error), where=f"{document.at(('extends',))}: extends") from None
    if path != folder / extends or Path(extends).is_absolute():
        return path, display_name(path)
    text = Path(extends).as_posix()
    return path, posixpath.normpath(posixpath.join(posixpath.dirname(document.label), text))


def _check_cycle(document: Document, parent: Path, seen: Mapping[Path, str]) -> None:
    resolved = Path(os.path.realpath(parent))
    where = document.at(("extends",))
    if resolved in seen:
        cycle = list(seen.values())[list(seen).index(resolved) :]
        raise ThresholdError(f"the files extend each other: {' → '.join([*cycle, cycle[0]])}.", where=where)
    if len(seen) >= MOST_FILES:
        raise ThresholdError(f"a chain of more than {MOST_FILES} files that extend each other.", where=where)
