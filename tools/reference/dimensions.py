"""The page of the nine dimensions: units, images and parts."""

from __future__ import annotations

import re
from fractions import Fraction

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, Dimension
from quba_check.core.facts import SuiteFacts
from quba_check.dimensions import registry
from quba_check.suites.opening import published_facts
from tools.reference.markdown import code, codes, page, table


def dimensions_page() -> str:
    """Return the page."""
    suite = published_facts()
    dimensions = [registry[name] for name in PUBLISHED_DIMENSIONS]
    summary = table(
        ("dimension", "better", "unit", "weight", "images"),
        [
            (
                f"[{code(dimension.name)}](#{dimension.name})",
                dimension.better,
                dimension.unit,
                str(Fraction(dimension.weight).limit_denominator(12)),
                _images(dimension, suite),
            )
            for dimension in dimensions
        ],
    )
    return page(
        "Dimensions: units, images, parts",
        "Formulas, pitfalls and sources: [the nine dimensions](../dimensions.md). Weights: "
        "[the score](../dimensions.md#how-is-the-score-computed).",
        summary,
        "`shifts` are all sets that a [manifest](../data.md) lists under that key. Parts with a direction "
        "can be demanded in a [threshold file](../thresholds.md): `parts: {fog: {min: 0.6}}`.",
        *(_section(dimension, suite) for dimension in dimensions),
    )


def _section(dimension: Dimension, suite: SuiteFacts) -> str:
    rows: dict[tuple[str, str, str], list[str]] = {}
    for part in dimension.parts(suite):
        kind = (part.better or "reported only", part.unit, general_title(part.title, suite))
        rows.setdefault(kind, []).append(part.name)
    parts = table(
        ("part", "better", "unit", "meaning"), [(codes(names), *kind) for kind, names in rows.items()]
    )
    notes = {
        "accuracy": "Only in suites of more than five classes:",
        "ood_robustness": f"For each shifted set of the suite, here of {suite.name}:",
    }
    note = [notes[dimension.name]] if dimension.name in notes else []
    return "\n\n".join([f"## {dimension.name}", *note, parts])


def general_title(title: str, suite: SuiteFacts) -> str:
    """Return the title of a part with NAME for its set or corruption, and N for its severity.

    >>> general_title("relative accuracy at severity 3", published_facts())
    'relative accuracy at severity N'
    """
    names = (*suite.shifts, *(name.replace("_", " ") for name in suite.corruptions))
    title = re.sub(rf"\b({'|'.join(map(re.escape, names))})\b", "NAME", title)
    return re.sub(r"severity \d", "severity N", title)


def _images(dimension: Dimension, suite: SuiteFacts) -> str:
    views = dimension.views(suite)
    if not views:
        return "none"
    corrupted = [view for view in views if view.corruption]
    others = dict.fromkeys(
        "shifts" if view.set in suite.shifts else str(view) for view in views if not view.corruption
    )
    names = len({view.corruption for view in corrupted})
    severities = len({view.severity for view in corrupted})
    shown = [code(view) for view in others]
    if corrupted:
        shown.append(f"`corruptions` ({names} corruptions × {severities} severities)")
    return ", ".join(shown)
