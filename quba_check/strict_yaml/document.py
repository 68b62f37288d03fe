"""A YAML 1.2 file, read strictly into plain data, with the line of every value.

`yes` is text and `1e-3` is a number, as in YAML 1.2. Duplicate keys, `nan`, tags, and keys that are not text
are errors, because authors and parsers understand them differently.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from quba_check.errors import UserError
from quba_check.storage.user_files import MIB, decode_text, read_bytes

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
"""Characters from escapes such as `\\0`, which no path or report can contain."""
_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge", "timestamp")}
LARGEST = MIB
"""Largest size of a YAML file in bytes; parsing that much takes up to 20 seconds."""
MOST_LEVELS = 50
MOST_VALUES = 200_000
"""Largest nesting of a document and number of its values, counting those that aliases repeat."""
MOST_DIGITS = 4000
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
            if id(node) not in self._children:  # indexed once
                # The last one counts: the keys of a mapping merged by `<<` come before the file's own.
                self._children[id(node)] = {child.step: child for child in children(node)}
            child = self._children[id(node)].get(step)
            if child is None:
                break
            node = child.node
            key = line_of(child.key)
            # The parser places an empty value where the next key begins.
            is_empty = isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index
            lines = key, key if is_empty else line_of(node)
        return lines


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
            return "a list" if value else "an empty list"
        case _:
            return str(value)


def dotted_path(location: Location) -> str:
    """Return a location as messages write it.

    >>> dotted_path(("dimensions", "accuracy", "min")), dotted_path(("classes", 2))
    ('dimensions.accuracy.min', 'classes[2]')
    """
    parts = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in location]
    return "".join(parts).removeprefix(".")


def read_yaml(path: Path, label: str, error: type[UserError]) -> Document:
    """Read a YAML file with a mapping at the top.

    Args:
        path: the file.
        label: its name in messages.
        error: the class of errors to raise.

    Returns:
        Plain data and the line of every value.

    Raises:
        UserError: of the class `error`, beginning with `label:line`. The file is missing, empty, not UTF-8,
            not YAML, or not a mapping; or it has a duplicate key, a key that is not text, a number that is
            not finite, a tag, an alias to itself, too many values, or a control character.
    """
    return parse_yaml(read_bytes(path, label, error, LARGEST), label, error, path)


def parse_yaml(content: bytes, label: str, error: type[UserError], path: Path = Path()) -> Document:
    """Return the content of a YAML file with a mapping at the top; see `read_yaml`."""
    text = decode_text(content, label, error)
    try:
        root, data = _compose(text, label, error)
    except UserError:
        raise
    except ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        raise error("the file has a character that YAML does not allow.", where=f"{label}:{line}") from None
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = mark.line + 1 if mark else 1
        raise error(
            f"this is not YAML: {problem.problem or problem.context}.", where=f"{label}:{line}"
        ) from None
    except RecursionError:
        raise error("the file is nested too deeply to be read.", where=f"{label}:1") from None
    except Exception as problem:  # noqa: BLE001  bugs of the parser, and forced types such as `!!int x`
        raise error(f"the file has a value that cannot be read: {problem}.", where=f"{label}:1") from None
    return Document(path, label, error, data, root, content)


def _compose(text: str, label: str, error: type[UserError]) -> tuple[Node, dict[str, Any]]:
    yaml = YAML(typ="safe", pure=True)
    root = yaml.compose(text)
    if root is None:
        raise error("the file is empty", where=f"{label}:1", allowed="keys with values")
    if not isinstance(root, MappingNode):
        got = "a list" if isinstance(root, SequenceNode) else f"text '{root.value}'"
        raise error(where=f"{label}:{line_of(root)}", got=got, allowed="keys with values")
    _Check(label, error, yaml.constructor).check(root, (), ())
    data: dict[str, Any] = yaml.constructor.construct_document(root)
    return root, data


class _Check:
    """Checks nodes for unsupported content before anything is constructed."""

    def __init__(self, label: str, error: type[UserError], constructor: Any) -> None:
        self._label = label
        self._error = error
        self._constructor = constructor
        self._values = 0

    def check(self, node: Node, above: tuple[int, ...], location: Location) -> None:
        """Raise an error at the first problem.

        Args:
            node: the node to check with its children.
            above: ids of the nodes around it.
            location: its place in the document.
        """
        where = f"{self._label}:{line_of(node)}"
        self._values += 1
        if id(node) in above:
            raise self._error("the alias contains itself.", where=where)
        if len(above) >= MOST_LEVELS:
            raise self._error("the file is nested too deeply to be read.", where=where)
        if self._values > MOST_VALUES:
            raise self._error("the file has too many values", where=where, allowed=f"{MOST_VALUES:,}")
        if node.tag not in _PLAIN:
            tag = str(node.tag).replace(_TAG, "!!")
            raise self._error(where=where, got=f"the tag {tag}", allowed="plain YAML without tags")
        if node.tag == _TAG + "timestamp":  # a date is text in YAML 1.2
            node.tag = _TAG + "str"
        if isinstance(node, ScalarNode):
            self._check_text(node, where)
            self._check_number(node, f"{where}: {dotted_path(location)}")
        if isinstance(node, MappingNode):
            _check_keys(node, self._label, self._error)
        for child in children(node):
            if isinstance(child.key, ScalarNode):
                self._check_text(child.key, f"{self._label}:{line_of(child.key)}")
            is_merged = child.key.tag == _TAG + "merge"
            self.check(child.node, (*above, id(node)), location if is_merged else (*location, child.step))

    def _check_text(self, node: ScalarNode, where: str) -> None:
        control = _CONTROL.search(node.value)
        if control:
            raise self._error(
                f"the text has the character U+{ord(control[0]):04X}", where=where, allowed="text"
            )

    def _check_number(self, node: ScalarNode, where: str) -> None:
        is_whole = node.tag == _TAG + "int"
        if not is_whole and node.tag != _TAG + "float":
            return
        number = math.inf
        if not is_whole or len(node.value) <= MOST_DIGITS:
            with suppress(OverflowError):  # an integer beyond the range of floats
                number = float(self._constructor.construct_object(node))
        if not math.isfinite(number):
            got = "a number too large to hold" if is_whole else str(number)
            raise self._error(where=where, got=got, allowed="a finite number")


def _check_keys(node: MappingNode, label: str, error: type[UserError]) -> None:
    first: dict[str, int] = {}
    for key, _ in node.value:
        where = f"{label}:{line_of(key)}"
        if not isinstance(key, ScalarNode) or key.tag not in (_TAG + "str", _TAG + "merge"):
            name = f"the key {key.value}" if isinstance(key, ScalarNode) and key.value else "a key"
            raise error(f"{name} is not text", where=where, allowed="text, in quotes if it is a number")
        if key.value in first:
            raise error(f"duplicate key '{key.value}', already in line {first[key.value]}.", where=where)
        first[key.value] = line_of(key)
