"""A badge with verdict and grade, as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from quba_check.records.record import Record
from quba_check.records.verdict import OverallVerdict
from quba_check.reports.verdict_labels import verdict_words

LABEL = "QUBA"
LABEL_COLOUR = "#4a505a"
COLOURS: Mapping[OverallVerdict, str] = {
    "pass": "#1a6e34",
    "fail": "#b0261e",
    "uncertain": "#8a5200",
    "partial": "#8a5200",
    "incomplete": "#8a5200",
    "interrupted": "#8a5200",
    "not judged": "#5a626b",
}
"""Background of the verdict. White text on each has a contrast of at least 4.5 to 1 (WCAG 2.2, AA)."""
HEIGHT, RADIUS, FONT_SIZE, PADDING = 20, 3, 11, 6
FONTS = "Verdana,DejaVu Sans,Geneva,sans-serif"
_WIDTHS = {**dict.fromkeys("ijl", 3.1), **dict.fromkeys("frt, ", 4.2), **dict.fromkeys("mw", 9.8)}
_LOWER, _UPPER = 6.7, 7.9
"""Widths of characters in pixels, about those of Verdana at 11 px. `textLength` fits other fonts to them."""


def badge_svg(record: Record) -> str:
    """Return a badge such as `QUBA | pass, grade A`; equal records have equal badges.

    Its title, for screen readers and tooltips, also names model, suite and protocol.
    """
    verdict, message = record.overall_verdict, badge_message(record)
    model = f"{record.model.name} on {record.suite.name}, protocol {record.protocol}"
    title = f"{LABEL}: {message} ({model})"
    left, right = _box_width(LABEL), _box_width(message)
    end = f"h{right - RADIUS}a{RADIUS} {RADIUS} 0 0 1 {RADIUS} {RADIUS}v{HEIGHT - 2 * RADIUS}"
    box = f'width="{left + right}" height="{HEIGHT}"'
    path = f"M{left} 0{end}a{RADIUS} {RADIUS} 0 0 1 -{RADIUS} {RADIUS}H{left}z"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label={quoteattr(title)}>',
        f"<title>{escape(title)}</title>",
        f'<rect {box} rx="{RADIUS}" fill="{LABEL_COLOUR}"/>',
        f'<path d="{path}" fill="{COLOURS[verdict]}"/>',
        f'<g fill="#fff" font-family="{FONTS}" font-size="{FONT_SIZE}" aria-hidden="true">',
        *(_text(start, width, text) for start, width, text in ((0, left, LABEL), (left, right, message))),
        "</g>",
        "</svg>",
    ]
    return "".join(f"{line}\n" for line in lines)


def badge_message(record: Record) -> str:
    """Return verdict and letters, such as `pass, grade A`; the verdict alone if not graded."""
    letters = dict.fromkeys(grade.letter for grade in record.grades if grade.letter is not None)
    grades = f", {'grade' if len(letters) == 1 else 'grades'} {' and '.join(letters)}" if letters else ""
    return verdict_words(record) + grades


def _text(start: int, width: int, text: str) -> str:
    """Return a text in a box, stretched to the width that `_box_width` expects."""
    attributes = f'x="{start + PADDING}" y="14" textLength="{width - 2 * PADDING}"'
    return f'<text {attributes} lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'


def _box_width(text: str) -> int:
    """Return the width in pixels of a box around a text."""
    widths = (_WIDTHS.get(letter, _UPPER if letter.isupper() else _LOWER) for letter in text)
    return round(sum(widths)) + 2 * PADDING
