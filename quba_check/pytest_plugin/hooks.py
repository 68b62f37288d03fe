"""Hooks of a run with threshold files: preflight, collection, reports."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator
from pathlib import Path

import pytest

from quba_check.gate.plan import PlannedDemand
from quba_check.gate.preflight import examinations
from quba_check.gate.provenance import finding_rows
from quba_check.gate.session import GateSession
from quba_check.pytest_plugin.error_lines import one_line_errors
from quba_check.pytest_plugin.items import (
    BUG,
    RESULT,
    WARNING_LIBRARY,
    DemandItem,
    ShippedFolder,
    ThresholdFile,
    shipped_below,
)
from quba_check.pytest_plugin.options import selects
from quba_check.pytest_plugin.progress_line import ProgressLine

USES_MODEL = "quba_uses_model"
"""Attribute of the report of an executed test that requests the fixture `quba`."""
WIDEST = 120
"""Columns of the widest text: longer lines are hard to read."""
IN_RECORD = "sets"
"""The check whose findings a record shows already, as unmeasurable verdicts and numbers of images."""


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
            self._print_preprocessing(self._progress)
            self._gate.check(demands)
            self._examine_models(demands, self._progress)

    def _print_preprocessing(self, progress: ProgressLine) -> None:
        """Print size and normalisation of the images of each model, before any image is predicted."""
        for name, protocol in dict(self._gate.models_and_protocols()).items():
            preprocessing = self._gate.evaluation(name, protocol).classifier.preprocessing
            way_out = "; to change it: --quba-preprocessing=FILE.yaml" if preprocessing.is_assumed else ""
            if self._config.get_verbosity() >= 0:
                self._write(
                    f"quba-check: {name}: images go in at {preprocessing.describe()} "
                    f"(from {preprocessing.source}{way_out})",
                    progress,
                )

    def _write(self, text: str, progress: ProgressLine, **markup: bool) -> None:
        """Print a text before the session starts, its first line with a colour."""
        from quba_check.reports.tables import wrap_text

        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None:
            return
        first, *others = wrap_text(text, min(self._config.get_terminal_writer().fullwidth, WIDEST))
        with progress.pause():
            reporter.write_line(first, **markup)
            for line in others:
                reporter.write_line(line)

    def _examine_models(self, demands: list[PlannedDemand], progress: ProgressLine) -> None:
        """Print the doctor's findings, and note them in the records.

        They change no verdict and no exit code: a demand is judged by its measurement.
        """
        for name, examination in examinations(self._gate, demands, short=True):
            self._gate.notes[name] = [
                finding.as_note() for finding in examination.findings if finding.check != IN_RECORD
            ]
            self._gate.findings[name] = finding_rows(examination.findings)
            for finding in examination.findings:
                self._write(f"doctor: {finding.text()}", progress, yellow=True)

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
        return ThresholdFile.at(parent, file_path) if file_path in self._files else None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Set the selected demands, so that views needed by several are predicted once."""
        with one_line_errors():
            self._gate.select(item.planned for item in session.items if isinstance(item, DemandItem))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the result or the bug message of a demand to its report."""
        report = yield
        if report.when == "call" and isinstance(item, DemandItem):
            for name, text in ((RESULT, item.result), (BUG, item.bug)):
                if text is not None:
                    setattr(report, name, text)
        return report


class FixtureHooks:
    """The hook for tests with the fixture `quba`, in runs with and without threshold files."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Mark the report of an executed test that requests the fixture."""
        report = yield
        if report.when == "call" and not report.skipped and "quba" in getattr(item, "fixturenames", ()):
            setattr(report, USES_MODEL, True)
        return report


def share_cores() -> None:
    """Take this worker's share of the machine's cores."""
    import torch

    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
