"""Changes since the baseline: paired differences, and images lost and gained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from quba_check.comparison.compare import compare
from quba_check.comparison.misclassified import Flip, flips
from quba_check.comparison.stored_run import StoredRun
from quba_check.errors import UserError
from quba_check.messages import listed
from quba_check.page.columns import Column
from quba_check.records.comparison import ChangeRow
from quba_check.reports.comparison import answers_line

MOST_FLIPS = 60
"""Largest number of flipped images in the lists of all records."""
MOST_WITH_PARTS = 2
"""Largest number of records with a table of the changes of parts."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of one record.

    Attributes:
        column: the record.
        baseline: name and date of the baseline.
        problem: the reason why the two cannot be compared; else empty.
        rows: changes of dimensions, each followed by those of its parts for few records.
        notes: notes of the comparison.
        flipped: the flipped images, lost ones first; some of them if there are many.
        lost: number of images that only the baseline classifies correctly; None if unknown.
        gained: number of images that only the record classifies correctly; None if unknown.
        command: command that writes all flipped images.
        unknown: the reason why the flipped images are unknown; else empty.
    """

    column: Column
    baseline: str
    problem: str = ""
    rows: tuple[ChangeRow, ...] = ()
    notes: tuple[str, ...] = ()
    flipped: tuple[Flip, ...] = ()
    lost: int | None = None
    gained: int | None = None
    command: str = ""
    unknown: str = ""

    @property
    def summary(self) -> str:
        """The changes in a line."""
        if self.problem:
            return f"not comparable with {self.baseline}"
        rows = [row for row in self.rows if row.part is None]
        counts = Counter(row.finding for row in rows)
        names = [row.dimension for row in rows if row.finding == "worse"]
        parts = [f"worse: {listed(names, 3)}"] if names else []
        parts += [f"{counts['better']} better"] if counts["better"] else []
        parts = parts or ["no dimension changed by more than noise"]
        if self.lost is not None:
            parts.append(f"{self.lost:,} images lost, {self.gained:,} gained")
        return "; ".join(parts)

    @property
    def hidden(self) -> int:
        """Number of flipped images that are not in the list."""
        return (self.lost or 0) + (self.gained or 0) - len(self.flipped)


def changes(columns: Sequence[Column], baseline: StoredRun | None) -> tuple[Changes, ...]:
    """Return the changes of each record; empty without baseline."""
    return () if baseline is None else tuple(_changes(column, baseline, len(columns)) for column in columns)


def _changes(column: Column, baseline: StoredRun, records: int) -> Changes:
    name = f"{baseline.record.model.name} ({baseline.file})"
    try:
        comparison = compare(baseline, column.run)
    except UserError as why:
        return Changes(column, name, problem=str(why))
    try:
        flipped, unknown = flips(baseline, column.run), ""
    except UserError as why:
        flipped, unknown = [], str(why)
    shown = [flip for kind in ("lost", "gained") for flip in flipped if flip.kind == kind]
    answers = comparison.answers
    notes = filter(None, (answers_line(comparison), *comparison.notes))
    own, other = f"{column.run.file}: ", f"{baseline.file}: "
    return Changes(
        column,
        name,
        rows=tuple(row for row in comparison.changes if row.part is None or records <= MOST_WITH_PARTS),
        notes=tuple(
            note.replace(own, f"{column.name}: ").replace(other, "baseline: ")
            for note in notes
            if not note.startswith(f"{own}this run fails its own demands")
        ),
        flipped=tuple(shown[: MOST_FLIPS // records]),
        lost=None if answers is None else answers.lost,
        gained=None if answers is None else answers.gained,
        command=f"quba-check compare {quote(baseline.file)} {quote(column.run.file)} --flips flips.csv",
        unknown=unknown,
    )


def better_model(columns: Sequence[Column]) -> str:
    """Return a sentence that compares two models; empty for any other number.

    >>> better_model([])
    ''
    """
    if len(columns) != 2:
        return ""
    first, second = columns
    try:
        rows = [row for row in compare(first.run, second.run).changes if row.part is None]
    except UserError as why:
        return str(why)
    claims = {
        "worse": f"{first.short} is better at ",
        "better": f"{second.short} is better at ",
        "within noise": "no difference is shown in ",
    }
    at = {key: ", ".join(row.dimension for row in rows if row.finding == key) for key in (*claims, "same")}
    parts = [claim + at[key] for key, claim in claims.items() if at[key]]
    sentences = [f"At 95 % confidence, {'; '.join(parts)}."] if parts else []
    return " ".join(sentences + ([f"Equal: {at['same']}."] if at["same"] else []))
