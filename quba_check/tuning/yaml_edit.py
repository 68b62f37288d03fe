"""Limits in threshold files: new files, and edits that leave all other bytes unchanged.

Edits are made in the text: a round trip through ruamel.yaml also changes spacing, `null` and line endings.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from quba_check.core.protocols import ProtocolName
from quba_check.dimensions import registry
from quba_check.errors import ThresholdError
from quba_check.strict_yaml import Document
from quba_check.strict_yaml.document import children, end_of, line_of
from quba_check.tuning.suggested_limits import SuggestedLimit

COMMENT_COLUMN = 44
OURS = "tuned: "
"""Beginning of comments made here, which the next edit replaces."""
_BREAK = re.compile(r"[\r\n\x85\u2028\u2029]|$")
_BYTE_ORDER_MARK = "\ufeff"


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
    lines = ["schema: 1", f"name: {name}", f"protocol: {protocol}", "dimensions:", *_lines(suggestions, "  ")]
    return "\n".join(lines) + "\n"


def edit_limits(document: Document, suggestions: Mapping[str, SuggestedLimit], *, add: bool = False) -> Edit:
    """Replace the limits of a threshold file, and leave every other byte unchanged.

    A comment at the end of the line states the origin, unless the line has a comment of the user. Keys set to
    null stay null.

    Args:
        document: a valid threshold file.
        suggestions: limits by dimension.
        add: append dimensions that the file does not name.

    Raises:
        ThresholdError: the file has an anchor, or no place where lines can be added.
    """
    _check_anchors(document, document.root)
    before = document.path.read_bytes().decode("utf-8")
    mark = _BYTE_ORDER_MARK if before.startswith(_BYTE_ORDER_MARK) else ""
    text = before.removeprefix(mark)
    entries = document.data.get("dimensions") or {}
    limits = [
        _Limit(dimension, suggestion, node, entries[dimension][_bound(dimension)] != suggestion.limit)
        for dimension, suggestion in suggestions.items()
        if (entries.get(dimension) or {}).get(_bound(dimension)) is not None
        and isinstance(node := _inside(document.root, "dimensions", dimension, _bound(dimension)), ScalarNode)
    ]
    changes = [(limit.start, limit.end, _number(limit.suggestion)) for limit in limits if limit.is_new]
    limits.sort(key=lambda limit: limit.start)
    for _, on_line in groupby(limits, key=lambda limit: limit.start - limit.column):
        changes += _reason(text, list(on_line), document.root)
    absent = {
        dimension: suggestion for dimension, suggestion in suggestions.items() if dimension not in entries
    }
    if add and absent:
        changes.append(_addition(text, document, absent))
    replaced = {limit.dimension for limit in limits}
    unlimited = tuple(name for name in suggestions if entries.get(name) is not None and name not in replaced)
    return Edit(before, mark + _changed(text, changes), tuple(absent), unlimited)


def unified_diff(before: str, after: str, path: Path) -> str:
    """Return a unified diff of two texts of a file; empty if equal."""
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    return "".join(difflib.unified_diff(old, new, str(path), f"{path} (tuned)", n=1))


_Change = tuple[int, int, str]
"""Start and end in a text, and the replacement."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit of a file, with its replacement."""

    dimension: str
    suggestion: SuggestedLimit
    node: ScalarNode
    is_new: bool

    @property
    def start(self) -> int:
        return int(self.node.start_mark.index)

    @property
    def end(self) -> int:
        return int(self.node.end_mark.index)

    @property
    def column(self) -> int:
        return int(self.node.start_mark.column)

    @property
    def growth(self) -> int:
        return len(_number(self.suggestion)) - (self.end - self.start) if self.is_new else 0


def _reason(text: str, limits: list[_Limit], root: Node) -> Iterator[_Change]:
    """Yield the comment on a line's limits, unless it has a comment of the user."""
    first, last = limits[0], limits[-1]
    begin = first.start - first.column
    end = _BREAK.search(text, last.end).start()  # type: ignore[union-attr]  # the end matches always
    scalars = [(node.start_mark.index, node.end_mark.index) for node in _scalars(root)]

    def is_in_scalar(index: int) -> bool:
        return any(start <= index < stop for start, stop in scalars)

    comment = next(
        (index for index in range(last.end, end) if text[index] == "#" and not is_in_scalar(index)), None
    )
    content_end = len(text[: end if comment is None else comment].rstrip(" \t"))
    width = content_end - begin + sum(limit.growth for limit in limits)
    if comment is None:
        if is_in_scalar(end) or not any(limit.is_new for limit in limits):
            return
        gap = max(0, COMMENT_COLUMN - width) + 2
    elif text.startswith(f"# {OURS}", comment):
        gap = max(min(2, comment - content_end), comment - begin - width)
    else:
        return
    reasons = [f"{limit.dimension} {limit.suggestion.reason}" for limit in limits]
    reason = first.suggestion.reason if len(limits) == 1 else "; ".join(reasons)
    yield content_end, end, f"{' ' * gap}# {OURS}{reason}"


def _addition(text: str, document: Document, suggestions: Mapping[str, SuggestedLimit]) -> _Change:
    """Return the change that appends dimensions to the file."""
    root, dimensions = document.root, _inside(document.root, "dimensions")
    last, indent, heading = root, "  ", ["dimensions:"]
    if isinstance(dimensions, MappingNode) and dimensions.value:
        last, indent, heading = dimensions, " " * dimensions.value[0][0].start_mark.column, []
    if getattr(last, "flow_style", False) or (dimensions is not None and heading):
        raise ThresholdError(
            f"{document.at(('dimensions',))}: the dimensions are empty or in braces, where no lines can be "
            f"added. Add them yourself: {', '.join(_entry(*item) for item in suggestions.items())}"
        )
    ending = "\r\n" if "\r\n" in text else "\n"
    place = _BREAK.search(text, end_of(last).index).start()  # type: ignore[union-attr]
    return place, place, "".join(ending + line for line in [*heading, *_lines(suggestions, indent)])


def _lines(suggestions: Mapping[str, SuggestedLimit], indent: str) -> list[str]:
    """Return a line of a block mapping for each dimension."""
    return [
        f"{indent + _entry(name, suggestion):<{COMMENT_COLUMN}}  # {OURS}{suggestion.reason}"
        for name, suggestion in suggestions.items()
    ]


def _entry(dimension: str, suggestion: SuggestedLimit) -> str:
    return f"{dimension}: {{{_bound(dimension)}: {_number(suggestion)}}}"


def _number(suggestion: SuggestedLimit) -> str:
    return f"{suggestion.limit:.15g}"


def _bound(dimension: str) -> str:
    return "min" if registry[dimension].better == "high" else "max"


def _changed(text: str, changes: list[_Change]) -> str:
    parts, place = [], 0
    for start, end, new in sorted(changes, key=lambda change: change[:2]):
        parts += [text[place:start], new]
        place = end
    return "".join([*parts, text[place:]])


def _inside(node: Node | None, *steps: str) -> Node | None:
    """Return the node under some keys; None if missing."""
    for step in steps:
        # The last one counts: the keys of a mapping merged by `<<` come before the file's own.
        nodes = [child.node for child in children(node) if child.step == step] if node else []
        node = nodes[-1] if nodes else None
    return node


def _scalars(node: Node) -> Iterator[ScalarNode]:
    """Yield the scalar keys and values inside a node."""
    if isinstance(node, ScalarNode):
        yield node
    for child in children(node):
        if child.key is not child.node:
            yield from _scalars(child.key)
        yield from _scalars(child.node)


def _check_anchors(document: Document, node: Node) -> None:
    if node.anchor:
        raise ThresholdError(
            f"{document.shown}:{line_of(node)}: the anchor '&{node.anchor}' lets several places share a "
            "value, so that none of them can be tuned alone. Allowed: values without anchors."
        )
    for child in children(node):
        _check_anchors(document, child.node)
