"""Markdown summaries of a run: the user's file, and the job's page on GitHub."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from quba_check.errors import UserError
from quba_check.gate.session import GateSession
from quba_check.pytest_plugin.page_file import shown_path, stored_runs
from quba_check.records.files import write_text
from quba_check.records.record import Record
from quba_check.reports.markdown import compared_run, markdown_summary

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""Environment variable with the path of the summary page of a job's step."""


def remove_earlier(path: Path, flag: str) -> None:
    """Remove the file of an earlier run, so that a killed run leaves none."""
    try:
        path.unlink(missing_ok=True)
    except OSError as why:
        raise pytest.UsageError(
            f"{flag}: {path} belongs to another run and cannot be removed ({why.strerror}). "
            "Allowed: a file in a folder that you may write to."
        ) from None


def write_summaries(
    gate: GateSession, records: Sequence[Record], paths: Sequence[Path | None], page: Path | None = None
) -> tuple[list[str], list[str]]:
    """Write the summaries that the options and the environment ask for.

    Args:
        gate: options and baseline of the run.
        records: the records of the run.
        paths: the file of each record; None if it was not written.
        page: the page of the run, if written.

    Returns:
        Errors about the user's file, and warnings about the page of the job.
    """
    markdown, step_summary = gate.options.markdown, os.environ.get(STEP_SUMMARY)
    if not records or (markdown is None and not step_summary):
        return [], []
    try:
        runs = [compared_run(run, gate.baseline) for run in stored_runs(gate, records, paths)]
    except UserError as error:
        return [str(error)], []
    text = markdown_summary(runs, page="" if page is None else shown_path(page))
    errors, warnings = [], []
    if markdown is not None:
        try:
            write_text(text, markdown)
        except UserError as error:
            errors.append(str(error))
    if step_summary:
        try:
            with Path(step_summary).open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")
        except OSError as why:
            warnings.append(f"${STEP_SUMMARY}: the summary cannot be written ({why.strerror})")
    return errors, warnings
