"""The plugin's part in the controller process: results are collected into records and a summary."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from quba_check.demo import DEMO_MODELS
from quba_check.errors import BUG_EXIT_CODE, describe_bug
from quba_check.gate.collector import DemandResult, ResultCollector
from quba_check.gate.preflight import RunPlan, plan_run
from quba_check.gate.progress import run_time_left
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import PlannedDemand, shown_path
from quba_check.pytest_plugin.hooks import BUG, RESULT, USES_MODEL, DemandItem, text_width, write_lines
from quba_check.pytest_plugin.options import STARTED, model_flag, one_line_errors, selects
from quba_check.pytest_plugin.progress_line import ProgressLine
from quba_check.pytest_plugin.result_files import check_writable, collected_errors, write_results
from quba_check.records.files import (
    IMAGES_SUFFIX,
    check_is_no_baseline,
    record_paths,
    write_images,
    write_record,
)
from quba_check.records.record import Record
from quba_check.records.verdict import EXIT_CODES, worst_verdict
from quba_check.reports.plan import plan_lines, plan_table, saving_line
from quba_check.reports.tables import fit_encoding, wrap_text
from quba_check.reports.terminal import render
from quba_check.storage.atomic import write_atomically
from quba_check.storage.store import content_hash

WARNED = "warned"
NEXT_STEP = "next, your own model: pytest {}=my_model.pt --quba-data=DIR"
"""Printed after a run of the demo, with the option for the model."""
_REPORT_CHARACTERS = "fE"
"""pytest's own value of `-r`."""


class Controller:
    """Hooks of the process that receives all reports.

    Args:
        config: pytest's configuration.
        gate: models, suite and threshold files.
        progress: the progress of the run.

    Attributes:
        records: a record for each model and protocol; empty until the session ends.
        paths: file of each record: the user's, else the copy in the store; None if not written.
        page: the page of the run; None if not written.
        errors: messages about a bug, and about files that could not be written.
        warnings: messages about what does not change the outcome.
        exit_code: by the verdicts; None until the session ends.
        is_model_tested: a test that requests the fixture `quba` was executed.
    """

    def __init__(self, config: pytest.Config, gate: GateSession, progress: ProgressLine) -> None:
        self._config = config
        self._gate = gate
        self._progress = progress
        self._collector = ResultCollector()
        self._selected: set[str] = set()
        self.records: list[Record] = []
        self.paths: list[Path | None] = []
        self.page: Path | None = None
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.exit_code: int | None = None
        self.is_model_tested = False
        self._bugs: list[str] = []
        self._plan: RunPlan | None = None
        self._failed: list[Any] = []
        self._interrupted = False
        self._stopped = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Check that the files can be written; remove page and summary of an earlier run."""
        if self._config.option.collectonly or self._gate.options.plan:
            return
        for name in ("markdown", "html", "record"):
            path = getattr(self._gate.options, name)
            if path is not None:
                # An earlier record was removed at the start of the process.
                check_writable(path, f"--quba-{name}", removes=name != "record")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the selected demands of a run with one process, and print the plan."""
        self._select({item.nodeid for item in session.items if isinstance(item, DemandItem)})

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Send the start of the run to a worker.

        Both then use the same listing of a remote data folder.
        """
        node.workerinput[STARTED] = self._gate.started

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Note the selected demands of a worker, and print the plan once."""
        self._select(set(ids))

    def _select(self, node_ids: set[str]) -> None:
        demands = [planned for planned in self._gate.demands(self._gate.files) if planned.node_id in node_ids]
        if demands and not self._selected:
            self._print_plan(demands)
        self._selected |= node_ids

    def _print_plan(self, demands: list[PlannedDemand]) -> None:
        """Print the plan of the demands: two lines, or a table for `--quba-plan`."""
        gate = self._gate
        progress = self._progress
        shows_table = self._gate.options.plan
        if self._config.option.collectonly and not shows_table:
            return
        try:
            with one_line_errors():
                gate.select(demands)
                plan = plan_run(gate)
        except pytest.UsageError:
            if shows_table:
                raise
            return  # the demand that needs the broken set reports it
        self._plan = plan
        missing = [view for view in plan.views if view.missing]
        passes = sum(view.forward + view.backward for view in missing)
        progress.writer.plan(passes)
        seconds = run_time_left(progress.states())
        with suppress(OSError, ValueError, ZeroDivisionError):
            seconds = passes / float(self._speed_file().read_text()) if seconds is None else seconds
        if shows_table:
            write_lines(self._config, progress, plan_table(plan, seconds).splitlines())
        # Without pytest's terminal there is no such option.
        elif getattr(self._config.option, "verbose", -1) >= 0:
            text = "\n".join(plan_lines(plan, seconds))
            write_lines(self._config, progress, wrap_text(text, text_width(self._config)))

    def pytest_runtestloop(self) -> bool | None:
        """Run nothing for `--quba-plan`."""
        return True if self._gate.options.plan and self._gate.files else None

    @pytest.hookimpl(trylast=True)  # pytest has shown the demand
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the result of a demand, or the reason for a missing one."""
        self.is_model_tested |= getattr(report, USES_MODEL, False)
        bug = getattr(report, BUG, None)
        if bug is not None:
            self._bugs.append(bug)
        text = getattr(report, RESULT, None)
        if text is not None:
            with one_line_errors():
                self._collector.add(DemandResult.model_validate_json(text))
        elif (reason := _reason_without_verdict(report)) is not None:
            self._collector.crashed[report.nodeid] = reason

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        """Count demands that are not met and only warn under a status of their own."""
        text = getattr(report, RESULT, None)
        if text is None or hasattr(report, "wasxfail"):
            return None
        warns = report.passed and DemandResult.model_validate_json(text).warns
        return (WARNED, "w", ("WARNED", {"yellow": True})) if warns else None

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note that the user stopped the run; for `-x`, xdist raises a subclass of KeyboardInterrupt."""
        self._interrupted |= excinfo.type is KeyboardInterrupt
        self._stopped |= issubclass(excinfo.type, KeyboardInterrupt) and not self._interrupted

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """End workers, write the records, and set the exit code by their verdicts."""
        if self._progress.speed:
            file = self._speed_file()
            with suppress(OSError):
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(file, f"{self._progress.speed}".encode())
        with collected_errors(self.errors):
            self._gate.close()
        if self._stopped and session.testsfailed:  # pytest takes -x of xdist for an interrupt
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if not self._gate.files:  # tests are the demands
            if session.exitstatus == pytest.ExitCode.OK and not self.is_model_tested:
                session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
            self.exit_code = int(session.exitstatus)
            return
        try:
            if not (self._config.option.collectonly or self._gate.options.plan):
                self._write_records(session)
        except Exception as error:  # noqa: BLE001  the last guard: no traceback reaches the user
            self._bugs.append(describe_bug(error))
        self.errors += self._bugs[:1]
        self.exit_code = session.exitstatus = self._exit_code(session)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> Generator[None, None, None]:
        """Remove judged demands from pytest's section of failures.

        The reports explain them better. pytest's short summary has them only if `-r` asks for it.
        """
        stats = terminalreporter.stats
        self._failed = stats.pop("failed", [])
        others = [report for report in self._failed if not hasattr(report, RESULT)]
        if others:
            stats["failed"] = others
        yield
        if self._failed:
            stats["failed"] = self._failed  # the last line counts them

    @pytest.hookimpl(specname="pytest_terminal_summary")
    def pytest_print_reports(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Print the reports between the section of failures and the closing lines."""
        if self._failed and config.option.reportchars != _REPORT_CHARACTERS:
            terminalreporter.stats["failed"] = self._failed
        writer = config.get_terminal_writer()
        encoding = getattr(sys.__stdout__, "encoding", None) or "ascii"
        for record, path in zip(self.records, self.paths, strict=True):
            terminalreporter.section(f"quba-check {record.model.name}")
            file = "" if path is None else shown_path(path, Path.cwd())
            text = render(
                record,
                width=text_width(config),
                colour=writer.hasmarkup,
                classes=config.option.quba_classes,
                path=file,
            )
            terminalreporter.write(fit_encoding(text, encoding) + (f"record: {file}\n" if file else ""))
        if self.page is not None:
            terminalreporter.write(f"page: {shown_path(self.page, Path.cwd())}\n")
        if self._plan is not None and (line := saving_line(self._plan, self._progress.seconds)):
            terminalreporter.write(f"next: {line}\n")
        if any(record.model.spec in DEMO_MODELS for record in self.records):
            terminalreporter.write(f"{NEXT_STEP.format(model_flag(config))}\n")
        is_judged = self.records or self.is_model_tested
        if not is_judged and not config.option.quba_plan:
            terminalreporter.write_line("quba-check: no demand was judged")
        for line in self.errors:
            terminalreporter.write_line(f"ERROR: {line}", red=True)
        for line in self.warnings:
            terminalreporter.write_line(f"warning: {line}", yellow=True)

    def _write_records(self, session: pytest.Session) -> None:
        demands = self._gate.demands(self._gate.files)
        if self._selected and not selects(self._config):  # a plugin removed the missing items, not the user
            self._selected |= {planned.node_id for planned in demands}
        self.records = self._collector.records(
            self._gate,
            demands,
            self._selected,
            interrupted=self._interrupted,
            stopped=self._interrupted or bool(session.shouldstop or session.shouldfail),
        )
        self.paths = [None] * len(self.records)
        images = [self._collector.images_of(record) for record in self.records]
        for path, number in self._destinations():
            with collected_errors(self.errors):
                check_is_no_baseline(path, self._gate.options.baseline)
                write_record(self.records[number], path)
                write_images(images[number], path)
                self._upload(path)
                self.paths[number] = path
        self.page, errors, self.warnings = write_results(self._gate, self.records, self.paths)
        self.errors += errors

    def _speed_file(self) -> Path:
        """Return the file with the speed of the last run of these networks."""
        key = set()
        for model in self._gate.loaded.evaluations.values():
            compute = model.compute_row
            runtime = "" if compute is None else compute.runtime
            key.add(f"{model.row.parameters} {model.device} {runtime}")
        return self._gate.store / "speeds" / content_hash(sorted(key))

    def _upload(self, path: Path) -> None:
        """Copy a record and its per-image file to the store, if the store is elsewhere."""
        folder = self._gate.store
        if isinstance(self._gate.options.store_location, str) and path.is_relative_to(folder):
            for file in (path, path.with_suffix(IMAGES_SUFFIX)):
                self._gate.opened_store.upload(file.relative_to(folder).as_posix())

    def _exit_code(self, session: pytest.Session) -> int:
        """Return pytest's exit code for its own errors, else that of the verdicts.

        Changes that other plugins and conftest.py files make to items have no effect: code 0 needs a record
        in which every selected blocking demand allows the release.
        """
        if self._bugs:
            return BUG_EXIT_CODE
        status = int(session.exitstatus)
        failed = pytest.ExitCode.TESTS_FAILED
        decided = (pytest.ExitCode.OK, failed, pytest.ExitCode.NO_TESTS_COLLECTED)
        if self._gate.options.plan or status not in decided:
            return status
        worst = worst_verdict(record.overall_verdict for record in self.records)
        code = 0 if worst == "partial" else EXIT_CODES[worst]  # a selection is the user's choice
        blocked = sum(verdict.blocks for record in self.records for verdict in record.verdicts)
        failed_otherwise = (
            session.testsfailed > blocked or bool(self.errors) or (code == 0 and status == failed)
        )
        return int(failed) if failed_otherwise else code

    def _destinations(self) -> Iterator[tuple[Path, int]]:
        """Yield the files to write, each with the number of its record.

        Those in the store come first. Their names depend on the files written so far.
        """
        for number, record in enumerate(self.records):
            # The process id keeps apart runs that end in the same second.
            yield _unused(self._gate.store / "runs" / f"{record.stem}-{os.getpid()}.json"), number
        path = self._gate.options.record
        if path is not None:
            yield from zip(record_paths(path, self.records), range(len(self.records)), strict=True)


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
    """Return the path, with a number if the file exists."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(candidate for candidate in itertools.chain([path], numbered) if not candidate.exists())
