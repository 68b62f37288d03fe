"""The part of the plugin that works where results come together: rows in, records and summary out."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from quba_check.items import ROW, DemandItem, entries
from quba_check.ledger import Ledger
from quba_check.protocol.record import Record
from quba_check.reports.files import record_paths, write_record
from quba_check.reports.terminal import render
from quba_check.run import Row, Run

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
    """

    def __init__(self, config: pytest.Config, run: Run, files: Sequence[Path]) -> None:
        self._config = config
        self._run = run
        self._files = files
        self._ledger = Ledger()
        self._selected: set[str] = set()
        self.records: list[Record] = []
        self._interrupted = False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn what was selected, in a run of one process."""
        self._selected |= {item.nodeid for item in session.items if isinstance(item, DemandItem)}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Learn what was selected by the workers."""
        self._selected |= set(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the row of a judged demand."""
        text = getattr(report, ROW, None)
        if text is not None:
            self._ledger.add(Row.model_validate_json(text))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        """Count apart a demand that is not met and only warns."""
        text = getattr(report, ROW, None)
        if text is None or not report.passed or not Row.model_validate_json(text).warns:
            return None
        return WARNED, "w", ("WARNED", {"yellow": True})

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Remember that the user stopped the run; xdist's own -x comes here too, as another type."""
        self._interrupted |= excinfo.type is KeyboardInterrupt

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Write the records, whatever the outcome."""
        if self._config.option.collectonly:
            return
        selected = [entry for entry in entries(self._run, self._files) if entry.node in self._selected]
        if not selected:
            return
        self.records = self._ledger.records(self._run, selected, interrupted=self._interrupted)
        for record in self.records:
            when = _compact(record.environment.time)
            name = f"{when}-{record.model.fingerprint[:8]}-{record.protocol}.json"
            write_record(record, self._run.store / "runs" / name)
        report = self._run.options.report
        if report is not None:
            for record, path in zip(self.records, record_paths(report, self.records), strict=True):
                write_record(record, path)


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
        for record in self._controller.records:
            terminalreporter.section(f"quba-check {record.model.name}")
            text = render(
                record,
                width=min(writer.fullwidth, WIDEST),
                colour=writer.hasmarkup,
                ascii=not encoding.lower().startswith("utf"),
            )
            terminalreporter.write(text.rstrip() + "\n")


class SummaryWithin:
    """The inner half of `Summary`."""

    def __init__(self, summary: Summary) -> None:
        self._summary = summary

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, config: pytest.Config
    ) -> None:
        """Tell, where pytest's plugins have their turn."""
        self._summary.tell(terminalreporter, config)


def _compact(time: str) -> str:
    """An ISO time that can stand in a file name."""
    return time.replace(":", "").replace("-", "").removesuffix("+0000")
