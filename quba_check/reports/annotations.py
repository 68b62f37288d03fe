"""Unmet demands as annotations: workflow commands for GitHub, and a report of links for GitLab."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from quba_check.messages import listed
from quba_check.records.record import Record
from quba_check.records.verdict import Tier, VerdictRow
from quba_check.reports.tables import json_text
from quba_check.reports.verdict_labels import LABELS, label, release_line

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
    unmet = [row for row in record.verdicts if not row.is_met]
    for row in sorted(unmet, key=lambda row: LABELS.index(label(row))):
        title = f"{label(row)} {row.name} ({name})"
        path = locate(row)
        line = None if path is None else row.line  # the text names a file outside the repository
        text = row.message or f"{row.target}: {row.outcome}"
        level = "warning" if row.outcome == "waived" else _BY_TIER[row.tier]
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
