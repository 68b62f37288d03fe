"""Limits written into a threshold file: a new one, or one of somebody, whose other bytes stay."""

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
"""What a comment begins with that is written here, and written anew with the next limit."""
_BREAK = re.compile(r"[\r\n\x85\u2028\u2029]|$")
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Edit:
    """A threshold file before and after limits were put in.

    Attributes:
        before: the text as it was.
        after: the text as it is to be.
        absent: dimensions with a limit that the file does not name.
        unlimited: dimensions that it names without the `min` or `max` that was to be put in.
    """

    before: str
    after: str
    absent: tuple[str, ...] = ()
    unlimited: tuple[str, ...] = ()


def new_threshold_file(floors: Mapping[str, SuggestedLimit], *, name: str, protocol: ProtocolName) -> str:
    """A new threshold file with a limit for each dimension, and beside it where it comes from."""
    lines = ["schema: 1", f"name: {name}", f"protocol: {protocol}", "dimensions:", *_lines(floors, "  ")]
    return "\n".join(lines) + "\n"


def edit_limits(document: Document, floors: Mapping[str, SuggestedLimit], *, add: bool = False) -> Edit:
    """A threshold file with the limits put in where it has one already; every other byte stays as it is.

    Where a limit comes from is said at the end of its line, unless somebody has written something of their
    own there. What the file sets to null stays dropped.

    Args:
        document: the file, in which no mistake was found.
        floors: limits by dimension.
        add: put dimensions that the file does not name at the end of its dimensions.

    Raises:
        ThresholdError: the file has an anchor, or no place where lines can be added.
    """
    _check_anchors(document, document.root)
    before = document.path.read_bytes().decode("utf-8")
    mark = _BYTE_ORDER_MARK if before.startswith(_BYTE_ORDER_MARK) else ""
    text = before.removeprefix(mark)
    named = document.data.get("dimensions") or {}
    limits = [
        _Limit(dimension, floor, node, named[dimension][_bound(dimension)] != floor.limit)
        for dimension, floor in floors.items()
        if (named.get(dimension) or {}).get(_bound(dimension)) is not None
        and isinstance(node := _inside(document.root, "dimensions", dimension, _bound(dimension)), ScalarNode)
    ]
    changes = [(limit.start, limit.end, _number(limit.floor)) for limit in limits if limit.is_new]
    limits.sort(key=lambda limit: limit.start)
    for _, on_line in groupby(limits, key=lambda limit: limit.start - limit.column):
        changes += _reason(text, list(on_line), document.root)
    absent = {dimension: floor for dimension, floor in floors.items() if dimension not in named}
    if add and absent:
        changes.append(_addition(text, document, absent))
    known = {limit.dimension for limit in limits}
    unlimited = tuple(name for name in floors if named.get(name) is not None and name not in known)
    return Edit(before, mark + _changed(text, changes), tuple(absent), unlimited)


def unified_diff(before: str, after: str, path: Path) -> str:
    """A unified diff of two texts of a file; empty where they are equal."""
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    return "".join(difflib.unified_diff(old, new, str(path), f"{path} (tuned)", n=1))


_Change = tuple[int, int, str]
"""Start and end in a text, and what is to stand there."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit that a file has, and the one to be put in its place."""

    dimension: str
    floor: SuggestedLimit
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
        return len(_number(self.floor)) - (self.end - self.start) if self.is_new else 0


def _reason(text: str, limits: list[_Limit], root: Node) -> Iterator[_Change]:
    """The comment at the end of a line, about the limits on it; none where somebody else's stands."""
    first, last = limits[0], limits[-1]
    begin = first.start - first.column
    end = _BREAK.search(text, last.end).start()  # type: ignore[union-attr]  # the end matches always
    scalars = [(node.start_mark.index, node.end_mark.index) for node in _scalars(root)]

    def is_in_scalar(index: int) -> bool:
        return any(start <= index < stop for start, stop in scalars)

    comment = next(
        (index for index in range(last.end, end) if text[index] == "#" and not is_in_scalar(index)), None
    )
    kept = len(text[:comment].rstrip(" \t")) if comment is not None else len(text[:end].rstrip(" \t"))
    width = kept - begin + sum(limit.growth for limit in limits)
    if comment is None:
        if is_in_scalar(end) or not any(limit.is_new for limit in limits):
            return
        gap = max(0, COMMENT_COLUMN - width) + 2
    elif text.startswith(f"# {OURS}", comment):
        gap = max(min(2, comment - kept), comment - begin - width)
    else:
        return
    said = (
        first.floor.reason
        if len(limits) == 1
        else "; ".join(f"{limit.dimension} {limit.floor.reason}" for limit in limits)
    )
    yield kept, end, f"{' ' * gap}# {OURS}{said}"


def _addition(text: str, document: Document, floors: Mapping[str, SuggestedLimit]) -> _Change:
    """New dimensions after the last one of the file."""
    root, dimensions = document.root, _inside(document.root, "dimensions")
    after, indent, head = root, "  ", ["dimensions:"]
    if isinstance(dimensions, MappingNode) and dimensions.value:
        after, indent, head = dimensions, " " * dimensions.value[0][0].start_mark.column, []
    if getattr(after, "flow_style", False) or (dimensions is not None and head):
        raise ThresholdError(
            f"{document.at(('dimensions',))}: the dimensions are empty or in braces, where no lines can be "
            f"added. Add them yourself: {', '.join(_entry(*item) for item in floors.items())}"
        )
    ending = "\r\n" if "\r\n" in text else "\n"
    place = _BREAK.search(text, end_of(after).index).start()  # type: ignore[union-attr]
    return place, place, "".join(ending + line for line in [*head, *_lines(floors, indent)])


def _lines(floors: Mapping[str, SuggestedLimit], indent: str) -> list[str]:
    """A line for each dimension, as it stands in a block."""
    return [
        f"{indent + _entry(name, floor):<{COMMENT_COLUMN}}  # {OURS}{floor.reason}"
        for name, floor in floors.items()
    ]


def _entry(dimension: str, floor: SuggestedLimit) -> str:
    return f"{dimension}: {{{_bound(dimension)}: {_number(floor)}}}"


def _number(floor: SuggestedLimit) -> str:
    return f"{floor.limit:.15g}"


def _bound(dimension: str) -> str:
    return "min" if registry[dimension].better == "high" else "max"


def _changed(text: str, changes: list[_Change]) -> str:
    parts, place = [], 0
    for start, end, new in sorted(changes, key=lambda change: change[:2]):
        parts += [text[place:start], new]
        place = end
    return "".join([*parts, text[place:]])


def _inside(node: Node | None, *steps: str) -> Node | None:
    """The node that keys lead to; None where it is not there."""
    for step in steps:
        # The last one counts: where `<<` merges a mapping, the file's own keys follow the merged ones.
        found = [child.node for child in children(node) if child.step == step] if node else []
        node = found[-1] if found else None
    return node


def _scalars(node: Node) -> Iterator[ScalarNode]:
    """Keys and values inside a node that are no collections."""
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
            "value, so that none of them can be tuned alone. Allowed: values written out where they stand."
        )
    for child in children(node):
        _check_anchors(document, child.node)
