"""Limits in threshold files: new files, and edits of existing ones."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import Node

from quba_check.core.protocols import ProtocolName
from quba_check.demands.fields import as_share
from quba_check.demands.schema import VALUES, value_entry
from quba_check.dimensions import registry
from quba_check.errors import ThresholdError
from quba_check.strict_yaml import Document, Location
from quba_check.strict_yaml.document import children, line_of
from quba_check.strict_yaml.round_trip import (
    append,
    block_text,
    edit,
    flow_mapping,
    line_comment,
    set_line_comment,
)
from quba_check.tuning.suggested_limits import SuggestedLimit

COMMENT_COLUMN = 46
OURS = "# tuned: "
"""Beginning of comments made here, which the next edit replaces."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The text of a threshold file before and after an edit.

    Attributes:
        before: the text before the edit.
        after: the text after the edit.
        absent: dimensions with a suggested limit that the file does not name.
        unlimited: dimensions that the file names without a `min` or `max` to replace.
    """

    before: str
    after: str
    absent: tuple[str, ...] = ()
    unlimited: tuple[str, ...] = ()


def new_threshold_file(
    suggestions: Mapping[str, SuggestedLimit], *, name: str, protocol: ProtocolName
) -> str:
    """Return a new threshold file with a limit and its origin for each dimension."""
    root = CommentedMap(schema=1, name=name, protocol=protocol)
    _add(root, suggestions)
    return block_text(root)


def edit_limits(
    document: Document,
    suggestions: Mapping[str, SuggestedLimit],
    limits: Mapping[Location, SuggestedLimit],
    *,
    add: bool = False,
) -> Edit:
    """Replace the limits of a threshold file; comments, order and quotes stay.

    A comment at the end of the line states the origin, unless the line has a comment of the user.

    Args:
        document: a valid threshold file.
        suggestions: limits by dimension.
        limits: those of the file's bounds, by location.
        add: append dimensions that the file does not name.

    Raises:
        ThresholdError: the file has an anchor, or a comment inside braces.
    """
    _check_anchors(document, document.root)
    entries = document.data.get("dimensions") or {}
    absent = [name for name in suggestions if name not in entries and name not in document.data]

    def change(root: CommentedMap) -> None:
        for (*path, key, bound), suggestion in limits.items():
            _replace(reduce(getitem, path, root), key, str(bound), suggestion)
        if add and absent:
            _add(root, {name: suggestions[name] for name in absent})

    limited = [location[1] for location in limits if location[0] == "dimensions"]
    unlimited = tuple(name for name in suggestions if entries.get(name) is not None and name not in limited)
    return Edit(document.content.decode("utf-8-sig"), edit(document, change), tuple(absent), unlimited)


def unified_diff(before: str, after: str, path: Path) -> str:
    """Return a unified diff of two texts of a file; empty if equal."""
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    return "".join(difflib.unified_diff(old, new, str(path), f"{path} (tuned)", n=1))


def _replace(
    parent: CommentedMap | CommentedSeq, key: str | int, bound: str, suggestion: SuggestedLimit
) -> None:
    """Replace a limit, and the comment on its line unless the user wrote it."""
    entry = parent[key]
    holder, last = (parent, key) if entry.fa.flow_style() else (entry, bound)
    is_new = as_share(entry[bound]) != suggestion.limit
    if is_new:
        entry[bound] = _number(suggestion)
    comment = line_comment(holder, last)
    if comment.startswith(OURS) or (is_new and not comment):
        _explain(holder, last, suggestion)


def _add(root: CommentedMap, suggestions: Mapping[str, SuggestedLimit]) -> None:
    """Append demands on dimensions, each on a line with its origin."""
    block = root.get("dimensions")
    if block is None:
        block = flow_mapping({}) if root.fa.flow_style() else CommentedMap()
    for dimension, suggestion in suggestions.items():
        entry: Any = {_bound(dimension): _number(suggestion)}
        holder = block
        if dimension in VALUES:
            entry = value_entry(dimension, entry)[dimension]
            holder = root
        append(holder, dimension, flow_mapping(entry))
        _explain(holder, dimension, suggestion)
    if "dimensions" in root:
        root["dimensions"] = block
    elif block:
        append(root, "dimensions", block)


def _explain(holder: CommentedMap | CommentedSeq, key: str | int, suggestion: SuggestedLimit) -> None:
    """Write the origin of a limit at the end of its line."""
    if not holder.fa.flow_style():
        set_line_comment(holder, key, f"{OURS}{suggestion.reason}", COMMENT_COLUMN)


def _number(suggestion: SuggestedLimit) -> float:
    number = float(f"{suggestion.limit:.15g}")
    return int(number) if number.is_integer() else number


def _bound(dimension: str) -> str:
    return "min" if registry[dimension].better == "high" else "max"


def _check_anchors(document: Document, node: Node) -> None:
    if node.anchor:
        raise ThresholdError(
            f"the anchor '&{node.anchor}' lets several places share a value, so that none of "
            "them can be tuned alone",
            where=f"{document.label}:{line_of(node)}",
            allowed="values without anchors",
        )
    for child in children(node):
        _check_anchors(document, child.node)
