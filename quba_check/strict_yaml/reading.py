"""YAML 1.2 read strictly.

`yes` is text and `1e-3` a number (YAML 1.2). Duplicate keys, `nan`, tags, and keys that are not text are
errors: each of them has meant something else to its author than to a parser.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from quba_check.errors import UserError
from quba_check.strict_yaml.document import Document, Location, children, dotted, line_of

_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge", "timestamp")}


def read_yaml(path: Path, shown: str, error: type[UserError]) -> Document:
    """The content of a YAML file whose top is a mapping.

    Args:
        path: the file.
        shown: how messages call it.
        error: the class of error to raise.

    Returns:
        Plain data and the line of every value.

    Raises:
        UserError: of the class `error`, beginning with `shown:line`. The file is missing, empty, not UTF-8,
            not YAML, or no mapping; or it has a duplicate key, a key that is not text, a number that is not
            finite, a tag, or an alias to itself.
    """
    text = _text(path, shown, error)
    try:
        root, data = _composed(text, shown, error)
    except ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        raise error(f"{shown}:{line}: the file has a character that YAML does not allow.") from None
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = mark.line + 1 if mark else 1
        raise error(f"{shown}:{line}: this is not YAML: {problem.problem or problem.context}.") from None
    except RecursionError:
        raise error(f"{shown}:1: the file is nested too deeply to be read.") from None
    except ValueError as problem:  # a forced type such as `!!int x`, or thousands of digits
        raise error(f"{shown}:1: the file has a value that cannot be read: {problem}.") from None
    document = Document(path, shown, error, data, root)
    _check_numbers(document, data, ())
    return document


def _text(path: Path, shown: str, error: type[UserError]) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise error(f"{shown}: there is no such file.") from None
    except IsADirectoryError:
        raise error(f"{shown}: this is a folder, not a file.") from None
    except OSError as problem:
        raise error(f"{shown}: the file cannot be read: {problem.strerror}.") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        byte = f"0x{content[problem.start]:02x}"
        raise error(f"{shown}:{line}: the file is not UTF-8 text, got the byte {byte}.") from None


def _composed(text: str, shown: str, error: type[UserError]) -> tuple[Node, dict[str, Any]]:
    yaml = YAML(typ="safe", pure=True)
    root = yaml.compose(text)
    if root is None:
        raise error(f"{shown}:1: the file is empty. Allowed: keys with values.")
    if not isinstance(root, MappingNode):
        got = "a list" if isinstance(root, SequenceNode) else f"text '{root.value}'"
        raise error(f"{shown}:{line_of(root)}: got {got}. Allowed: keys with values.")
    _check(root, shown, error)
    data: dict[str, Any] = yaml.constructor.construct_document(root)
    return root, data


def _check(node: Node, shown: str, error: type[UserError], above: tuple[int, ...] = ()) -> None:
    """Refuse what plain data cannot hold, before anything is constructed."""
    where = f"{shown}:{line_of(node)}"
    if id(node) in above:
        raise error(f"{where}: the alias refers to what it stands in.")
    if node.tag not in _PLAIN:
        tag = str(node.tag).replace(_TAG, "!!")
        raise error(f"{where}: got the tag {tag}. Allowed: plain YAML without tags.")
    if node.tag == _TAG + "timestamp":  # a date is text in YAML 1.2
        node.tag = _TAG + "str"
    if isinstance(node, MappingNode):
        _check_keys(node, shown, error)
    for child in children(node):
        _check(child.node, shown, error, (*above, id(node)))


def _check_keys(node: MappingNode, shown: str, error: type[UserError]) -> None:
    first: dict[str, int] = {}
    for key, _ in node.value:
        where = f"{shown}:{line_of(key)}"
        if not isinstance(key, ScalarNode) or key.tag not in (_TAG + "str", _TAG + "merge"):
            name = f"the key {key.value}" if isinstance(key, ScalarNode) and key.value else "a key"
            raise error(f"{where}: {name} is not text. Allowed: text, in quotes where it is a number.")
        if key.value in first:
            raise error(
                f"{where}: duplicate key '{key.value}', it stands in line {first[key.value]} already."
            )
        first[key.value] = line_of(key)


def _check_numbers(document: Document, value: object, location: Location) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _check_numbers(document, item, (*location, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _check_numbers(document, item, (*location, position))
    elif isinstance(value, int | float) and not _is_finite(value):
        got = "a number too large to hold" if isinstance(value, int) else str(value)
        raise document.error(
            f"{document.at(location)}: {dotted(location)}: got {got}. Allowed: a finite number."
        )


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False
