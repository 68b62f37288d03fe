"""Limits written into a threshold file: a new one, or one that people wrote, with its comments and order."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.tokens import CommentToken

from quba_check.dimensions import registry
from quba_check.protocol.settings import ProtocolName
from quba_check.tuning.floors import Floor

COMMENT_COLUMN = 44
OURS = "tuned: "
"""What a comment begins with that is written here, and written anew with the next limit."""


def written(floors: Mapping[str, Floor], *, name: str, protocol: ProtocolName) -> str:
    """A new threshold file with a limit for each dimension, and beside it where it comes from."""
    lines = ["schema: 1", f"name: {name}", f"protocol: {protocol}", "dimensions:"]
    for dimension, floor in floors.items():
        entry = f"  {dimension}: {{{_bound(dimension)}: {floor.limit:.15g}}}"
        lines.append(f"{entry:<{COMMENT_COLUMN}}  # {OURS}{floor.reason}")
    return "\n".join(lines) + "\n"


def edited(text: str, floors: Mapping[str, Floor]) -> str:
    """A threshold file with the limits put in; all else, comments and order included, stays as it is.

    A dimension that the file does not demand is added at the end of its dimensions. Where a limit comes from
    is said beside it, unless somebody has written something of their own there.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    dimensions = document.setdefault("dimensions", CommentedMap())
    for dimension, floor in floors.items():
        entry = dimensions.get(dimension)
        if entry is None:
            entry = CommentedMap()
            entry.fa.set_flow_style()
            dimensions[dimension] = entry
        if entry.get(_bound(dimension)) != floor.limit:
            entry[_bound(dimension)] = floor.limit
            if not (dimensions.ca.items.get(dimension) or entry.ca.items or entry.ca.comment):
                dimensions.yaml_add_eol_comment(OURS + floor.reason, dimension, column=COMMENT_COLUMN)
        for comments in (dimensions.ca.items.get(dimension), entry.ca.items.get(_bound(dimension))):
            if comments and comments[2] is not None:
                _renew(comments[2], floor.reason)
    out = StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _renew(comment: CommentToken, reason: str) -> None:
    """Put another reason into a comment that was written here; what follows it belongs to others."""
    first, end, others = comment.value.partition("\n")
    if first.startswith(f"# {OURS}"):
        comment.value = f"# {OURS}{reason}{end}{others}"


def difference(before: str, after: str, path: Path) -> str:
    """A unified diff of two texts of a file; empty where they are equal."""
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    return "".join(difflib.unified_diff(old, new, str(path), f"{path} (tuned)", n=1))


def _bound(dimension: str) -> str:
    return "min" if registry[dimension].better == "high" else "max"
