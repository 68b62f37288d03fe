"""Page and summaries of a run: the user's files, and the job's page on GitHub."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from quba_check.comparison.stored_run import THIS_RUN, StoredRun, stored_run
from quba_check.errors import OptionError, UserError
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import shown_path
from quba_check.pytest_plugin.options import one_line_errors
from quba_check.records.files import WRITABLE_FILE, check_replaceable, write_text
from quba_check.records.record import Record
from quba_check.reports.markdown import compared_run, markdown_summary
from quba_check.storage.user_files import os_errors

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""Environment variable with the path of the summary page of a job's step."""


def check_writable(path: Path, flag: str, *, removes: bool = False) -> None:
    """Refuse a file that cannot be written or replaced; create its folder.

    Args:
        path: the file.
        flag: the option.
        removes: remove the file of an earlier run, so that a killed run leaves none.
    """
    with one_line_errors():
        check_replaceable(path, flag)
        with os_errors(f"{path} cannot be written", OptionError, where=flag, allowed=WRITABLE_FILE):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.parent):
                pass
            if removes:
                path.unlink(missing_ok=True)


def write_results(
    gate: GateSession, records: Sequence[Record], paths: Sequence[Path | None]
) -> tuple[Path | None, list[str], list[str]]:
    """Write page and summaries, as far as the options and the environment ask for them.

    Args:
        gate: options, suite and baseline of the run.
        records: the records of the run.
        paths: the file of each record; None if it was not written.

    Returns:
        The page, if written; errors about the user's files, and warnings about the page of the job.
    """
    page = None
    errors = list[str]()
    warnings = list[str]()
    html = gate.options.html
    markdown = gate.options.markdown
    job = os.environ.get(STEP_SUMMARY)
    if not records or not (html or markdown or job):
        return page, errors, warnings
    with collected_errors(errors):
        store = gate.options.store_location
        runs = [
            stored_run(path, shown_path(path, Path.cwd()), record, store)
            if path
            else StoredRun(THIS_RUN, record)
            for record, path in zip(records, paths, strict=True)
        ]
        if html is not None:
            with collected_errors(errors):
                _write_page(gate, runs, html)
                page = html
        compared = [compared_run(run, gate.approved.run) for run in runs]
        text = markdown_summary(compared, page="" if page is None else shown_path(page, Path.cwd()))
        if markdown is not None:
            write_text(text, markdown)
        if job:
            try:
                with Path(job).open("a", encoding="utf-8") as file:
                    file.write(f"{text}\n")
            except OSError as why:
                warnings.append(f"${STEP_SUMMARY}: the summary cannot be written ({why.strerror})")
    return page, errors, warnings


@contextmanager
def collected_errors(errors: list[str]) -> Iterator[None]:
    """Add the message of a user's error to a list, and continue."""
    try:
        yield
    except UserError as error:
        errors.append(str(error))


def _write_page(gate: GateSession, runs: Sequence[StoredRun], html: Path) -> None:
    from quba_check.page.pictures import PicturesByDemand, make_pictures
    from quba_check.page.render import render_page
    from quba_check.suites.set_images import SetImages

    pictures: PicturesByDemand = {}
    if gate.options.pictures is not None:
        sources = [SetImages(gate.suite)] * len(runs)
        pictures = make_pictures(runs, sources, gate.options.pictures, baseline=gate.approved.run)
    write_text(render_page(runs, baseline=gate.approved.run, pictures=pictures), html)
