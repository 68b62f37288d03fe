"""The origin of the numbers: data, versions, hashes, files and commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from quba_check.comparison.stored_run import StoredRun
from quba_check.messages import listed, one_line, visible
from quba_check.page.columns import Column
from quba_check.records.measurement import MeasurementRow, NotMeasuredRow, UnmeasurableRow
from quba_check.records.provenance import FindingRow, InputRow
from quba_check.records.record import ComputeRow, Record
from quba_check.reports.gate_command import gate_command
from quba_check.reports.notes import record_notes

MOST_VIEWS = 4
"""Largest number of views named with their common hash."""
LONGEST_TEXT = 20_000
"""Largest length of a file shown in full, in characters."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A dimension without a value.

    Attributes:
        dimension: its name.
        reason: the reason.
    """

    dimension: str
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding of the doctor.

    Attributes:
        severity: `problem` or `remark`.
        title: the finding in a line.
        text: its details.
    """

    severity: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that the run read.

    Attributes:
        kind: its role, such as `threshold file`.
        path: its path.
        digest: its sha256; empty if unknown.
        text: its text; empty if it is not stored.
        cut: number of characters that are left out at the end.
    """

    kind: str
    path: str
    digest: str
    text: str
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """Data and provenance of a record.

    Attributes:
        column: the record.
        missing: dimensions without a value.
        notes: notes of the run.
        findings: findings of the doctor; None if the record stores none.
        facts: names and values of versions, settings and hashes.
        hashes: content hashes of model files and image sets, each with the names that share it.
        inputs: the files that the run read.
        commands: commands that measure again, judge again and make this page again.
    """

    column: Column
    missing: tuple[Missing, ...]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...] | None
    facts: tuple[tuple[str, str], ...]
    hashes: tuple[tuple[str, str], ...]
    inputs: tuple[InputFile, ...]
    commands: tuple[tuple[str, str], ...]


def sources(columns: Sequence[Column], baseline: StoredRun | None = None) -> tuple[Source, ...]:
    """Return data and provenance of each record."""
    files = [column.run.file for column in columns]
    words = [*files, *([] if baseline is None else ["--baseline", baseline.file])]
    again = f"quba-check report {shlex.join(words)} -o report.html"
    return tuple(_source(column, again) for column in columns)


def set_rows(columns: Sequence[Column]) -> tuple[tuple[str, ...], ...]:
    """Return the sets of all records: name, then images for each record."""
    names = dict.fromkeys(name for column in columns for name in column.record.suite.sets)
    return tuple((name, *(_images(column.record, name) for column in columns)) for name in names)


def _images(record: Record, name: str) -> str:
    row = record.suite.sets.get(name)
    if row is None:
        return "–"
    text = f"{row.images:,}"
    if row.found is not None:
        text += f" of {row.found:,}"
    count = row.images if row.found is None else row.found
    if row.expected is not None and row.expected != count:
        text += f", {row.expected:,} expected"
    return text if row.generated is None else f"{text}, {row.generated}"


def _source(column: Column, again: str) -> Source:
    record = column.record
    is_examined = "findings" in record.model_fields_set
    return Source(
        column=column,
        missing=tuple(_missing(record)),
        notes=record_notes(record),
        findings=tuple(map(_finding, record.findings)) if is_examined else None,
        facts=tuple((name, one_line(value)) for name, value in _facts(record)),
        hashes=tuple((value, name) for name, value in _hashes(record)),
        inputs=tuple(_input(one) for one in record.inputs),
        commands=(*_commands(column), ("Make this page again", again)),
    )


def _missing(record: Record) -> Iterator[Missing]:
    for name, row in record.measurements.items():
        match row:
            case UnmeasurableRow():
                yield Missing(name, row.unmeasurable)
            case NotMeasuredRow():
                yield Missing(name, "no selected demand needs it")
            case MeasurementRow(stopped=stopped) if stopped is not None:
                yield Missing(name, str(stopped))


def _finding(row: FindingRow) -> Finding:
    return Finding(row.severity, row.title, row.text)


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    model, suite, environment = record.model, record.suite, record.environment
    yield "model", model.spec
    yield "parameters", f"{model.parameters:,}"
    yield "classes", f"{model.classes:,}"
    yield "outputs", model.outputs or "unknown"
    yield "preprocessing", "; ".join(f"{name} {_plain(value)}" for name, value in model.preparation.items())
    fast_sets = [name for name, row in suite.sets.items() if row.preprocessing == "fast"]
    if fast_sets:
        yield "prepared by the faster code", f"JPEG files of {', '.join(fast_sets)}"
    yield "suite", f"{suite.name} at {suite.root}"
    yield "protocol", record.protocol
    yield "images of each set", "all" if record.limit is None else f"at most {record.limit:,}"
    yield "corruptions of each image", suite.sample
    yield "seed", str(environment.seed)
    yield "device", f"{environment.device}, {environment.precision}"
    if environment.compute is not None:
        yield "compute settings", compute_text(environment.compute)
    yield "time", environment.time
    yield "commit", environment.git or "unknown"
    yield "versions", ", ".join(f"{name} {number}" for name, number in environment.versions.items())


def compute_text(row: ComputeRow) -> str:
    """Return the settings of a run's passes in words."""
    formats = [
        row.precision,
        *(["channels_last"] if row.channels_last else []),
        *(["compiled"] if row.compiled else []),
        *([f"batches of {row.batch_size}"] if row.batch_size else []),
    ]
    probe = f", {row.gain:.2f} times as fast, {row.flipped} of {row.images} answers flipped"
    return f"{', '.join(formats)} ({row.reason}{probe if row.images else ''})"


def _plain(value: Any) -> str:
    """Return a value of JSON without brackets.

    >>> _plain([3, 48, 48])
    '3 48 48'
    """
    return " ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)


def _hashes(record: Record) -> Iterator[tuple[str, str]]:
    yield "model", record.model.fingerprint
    yield "suite", record.suite.fingerprint
    if record.suite.classes is not None:
        yield "class list", record.suite.classes
    for name, digest in record.model.files.items():
        yield f"file {name} (sha256)", digest
    views: dict[str, list[str]] = {}
    for view, digest in record.suite.contents.items():
        views.setdefault(digest, []).append(view)
    for digest, names in views.items():
        yield f"images of {listed(names, MOST_VIEWS)}", digest


def _input(row: InputRow) -> InputFile:
    text = visible((row.text or "").replace("\t", "    "), "\n").rstrip("\n")
    return InputFile(
        kind=row.kind,
        path=row.path,
        digest=row.sha256,
        text=text[:LONGEST_TEXT],
        cut=max(len(text) - LONGEST_TEXT, 0),
    )


def _commands(column: Column) -> Iterator[tuple[str, str]]:
    file = shlex.quote(column.run.file)
    yield "Measure again", one_line(shlex.join(gate_command(column.record)))
    yield "Print the verdict again, with the exit code of the gate", f"quba-check verdict {file}"
