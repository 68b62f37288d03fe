"""A YAML file as plain data, with the line of every value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from quba_check.errors import UserError

Location = tuple[str | int, ...]
"""Keys and list positions from the top of a document to a value."""


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain data, with the line of every value.

    Attributes:
        path: the file.
        label: its name in messages.
        error: the class of errors about it.
        data: its content: dicts with text keys, lists, str, int, float, bool and None.
        root: the node tree behind `data`, with the lines.
        content: the bytes of the file.
    """

    path: Path
    label: str
    error: type[UserError]
    data: dict[str, Any]
    root: Node
    content: bytes = field(default=b"", repr=False)
    _children: dict[int, dict[str | int, Child]] = field(default_factory=dict, repr=False, compare=False)

    def line(self, location: Location) -> int:
        """Line (1-based) of the value at `location`, or of the deepest existing value above it."""
        return self._lines(location)[1]

    def key_line(self, location: Location) -> int:
        """Line (1-based) of the key or list item of the value at `location`."""
        return self._lines(location)[0]

    def at(self, location: Location) -> str:
        """`file:line` of the value at `location`, for the start of a message."""
        return f"{self.label}:{self.line(location)}"

    def at_key(self, location: Location) -> str:
        """`file:line` of the key at `location`, for the start of a message."""
        return f"{self.label}:{self.key_line(location)}"

    def _lines(self, location: Location) -> tuple[int, int]:
        """Return the line of the key and that of the value at `location`."""
        node = self.root
        lines = line_of(node), line_of(node)
        for step in location:
            child = self._child(node, step)
            if child is None:
                break
            node, key = child.node, line_of(child.key)
            # The parser places an empty value where the next key begins.
            is_empty = isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index
            lines = key, key if is_empty else line_of(node)
        return lines

    def _child(self, node: Node, step: str | int) -> Child | None:
        """Return the value under a key or position; children are indexed once."""
        if id(node) not in self._children:
            # The last one counts: the keys of a mapping merged by `<<` come before the file's own.
            self._children[id(node)] = {child.step: child for child in children(node)}
        return self._children[id(node)].get(step)


@dataclass(frozen=True, slots=True)
class Child:
    """A value inside a node, with its key or position and the key's node."""

    step: str | int
    key: Node
    node: Node


def children(node: Node) -> Iterator[Child]:
    """Yield the direct children of a node, in file order."""
    if isinstance(node, MappingNode):
        yield from (Child(key.value, key, value) for key, value in node.value)
    elif isinstance(node, SequenceNode):
        yield from (Child(position, item, item) for position, item in enumerate(node.value))


def line_of(node: Node) -> int:
    """Line (1-based) of the beginning of a node."""
    return int(node.start_mark.line) + 1


def describe(value: object) -> str:
    """Return a value as messages name it.

    >>> describe("abc"), describe(True), describe(None), describe([1]), describe({}), describe(0.5)
    ("text 'abc'", 'true', 'nothing', 'a list', 'keys with values', '0.5')
    """
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return f"text '{value}'"
        case dict():
            return "keys with values"
        case list() | tuple():
            return "a list"
        case _:
            return str(value)


def dotted_path(location: Location) -> str:
    """Return a location as messages write it.

    >>> dotted_path(("dimensions", "accuracy", "min")), dotted_path(("classes", 2))
    ('dimensions.accuracy.min', 'classes[2]')
    """
    parts = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in location]
    return "".join(parts).removeprefix(".")
