"""A record on CI hosts: annotations of GitHub and GitLab, and a badge as SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from quba_check.messages import listed
from quba_check.records.record import Record
from quba_check.records.verdict import OverallVerdict, Tier, VerdictRow
from quba_check.reports.tables import json_text
from quba_check.reports.verdict_labels import LABELS, label, release_line, verdict_words

MOST = 9
"""Largest number of annotations, with one more for the rest: GitHub shows ten of each level."""
SECTION = "quba-check"
"""Name of the section in GitLab's report."""
LEVELS = ("error", "warning", "notice")
"""Levels of annotations on GitHub, the most severe first."""
_BY_TIER: Mapping[Tier, str] = {"block": "error", "warn": "warning", "info": "notice"}
Locate = Callable[[VerdictRow], str | None]
"""Returns the path of a demand's threshold file in the repository; None if it is outside."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation of a file's line.

    Attributes:
        level: `error`, `warning` or `notice`.
        title: one line: the verdict, the demand and the model.
        text: explanation, possibly of several lines.
        path: the file in the repository; None if it is outside.
        line: line (1-based) of the file.
    """

    level: str
    title: str
    text: str
    path: str | None = None
    line: int | None = None


def unmet_demands(records: Sequence[Record], locate: Locate) -> list[Annotation]:
    """Return at most ten annotations, blocking demands first.

    A run without a verdict that allows the release has one too, if no demand of it has.

    Args:
        records: the records.
        locate: finds the threshold file of a demand.
    """
    each = [annotation for record in records for annotation in _of_record(record, locate)]
    each.sort(key=lambda annotation: LEVELS.index(annotation.level))
    rest = each[MOST:]
    if not rest:
        return each
    text = f"Also not met: {listed([annotation.title for annotation in rest], MOST)}."
    return [*each[:MOST], Annotation(rest[0].level, f"quba-check: {len(rest)} more", text)]


def github_commands(records: Sequence[Record], locate: Locate) -> str:
    """Return annotations as workflow commands of GitHub Actions, one per line."""
    return "".join(f"{_command(annotation)}\n" for annotation in unmet_demands(records, locate))


def gitlab_report(
    records: Sequence[Record], locate: Locate, *, source: str, page: str = "", job: str = ""
) -> str:
    """Return annotations as a report for `artifacts:reports:annotations` of GitLab.

    GitLab shows links only, so each annotation links to its line in the repository.

    Args:
        records: the records.
        locate: finds the threshold file of a demand.
        source: address of the repository's files at the commit, without a slash at the end.
        page: address of the report page, if any, which gets a link of its own.
        job: address of the job. Annotations without a file link to the page, else to the job.
    """
    links = [(page, "Report page")] if page else []
    for annotation in unmet_demands(records, locate):
        url = page or job or source
        if annotation.path is not None:
            url = f"{source}/{quote(annotation.path)}#L{annotation.line}"
        headline = annotation.text.partition("\n")[0]
        links.append((url, f"{annotation.title}: {headline}"))
    items = [{"external_link": {"label": text, "url": url}} for url, text in links]
    return json_text({SECTION: items}, is_ascii=True)


def _of_record(record: Record, locate: Locate) -> Iterator[Annotation]:
    name = record.model.name
    unmet = [row for row in record.verdicts if not row.is_met or row.has_needless_waiver]
    for row in sorted(unmet, key=lambda row: LABELS.index(label(row))):
        title = f"{label(row)} {row.shown_name} ({name})"
        path = locate(row)
        line = None if path is None else row.line  # the text names a file outside the repository
        needless = f"It needs no waiver: remove it. {row.waiver}" if row.has_needless_waiver else ""
        text = needless or row.message or f"{row.shown_target}: {row.outcome}"
        level = "warning" if needless or row.outcome == "waived" else _BY_TIER[row.tier]
        yield Annotation(level, title, text, path, line)
    verdict = record.overall_verdict
    if verdict != "pass" and not any(row.blocks for row in unmet):
        level = "warning" if verdict == "partial" else "error"
        yield Annotation(level, f"quba-check: {name}", release_line(record))


def _command(annotation: Annotation) -> str:
    properties = {"file": annotation.path, "line": annotation.line, "title": annotation.title}
    stated = ",".join(
        f"{name}={str(value).translate(_IN_PROPERTIES)}"
        for name, value in properties.items()
        if value is not None
    )
    return f"::{annotation.level} {stated}::{annotation.text.translate(_IN_TEXT)}"


_IN_TEXT = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTIES = {**_IN_TEXT, **str.maketrans({":": "%3A", ",": "%2C"})}


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
HEIGHT = 20
RADIUS = 3
FONT_SIZE = 11
PADDING = 6
FONTS = "Verdana,DejaVu Sans,Geneva,sans-serif"
_WIDTHS = {**dict.fromkeys("ijl", 3.1), **dict.fromkeys("frt, ", 4.2), **dict.fromkeys("mw", 9.8)}
_LOWER = 6.7
_UPPER = 7.9
"""Widths of characters in pixels, about those of Verdana at 11 px. `textLength` fits other fonts to them."""


def badge_svg(record: Record) -> str:
    """Return a badge such as `QUBA | pass, grade A`; equal records have equal badges.

    Its title, for screen readers and tooltips, also names model, suite and protocol.
    """
    verdict = record.overall_verdict
    message = badge_message(record)
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
