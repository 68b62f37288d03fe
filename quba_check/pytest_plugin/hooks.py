"""Hooks of a run with threshold files: preflight, collection, reports."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from quba_check.gate.preflight import examinations, setup_lines
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import PlannedDemand
from quba_check.pytest_plugin.error_lines import one_line_errors
from quba_check.pytest_plugin.items import (
    BUG,
    RESULT,
    WARNING_LIBRARY,
    DemandItem,
    ShippedFolder,
    ThresholdNode,
    shipped_below,
)
from quba_check.pytest_plugin.options import selects
from quba_check.pytest_plugin.progress_line import ProgressLine
from quba_check.reports.tables import wrap_text

USES_MODEL = "quba_uses_model"
"""Attribute of the report of an executed test that requests the fixture `quba`."""
WIDEST = 120
"""Columns of the widest text: longer lines are hard to read."""


class GateHooks:
    """Hooks of the controller and of each worker, where the run has threshold files.

    Args:
        config: pytest's configuration.
        gate: models, suite and threshold files.
        progress: the controller's progress, None in a worker.
    """

    def __init__(self, config: pytest.Config, gate: GateSession, progress: ProgressLine | None) -> None:
        self._config = config
        self._gate = gate
        self._progress = progress
        self._files = frozenset(gate.files)
        self._folders = frozenset(folder for path in gate.files for folder in path.parents)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """In the controller, load the models and predict their first images, before any worker starts."""
        if self._config.option.collectonly or self._gate.options.plan:
            return
        if self._progress is None:
            share_cores()
            return
        demands = self._gate.demands(self._gate.files)
        if selects(self._config):
            # The selection is not known yet, and a narrow run must not pay for demands outside of it.
            on_accuracy = [planned for planned in demands if planned.demand.dimension == "accuracy"]
            demands = on_accuracy or demands[:1]
        with one_line_errors(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=WARNING_LIBRARY)
            self._gate.select(demands)
            self._gate.check_calls()
            self._print_setup(self._progress)
            self._gate.check(demands)
            self._examine_models(demands, self._progress)

    def _print_setup(self, progress: ProgressLine) -> None:
        """Print preprocessing, data and baseline, before any image is predicted."""
        gate = self._gate
        for model, protocol in gate.models_and_protocols():
            gate.evaluation(model, protocol)
        if self._config.get_verbosity() >= 0:
            for line in setup_lines(gate, gate.models):
                write_lines(self._config, progress, wrap_text(line, text_width(self._config)))

    def _examine_models(self, demands: list[PlannedDemand], progress: ProgressLine) -> None:
        """Print the doctor's findings.

        They change no verdict and no exit code: a demand is judged by its measurement.
        """
        for _, examination in examinations(self._gate, demands, short=True):
            for finding in examination.findings:
                lines = wrap_text(f"doctor: {finding.text()}", text_width(self._config))
                write_lines(self._config, progress, lines, yellow=True)

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Collect the folders above threshold files; shipped ones may be in a virtual environment."""
        return False if collection_path in self._folders or collection_path in self._files else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Collect folders above shipped files without their conftest.py, which is another project's."""
        if path == self._config.rootpath or not shipped_below(self._gate, path):
            return None
        folder: ShippedFolder = ShippedFolder.from_parent(parent, path=path)
        return folder

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Collect YAML files that are named, or in a folder `thresholds`."""
        return ThresholdNode.at(parent, file_path) if file_path in self._files else None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Set the selected demands, so that views needed by several are predicted once."""
        with one_line_errors():
            self._gate.select(item.planned for item in session.items if isinstance(item, DemandItem))


class ReportHooks:
    """The hook for reports, in runs with and without threshold files."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the result of a demand, or mark a test that requests the fixture."""
        report = yield
        values: dict[str, object] = {}
        if isinstance(item, DemandItem):
            values = {RESULT: item.result, BUG: item.bug}
        elif not report.skipped and "quba" in getattr(item, "fixturenames", ()):
            values = {USES_MODEL: True}
        for name, value in values.items():
            if report.when == "call" and value is not None:
                setattr(report, name, value)
        return report


def text_width(config: pytest.Config) -> int:
    """Return the largest width of printed text."""
    if not config.pluginmanager.has_plugin("terminalreporter"):
        return WIDEST
    return min(config.get_terminal_writer().fullwidth, WIDEST)


def write_lines(config: pytest.Config, progress: ProgressLine, lines: Sequence[str], **markup: bool) -> None:
    """Print lines before the tests start, the first one with a colour."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    with progress.pause():
        if config.get_terminal_writer().width_of_current_line:  # xdist counts its workers there
            reporter.line("")
        reporter.write_line(lines[0], **markup)
        for line in lines[1:]:
            reporter.write_line(line)


def share_cores() -> None:
    """Take this worker's share of the machine's cores."""
    import torch

    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
