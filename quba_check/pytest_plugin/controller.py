"""The part of the plugin that works where results come together: rows in, records and summary out."""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from quba_check.demo import DEMO_MODELS
from quba_check.errors import BUG_EXIT_CODE, UserError, describe_bug
from quba_check.gate.collector import PlannedDemand, ResultCollector
from quba_check.gate.result import DemandResult
from quba_check.gate.session import GateSession
from quba_check.pytest_plugin.error_lines import one_line_errors
from quba_check.pytest_plugin.items import BUG, ROW, DemandItem, entries
from quba_check.pytest_plugin.options import selects
from quba_check.records.files import record_paths, remove_records, write_images, write_record
from quba_check.records.record import Record
from quba_check.records.verdict import EXIT_CODES
from quba_check.reports.terminal import render

WARNED = "warned"
WIDEST = 120
"""Columns of the widest report: longer lines are hard to read."""


class Controller:
    """Hooks of the one process that sees all reports.

    Args:
        config: the session's configuration.
        run: models, suite and threshold files.
        files: the threshold files, in the order of the command line.

    Attributes:
        records: what the run leaves behind, once it is over.
        paths: file of each record: where the user asked for it, else in the store; None if not written.
        errors: lines about bugs, and about records that could not be written.
        exit_code: by the verdicts; None until the session ends.
    """

    def __init__(self, config: pytest.Config, run: GateSession, files: Sequence[Path]) -> None:
        self._config = config
        self._run = run
        self._files = files
        self._ledger = ResultCollector()
        self._selected: set[str] = set()
        self.records: list[Record] = []
        self.paths: list[Path | None] = []
        self.errors: list[str] = []
        self.exit_code: int | None = None
        self._bugs: list[str] = []
        self._interrupted = False
        self._stopped = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Check that the record can be written; remove that of an earlier run."""
        report = self._run.options.report
        if report is None or self._config.option.collectonly:
            return
        if report.is_dir():
            raise pytest.UsageError(
                f"--quba-report: {report} is a folder. Allowed: a file name that ends in .json."
            )
        try:
            report.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=report.parent):
                pass
        except OSError as error:
            raise pytest.UsageError(
                f"--quba-report: {report} cannot be written ({error.strerror}). "
                "Allowed: a file in a folder that you may write to."
            ) from None
        planned = {(entry.model, self._run.protocol_of(entry.thresholds)) for entry in self._entries()}
        with one_line_errors():
            remove_records(report, planned)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn what was selected, in a run of one process."""
        self._selected |= {item.nodeid for item in session.items if isinstance(item, DemandItem)}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Learn what was selected by the workers."""
        self._selected |= set(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the row of a judged demand, or why it has none."""
        if (bug := getattr(report, BUG, None)) is not None:
            self._bugs.append(bug)
        text = getattr(report, ROW, None)
        if text is not None:
            with one_line_errors():
                self._ledger.add(DemandResult.model_validate_json(text))
        elif (reason := _reason_without_verdict(report)) is not None:
            self._ledger.crashed[report.nodeid] = reason

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        """Count apart a demand that is not met and only warns."""
        text = getattr(report, ROW, None)
        if text is None or not report.passed or not DemandResult.model_validate_json(text).warns:
            return None
        return WARNED, "w", ("WARNED", {"yellow": True})

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Remember that the user stopped the run; xdist's own -x comes here too, as another type."""
        self._interrupted |= excinfo.type is KeyboardInterrupt
        self._stopped |= issubclass(excinfo.type, KeyboardInterrupt) and not self._interrupted

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the records, whatever the outcome, and set the exit code by their verdicts."""
        if self._stopped and session.testsfailed:  # -x of xdist, which would end as an interrupt does
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if not self._files:
            return
        try:
            if not self._config.option.collectonly:
                self._write_records(session)
        except Exception as error:  # noqa: BLE001  the last guard: no traceback reaches the user
            self._bugs.append(describe_bug(error))
        self.errors += self._bugs[:1]
        self.exit_code = session.exitstatus = self._exit_code(session)

    def _entries(self) -> list[PlannedDemand]:
        """The demands of all threshold files, selected or not."""
        return list(entries(self._run, self._files))

    def _write_records(self, session: pytest.Session) -> None:
        planned = self._entries()
        if self._selected and not selects(self._config):  # what is missing was removed behind the user's back
            self._selected |= {entry.node for entry in planned}
        self.records = self._ledger.records(
            self._run,
            planned,
            self._selected,
            interrupted=self._interrupted,
            stopped=self._interrupted or bool(session.shouldstop or session.shouldfail),
        )
        self.paths = [None] * len(self.records)
        images = [self._ledger.images_of(record) for record in self.records]
        for path, record in self._places():
            try:
                write_record(record, path)
                write_images(images[self.records.index(record)], path)
            except UserError as error:
                self.errors.append(str(error))
            else:
                self.paths[self.records.index(record)] = path

    def _exit_code(self, session: pytest.Session) -> int:
        """Return pytest's exit code for its own errors, else that of the verdicts.

        Changes that other plugins and conftest.py files made to the items do not count: a code of 0 needs a
        record in which every selected blocking demand allows the release.
        """
        if self._bugs:
            return BUG_EXIT_CODE
        status, failed = int(session.exitstatus), pytest.ExitCode.TESTS_FAILED
        if status not in (pytest.ExitCode.OK, failed, pytest.ExitCode.NO_TESTS_COLLECTED):
            return status
        verdicts = [record.overall_verdict for record in self.records] or ["not judged"]
        worst = max(verdicts, key=list(EXIT_CODES).index)
        code = 0 if worst == "partial" else EXIT_CODES[worst]  # a selection is the user's choice
        blocked = sum(row.blocks for record in self.records for row in record.verdicts)
        failed_otherwise = (
            session.testsfailed > blocked or bool(self.errors) or (code == 0 and status == failed)
        )
        return int(failed) if failed_otherwise else code

    def _places(self) -> Iterator[tuple[Path, Record]]:
        """Where records go: a copy into the store, and where the user says. Made while they are written."""
        for record in self.records:
            # The process's number keeps runs apart that end in the same second.
            yield _unused(self._run.store / "runs" / f"{record.stem}-{os.getpid()}.json"), record
        report = self._run.options.report
        if report is not None:
            yield from zip(record_paths(report, self.records), self.records, strict=True)


class Summary:
    """Tells of the records, once, between pytest's sections of failures and its closing lines.

    pytest calls the implementations of a hook around its own; taking the judged demands out of its section of
    failures and putting them back for its closing lines takes two, hence the plugin within.

    Args:
        controller: whose records are told.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._failed: list[Any] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> Generator[None, None, None]:
        """Leave judged demands out of the section of failures: they are explained under the table."""
        stats = terminalreporter.stats
        self._failed = stats.pop("failed", [])
        others = [report for report in self._failed if not hasattr(report, ROW)]
        if others:
            stats["failed"] = others
        yield

    def tell(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Write the reports, and give pytest its failures back."""
        if self._failed:
            terminalreporter.stats["failed"] = self._failed
        writer = config.get_terminal_writer()
        encoding = getattr(sys.__stdout__, "encoding", None) or "ascii"
        for record, path in zip(self._controller.records, self._controller.paths, strict=True):
            terminalreporter.section(f"quba-check {record.model.name}")
            text = render(
                record,
                width=min(writer.fullwidth, WIDEST),
                colour=writer.hasmarkup,
                ascii=not encoding.lower().startswith("utf"),
            )
            terminalreporter.write("\n".join([text.rstrip(), *_next_steps(record, path), ""]))
        if not self._controller.records:
            terminalreporter.write_line("quba-check: no demand was judged")
        for line in self._controller.errors:
            terminalreporter.write_line(f"ERROR: {line}", red=True)


class SummaryWithin:
    """The inner half of `Summary`."""

    def __init__(self, summary: Summary) -> None:
        self._summary = summary

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, config: pytest.Config
    ) -> None:
        """Tell, where pytest's plugins have their turn."""
        self._summary.tell(terminalreporter, config)


def _next_steps(record: Record, path: Path | None) -> Iterator[str]:
    """Yield the path of the record and, after the demo, a command to start with."""
    if path is not None:
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        yield f"record: {shown}"
    if record.model.spec in DEMO_MODELS:
        yield "next, your own model: pytest --model=my_model.pt --quba-data=DIR"


def _reason_without_verdict(report: pytest.TestReport) -> str | None:
    """Return the reason for a missing verdict from a test report, if any."""
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
        return f"its item was skipped ({str(reason).removeprefix('Skipped: ')})"
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        text = str(crash.message if crash is not None else report.longrepr).strip()
        return text.splitlines()[0] if text else "its item failed"
    if report.when == "call":
        return "its item ended without a verdict; a plugin or a conftest.py changed it"
    return None


def _unused(path: Path) -> Path:
    """The path itself, or with a number where there is such a file."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(place for place in itertools.chain([path], numbered) if not place.exists())
