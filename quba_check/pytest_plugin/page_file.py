"""The page of a run, as `--quba-html` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quba_check.comparison.stored_run import StoredRun, stored_run
from quba_check.errors import UserError
from quba_check.gate.session import GateSession
from quba_check.records.files import write_text
from quba_check.records.record import Record


def write_page(gate: GateSession, records: Sequence[Record], paths: Sequence[Path | None]) -> list[str]:
    """Write the page of all records, compared with the run's baseline.

    Args:
        gate: options, suite and baseline of the run.
        records: the records of the run.
        paths: the file of each record; None if it was not written.

    Returns:
        Errors about the page; empty if it was written or not asked for.
    """
    html = gate.options.html
    if html is None or not records:
        return []
    from quba_check.page.pictures import Pictures, make_pictures
    from quba_check.page.render import render_page
    from quba_check.suites.set_images import SetImages

    try:
        runs = stored_runs(gate, records, paths)
        pictures: Pictures = {}
        if gate.options.pictures is not None:
            sources = [SetImages(gate.suite)] * len(runs)
            pictures = make_pictures(runs, sources, gate.options.pictures, baseline=gate.baseline)
        write_text(render_page(runs, baseline=gate.baseline, pictures=pictures), html)
    except UserError as error:
        return [str(error)]
    return []


def stored_runs(
    gate: GateSession, records: Sequence[Record], paths: Sequence[Path | None]
) -> list[StoredRun]:
    """Return the records of the run with their per-image results, if they were written.

    Raises:
        UserError: the per-image results cannot be read.
    """
    return [
        stored_run(path, shown_path(path), record, gate.options.store_place)
        if path
        else StoredRun("this run", record)
        for record, path in zip(records, paths, strict=True)
    ]


def shown_path(path: Path) -> str:
    """Return a path relative to the working folder, if it lies in it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
