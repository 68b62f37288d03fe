"""Findings as lines of text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from quba_check.doctor.finding import Finding


def shown(finding: Finding, width: int, prefix: str = "") -> Iterator[str]:
    """The lines of a finding in so many columns, the first with a prefix; words are not broken."""
    for line in f"{prefix}{finding.text()}".splitlines():
        yield from wrapped(line, width)


def note(finding: Finding) -> str:
    """A finding as a remark of a record, on one line."""
    fix = " ".join(finding.fix.split())
    return f"doctor: {finding.problem}" + (f" To mend it: {fix}." if fix else "")


def wrapped(line: str, width: int) -> list[str]:
    """A line in as many as it takes, the further ones two columns further in."""
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(
        line, width, subsequent_indent=f"{indent}  ", break_long_words=False, break_on_hyphens=False
    ) or [""]
