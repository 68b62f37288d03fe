"""The origin of the numbers: data, versions, hashes, files and commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.view import CLEAN_SET
from quba_check.messages import grouped, listed, one_line, visible
from quba_check.page.columns import Column
from quba_check.records.measurement import MeasurementRow, UnmeasurableRow
from quba_check.records.record import ComputeRow, InputRow, Record
from quba_check.reports.verdict_labels import DIGITS, NAMES_SHOWN

MOST_VIEWS = 4
"""Largest number of views named with their common hash."""


def set_rows(columns: Sequence[Column]) -> tuple[tuple[str, ...], ...]:
    """Return the sets of all records: name, then images for each record.

    Numbers that all records share stand once.
    """
    names = dict.fromkeys(name for column in columns for name in column.record.suite.sets)
    rows = tuple((name, *(_images(column.record, name) for column in columns)) for name in names)
    return tuple(row[:2] for row in rows) if all(len({*row[1:]}) == 1 for row in rows) else rows


def doctor_lines(record: Record) -> list[str]:
    """Return a sentence on missing findings of the doctor; none if it has some."""
    if "findings" not in record.model_fields_set:
        return ["The record stores no findings of the doctor. Examine the setup with `quba-check doctor`."]
    return [] if record.findings else ["The doctor found no problem before the run."]


def _images(record: Record, name: str) -> str:
    row = record.suite.sets.get(name)
    if row is None:
        return "–"
    count = row.images if row.found is None else row.found
    text = f"{row.images:,}" if row.found is None else f"{row.images:,} of {row.found:,}"
    if row.expected is not None and row.expected != count:
        text += f", {row.expected:,} expected"
    return text if row.generated is None else f"{text}, {row.generated}"


def missing_values(record: Record) -> dict[str, list[str]]:
    """Return the dimensions without a value over all images, by the reason."""
    return grouped(
        (row.unmeasurable if isinstance(row, UnmeasurableRow) else "no selected demand needs it", name)
        for name, row in record.measurements.items()
        if not isinstance(row, MeasurementRow)
    )


def readable_time(time: str) -> str:
    """Return a time of a record in words; other text unchanged.

    >>> readable_time("2026-01-02T03:04:05+00:00"), readable_time("2026-12-31T23:59:00+01:00")
    ('2 Jan 2026, 03:04 UTC', '31 Dec 2026, 23:59 UTC+01:00')
    >>> readable_time("yesterday")
    'yesterday'
    """
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return time
    return f"{moment.day} {moment:%b %Y, %H:%M %Z}".strip()


def card_facts(record: Record) -> Iterator[tuple[str, str]]:
    """Yield names and values that identify a run: its model file, images, time and commit."""
    files = [f"{name} SHA-256 {digest[:DIGITS]}…" for name, digest in record.model.files.items()]
    clean = record.suite.sets.get(CLEAN_SET)
    groups = f" in {clean.groups:,} groups" if clean and clean.groups else ""
    yield "Model file", listed(files, NAMES_SHOWN)
    yield "Test images", f"{clean.images:,}{groups}" if clean else ""
    time = readable_time(record.environment.time)
    yield "Measured", f"{time} on {record.suite.name}, protocol {record.protocol}"
    yield "Commit", (record.environment.git or "")[:DIGITS]


def facts(record: Record) -> Iterator[tuple[str, str]]:
    """Yield names and values of versions, settings and hashes."""
    model = record.model
    suite = record.suite
    environment = record.environment
    yield "model", model.spec
    yield "parameters", f"{model.parameters:,}"
    yield "classes", f"{model.classes:,}"
    yield "outputs", model.outputs or "unknown"
    yield "preprocessing", "; ".join(f"{name} {_plain(value)}" for name, value in model.preprocessing.items())
    fast_sets = [name for name, row in suite.sets.items() if row.preprocessing == "fast"]
    if fast_sets:
        yield "prepared by the faster code", f"JPEG files of {', '.join(fast_sets)}"
    yield "suite", f"{suite.name} at {suite.root}"
    yield "protocol", record.protocol
    yield "images of each set", "all" if record.limit is None else f"at most {record.limit:,}"
    yield "corruptions of each image", suite.sample
    yield "seed", str(environment.seed)
    yield "device", environment.arithmetic
    if environment.compute is not None:
        yield "compute settings", compute_text(environment.compute)
    if record.predictions is not None:
        yield "predictions", record.predictions.text
    yield "time", environment.time
    yield "commit", environment.git or "unknown"
    yield "versions", ", ".join(f"{name} {number}" for name, number in environment.versions.items())


def compute_text(row: ComputeRow) -> str:
    """Return the settings of a run's passes in words."""
    batches = f"batches of {row.batch_size}" if row.batch_size else ""
    formats = (
        "channels_last" if row.channels_last else "",
        row.runtime if row.runtime != "torch" else "",
        batches,
    )
    check = f", {row.flipped} of {row.images} answers flipped" if row.images else ""
    return f"{', '.join(filter(None, (row.precision, *formats)))} ({row.reason}{check})"


def _plain(value: Any) -> str:
    """Return a value of JSON without brackets.

    >>> _plain([3, 48, 48])
    '3 48 48'
    """
    return " ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)


def hashes(record: Record) -> Iterator[tuple[str, str]]:
    """Yield the content hashes of model files and image sets after their names."""
    yield "model", record.model.fingerprint
    yield "suite", record.suite.fingerprint
    if record.suite.classes is not None:
        yield "class list", record.suite.classes
    for name, digest in record.model.files.items():
        yield f"file {name} (sha256)", digest
    views = grouped((digest, view) for view, digest in record.suite.images.items())
    for digest, names in views.items():
        yield f"images of {listed(names, MOST_VIEWS)}", digest


def input_text(row: InputRow) -> str:
    """Return the stored text of a file that the run read."""
    return visible((row.text or "").replace("\t", "    "), "\n").rstrip("\n")


def commands(
    column: Column, columns: Sequence[Column], baseline: StoredRun | None
) -> Iterator[tuple[str, str]]:
    """Yield words and commands that measure, judge and show the record again."""
    files = [column.run.file for column in columns]
    words = [*files, *([] if baseline is None else ["--baseline", baseline.file])]
    command = column.record.command
    if command:
        yield "Measure again", one_line(shlex.join(command))
    verdict = f"quba-check verdict {shlex.quote(column.run.file)}"
    yield "Print the verdict again, with the exit code of the gate", verdict
    yield "Make this page again", f"quba-check report {shlex.join(words)} -o report.html"
