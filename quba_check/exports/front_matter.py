"""The `model-index` of a model card, edited without changing any other byte."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from quba_check.errors import UserError

KEY = "model-index"
_FRONT_MATTER = re.compile(
    r"(?P<start>\s*---(?:\r\n|\r|\n))(?P<yaml>(?:[\S\s]*?(?:\r\n|\r|\n))??)(?=---[ \t]*(?:\r\n|\n|\Z))"
)
"""As the Hub reads it; in addition, it may be empty."""
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Card:
    """A model card.

    Attributes:
        shown: its name in messages.
        start: the text up to the YAML of its front matter.
        yaml: that YAML; empty if there is none.
        end: the text after it.
        has_front_matter: False for a card of text alone.
    """

    shown: str
    start: str
    yaml: str
    end: str
    has_front_matter: bool

    @classmethod
    def parse(cls, text: str, shown: str) -> Card:
        """Return the parts of a card."""
        match = _FRONT_MATTER.match(text)
        if match is None:
            return cls(shown, "", "", text, has_front_matter=False)
        return cls(shown, match["start"], match["yaml"], text[match.end() :], has_front_matter=True)

    @property
    def line_break(self) -> str:
        """The first line break of the card."""
        match = _LINE_BREAK.search(self.start + self.yaml + self.end)
        return match.group() if match else "\n"

    def with_result(self, model_index: str, is_replaced: Callable[[Any], bool]) -> str:
        """Return the card with a result added to its `model-index`, or replaced.

        Args:
            model_index: YAML of a `model-index` with this result alone, in block style.
            is_replaced: True for an earlier version of the result.

        Raises:
            UserError: the front matter is not YAML, or is written in a style that cannot be edited.
        """
        changed = self._yaml_with_result(model_index.rstrip("\n").split("\n"), is_replaced)
        if self.has_front_matter:
            return self.start + changed + self.end
        fence = f"---{self.line_break}"
        gap = "" if not self.end or _LINE_BREAK.match(self.end) else self.line_break
        return f"{fence}{changed}{fence}{gap}{self.end}"

    def _yaml_with_result(self, lines: list[str], is_replaced: Callable[[Any], bool]) -> str:
        root = self._root()
        if root is None:
            return self.yaml + self._block(lines, 0)
        pair = _pair(root, KEY)
        if pair is None:
            return self.yaml + self._block(lines, root.start_mark.column)
        key, index = pair
        if _is_empty(index):
            return self._yaml_with_value(key, index, lines[1:], root.start_mark.column)
        entry = self._entry(index, is_replaced)
        results_key, results = _pair(entry, "results") or (key, index)
        items = [line[2:] for line in lines[lines.index("  results:") + 1 :]]
        if _is_empty(results):
            return self._yaml_with_value(results_key, results, items, results_key.start_mark.column)
        block = self._block(items, results.start_mark.column)
        spans = [self._span(item) for item in self._items(results)]
        replaced = [
            span for span, item in zip(spans, results.value, strict=True) if is_replaced(_plain(item))
        ]
        place = replaced[0][0] if replaced else spans[-1][1]
        text, last = "", 0
        for start, end in replaced:
            text += self.yaml[last:start] + (block if start == place else "")
            last = end
        return text + self.yaml[last:] if replaced else self.yaml[:place] + block + self.yaml[place:]

    def check(self) -> None:
        """Check that the front matter can be edited.

        Raises:
            UserError: it is not YAML, or no mapping in block style.
        """
        self._root()

    def _root(self) -> MappingNode | None:
        """Return the mapping of the front matter; None if it is empty.

        Raises:
            UserError: it is not YAML, or no mapping in block style.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ReusedAnchorWarning)
                root = YAML(typ="rt", pure=True).compose(self.yaml)
        except RecursionError:
            raise UserError(f"{self.shown}: the front matter is nested too deeply.") from None
        except YAMLError as why:
            mark = why.problem_mark if isinstance(why, MarkedYAMLError) else None
            line = self.start.count("\n") + mark.line + 1 if mark else 1
            raise UserError(f"{self.shown}:{line}: the front matter is not YAML.") from None
        if root is None:
            return None
        if not isinstance(root, MappingNode):
            raise UserError(
                f"{self.shown}: the front matter is not a mapping. Allowed: lines such as license: mit."
            )
        self._refuse_flow_style(root)
        return root

    def _entry(self, index: Node, is_replaced: Callable[[Any], bool]) -> Node:
        """Return the model whose results are edited: that with an earlier version, else the first."""
        entries = self._items(index)
        for entry in entries:
            if any(is_replaced(result) for result in _plain(entry).get("results") or ()):
                return entry
        return entries[0]

    def _items(self, node: Node) -> list[Node]:
        """Return the items of a list in block style."""
        if not isinstance(node, SequenceNode):
            raise UserError(f"{self.shown}: {KEY} is not a list of models with results.")
        self._refuse_flow_style(node)
        items: list[Node] = node.value
        for item in items:
            self._refuse_flow_style(item)
        return items

    def _refuse_flow_style(self, node: Node) -> None:
        if isinstance(node, CollectionNode) and node.flow_style:
            line = self.start.count("\n") + node.start_mark.line + 1
            raise UserError(
                f"{self.shown}:{line}: YAML in brackets cannot be edited in place. "
                "Allowed: one key or item a line."
            )

    def _block(self, lines: list[str], column: int) -> str:
        """Return lines with indentation and the card's line breaks."""
        return "".join(f"{' ' * column}{line}{self.line_break}" for line in lines)

    def _yaml_with_value(self, key: Node, value: Node, lines: list[str], column: int) -> str:
        """Return the YAML with lines in place of the empty value of a key."""
        text = self.yaml
        start, end = value.start_mark.index, value.end_mark.index
        if end > start:
            text = text[:start].rstrip(" ") + text[end:]
        place = _line_end(text, key.end_mark.index)
        return text[:place] + self._block(lines, column) + text[place:]

    def _span(self, item: Node) -> tuple[int, int]:
        """Return the start of an item's first line and the end of its last one."""
        before = self.yaml[: item.start_mark.index]
        start = max(before.rfind("\n"), before.rfind("\r")) + 1
        return start, max(_line_end(self.yaml, leaf.end_mark.index) for leaf in _leaves(item))


def _pair(node: Node, name: str) -> tuple[Node, Node] | None:
    """Return the key and value nodes of a name in a mapping."""
    pairs = node.value if isinstance(node, MappingNode) else []
    return next(((key, value) for key, value in pairs if key.value == name), None)


def _is_empty(node: Node) -> bool:
    """True for a missing value, null, and an empty list."""
    if isinstance(node, ScalarNode):
        return node.value in ("", "~", "null")
    return not node.value


def _leaves(node: Node) -> Iterator[Node]:
    """Yield the scalars below a node, keys included; empty values are skipped."""
    if isinstance(node, ScalarNode):
        if node.value or node.style:
            yield node
    elif not isinstance(node, CollectionNode) or node.flow_style:
        yield node
    else:
        for child in node.value:
            for part in child if isinstance(child, tuple) else (child,):
                yield from _leaves(part)


def _line_end(text: str, position: int) -> int:
    """Return the start of the next line, or the position if a line starts there."""
    if position and text[position - 1] in "\r\n":
        return position
    match = _LINE_BREAK.search(text, position)
    return match.end() if match else len(text)


def _plain(node: Node) -> Any:
    """Return the content of a node as plain text, lists and mappings."""
    if isinstance(node, MappingNode):
        return {key.value: _plain(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [_plain(item) for item in node.value]
    return node.value
