"""Records that commands read, and texts that they write."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from quba_check.comparison.stored_run import StoredRun, stored_run
from quba_check.core.facts import SuiteFacts
from quba_check.demands.bounds import today
from quba_check.demands.demand import Thresholds
from quba_check.errors import OptionError, UserError
from quba_check.records.baselines import approved_record, project_root
from quba_check.records.files import IMAGES_SUFFIX, read_record, write_bytes
from quba_check.records.record import Record
from quba_check.reports.tables import fit_encoding
from quba_check.storage.locations import default_location, local_folder

Place = str | Path | None
"""A folder or URL; None for the default one."""


def read_run(path: Path, store: Place) -> StoredRun:
    """Read a record with its per-image results.

    Args:
        path: the record.
        store: store to search for the per-image results; None for the default one.
    """
    return stored_run(path, str(path), read_record(path), store or default_location())


def stated_baseline(thresholds: Thresholds, store: Place) -> StoredRun | None:
    """Return the baseline that a threshold file states; None if none is approved."""
    if thresholds.baseline is None:
        return None
    location = store or default_location()
    path = approved_record(thresholds.baseline, project_root(), local_folder(location))
    return None if path is None else read_run(path, location)


def facts_of(record: Record | None) -> SuiteFacts:
    """Return the suite facts of a record; None stands for the published suite."""
    from quba_check.suites.opening import published_facts
    from quba_check.tuning.record_facts import suite_facts

    return suite_facts(record) if record else published_facts()


def check_waivers(record: Record, path: Path) -> None:
    """Refuse a record with a waiver that has expired since its run.

    Raises:
        UserError: it has one.
    """
    for row in record.verdicts:
        if row.outcome == "waived" and row.waiver is not None and row.waiver.until < today():
            raise UserError(
                f"{path}: the waiver of {row.name} has expired, got {row.waiver.until}. Allowed: {today()} "
                "or later. Run the gate again."
            )


def check_not_read(output: Path | None, records: Iterable[Path], option: str = "--output") -> None:
    """Refuse to write over a record of the same command, or over its per-image file.

    Args:
        output: the file to write; None for standard output.
        records: the records that are read.
        option: name of the output's option in messages.

    Raises:
        OptionError: the output is one of them.
    """
    inputs = (file for path in records for file in (path, path.with_suffix(IMAGES_SUFFIX)))
    if output is not None and output.absolute() in [file.absolute() for file in inputs]:
        raise OptionError(f"got '{output}', which this command reads", where=option, allowed="another file")


def progress_bars() -> Progress:
    """Return progress bars on standard error, which show on a terminal alone."""
    return Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def write_output(content: str | bytes, output: Path | None = None) -> None:
    """Write content to a file, else a text to standard output."""
    data = content.encode() if isinstance(content, str) else content
    if output is not None:
        write_bytes(data, output)
    else:
        sys.stdout.write(fit_encoding(data.decode(), sys.stdout.encoding))
