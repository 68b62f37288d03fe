"""Edits of YAML files by ruamel's round trip: comments, order and quotes stay."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.nodes import MappingNode
from ruamel.yaml.tokens import CommentToken
from ruamel.yaml.util import load_yaml_guess_indent

from quba_check.strict_yaml.document import Document, children


def edit(document: Document, change: Callable[[CommentedMap], None]) -> str:
    """Return the text of a document after a change of its content.

    Spacing may change; line breaks and indentation are those of the file. Without a change nothing differs.

    Args:
        document: a valid file.
        change: changes its content.

    Raises:
        UserError: the file has a comment inside braces, which would be lost.
    """
    text = document.content.decode("utf-8-sig")
    line_break = "\r\n" if "\r\n" in text else "\n"
    text = text.replace("\r\n", "\n")
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, sys.maxsize
    data: CommentedMap = yaml.load(text)
    _, sequence, offset = load_yaml_guess_indent(text)
    nested = (
        child.node.value[0][0].start_mark.column
        for child in children(document.root)
        if isinstance(child.node, MappingNode) and child.node.value and not child.node.flow_style
    )
    yaml.indent(next(nested, 2), *((sequence, offset) if offset is not None else ()))
    unchanged = _dump(yaml, data)
    change(data)
    changed = _dump(yaml, data)
    if changed == unchanged:
        changed = text
    elif unchanged.count("#") < text.count("#"):
        raise document.error(
            "a comment inside braces would be lost",
            where=document.label,
            allowed="comments outside of braces",
        )
    return changed.replace("\n", line_break)


def flow_mapping(content: Mapping[str, object]) -> CommentedMap:
    """Return a mapping that is written in braces."""
    mapping = CommentedMap(content)
    mapping.fa.set_flow_style()
    return mapping


def flow_text(content: Mapping[str, object]) -> str:
    """Return keys with values in one line.

    >>> flow_text({"set": ["clean", "fog"], "agreement": {"min": 0.9}})
    'set: [clean, fog], agreement: {min: 0.9}'
    """
    yaml = YAML()
    yaml.width = sys.maxsize
    yaml.default_flow_style = True
    return _dump(yaml, content).strip()[1:-1]


def block_text(content: CommentedMap) -> str:
    """Return the text of a file with some content."""
    yaml = YAML()
    yaml.width = sys.maxsize
    return _dump(yaml, content)


def append(mapping: CommentedMap, key: str, value: object) -> None:
    """Append a key; comments after the last line of a block stay after it."""
    rest = ""
    if mapping and (token := _token(*_last_line(mapping))) is not None:
        own, _, rest = token.value.partition("\n")
        token.value = f"{own}\n"
    mapping[key] = value
    if rest:
        holder, last = _last_line(mapping)
        token = _token(holder, last)
        if token is None:
            _set_token(holder, last, token := CommentToken("\n", CommentMark(0)))
        token.value += rest


def line_comment(holder: CommentedBase, key: str | int) -> str:
    """Return the comment behind a key or list item; empty without one."""
    token = _token(holder, key)
    return token.value.partition("\n")[0] if token else ""


def set_line_comment(holder: CommentedBase, key: str | int, comment: str, column: int) -> None:
    """Write a comment at the end of the line of a key or list item.

    One that replaces another keeps its column.
    """
    token = _token(holder, key)
    own, _, rest = token.value.partition("\n") if token else ("", "", "")
    mark = token.start_mark if token and own else CommentMark(column)
    _set_token(holder, key, CommentToken(f"{comment}\n{rest}", mark))


def _token(holder: Any, key: Any) -> CommentToken | None:
    """Return the comment after a value, with the lines that follow it."""
    token: CommentToken | None = (holder.ca.items.get(key) or [None] * 4)[_place(holder)]
    return token


def _set_token(holder: Any, key: Any, token: CommentToken) -> None:
    holder.ca.items[key] = [None] * 4
    holder.ca.items[key][_place(holder)] = token


def _place(holder: Any) -> int:
    """Return the place of the comment behind a key or list item."""
    return 0 if isinstance(holder, CommentedSeq) else 2


def _last_line(mapping: CommentedMap) -> tuple[Any, Any]:
    """Return the collection and the key of the last line of a mapping."""
    node: Any = mapping
    while True:
        last = list(node)[-1] if isinstance(node, dict) else len(node) - 1
        child = node[last]
        if not isinstance(child, CommentedBase) or not child or child.fa.flow_style():
            return node, last
        node = child


def _dump(yaml: YAML, data: object) -> str:
    stream = io.StringIO()
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.dump(data, stream)
    return stream.getvalue()
