"""Nodes and hooks of a run with threshold files: preflight, collection, items of demands, reports."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from quba_check.errors import QubaError, describe_bug
from quba_check.gate.judge import Judge
from quba_check.gate.preflight import prepare
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import PlannedDemand, is_shipped, shown_path
from quba_check.pytest_plugin.options import one_line_errors, selects
from quba_check.pytest_plugin.progress_line import ProgressLine
from quba_check.reports.tables import wrap_text

GATE = pytest.StashKey[GateSession]()
JUDGE = pytest.StashKey[Judge]()
BOUND_WORDS = {
    "min": "at least",
    "max": "at most",
    "max_drop": "drop at most",
    "max_relative_drop": "relative drop at most",
}
RESULT = "quba_result"
"""Attribute of a test report with the result of its demand as JSON text."""
WARNING_LIBRARY = "PIL"
"""Library whose warnings about sound images are ignored: with `-W error` each would stop a run."""
BUG = "quba_bug"
"""Attribute of a test report with the message about a bug of quba-check."""
USES_MODEL = "quba_uses_model"
"""Attribute of the report of an executed test that requests the fixture `quba`."""
WIDEST = 120
"""Columns of the widest text: longer lines are hard to read."""


class ShippedFolder(pytest.Collector):
    """A folder above a shipped threshold file; it collects nothing else."""

    def __init__(self, path: Path, **kwargs: Any) -> None:
        super().__init__(path.name, path=path, **kwargs)

    def collect(self) -> Iterator[pytest.Collector]:
        """Yield the next folder, or the file."""
        gate = self.config.stash[GATE]
        for name in sorted({file.relative_to(self.path).parts[0] for file in shipped_below(gate, self.path)}):
            child = self.path / name
            if child.is_dir():
                yield ShippedFolder.from_parent(self, path=child)
            else:
                yield ThresholdNode.at(self, child)


class ThresholdNode(pytest.File):
    """A threshold file, with an item for each demand and model."""

    @classmethod
    def at(cls, parent: pytest.Collector, path: Path) -> ThresholdNode:
        """Return the node of a file; its id is the shown path."""
        label = shown_path(path, parent.config.stash[GATE].root)
        return cls.from_parent(parent, path=path, nodeid=label)

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the demands in file order, model by model."""
        for planned in self.config.stash[GATE].demands([self.path]):
            item: DemandItem = DemandItem.from_parent(self, name=planned.item, nodeid=planned.node_id)
            item.planned = planned
            item.add_marker(pytest.mark.filterwarnings(f"ignore:::{WARNING_LIBRARY}"))
            yield item


class DemandItem(pytest.Item):
    """One demand on one model.

    Attributes:
        planned: the demand.
        result: its result as JSON text, once judged.
        bug: message about a bug of quba-check, if there was one.
    """

    planned: PlannedDemand
    result: str | None = None
    bug: str | None = None

    def runtest(self) -> None:
        """Measure and judge; a blocking verdict fails the item with its explanation."""
        try:
            result = self.config.stash[JUDGE].judge(self.planned)
        except QubaError as error:
            pytest.fail(str(error), pytrace=False)
        except Exception as error:  # noqa: BLE001  the last guard: no traceback reaches the user
            self.bug = describe_bug(error)
            pytest.fail(self.bug, pytrace=False)
        self.result = result.model_dump_json()
        self.user_properties += list(result.properties.items())
        if result.verdict.outcome == "skipped":
            pytest.skip(result.verdict.message)
        if result.verdict.blocks:
            pytest.fail(result.verdict.message, pytrace=False)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any) -> Any:
        """Return the failure, with one line for pytest's short summary.

        Where the variable CI is set, pytest would repeat the whole explanation there.
        """
        failure = super().repr_failure(excinfo, *args)
        crash = getattr(failure, "reprcrash", None)
        if crash is not None:
            crash.message = crash.message.partition("\n")[0]
        return failure

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the demand's place and text; pytest would change dots in a name to `::`."""
        demand = self.planned.demand
        words = [
            *(word for word in (demand.dimension, demand.part) if word),
            f"{BOUND_WORDS[demand.key]} {demand.bound}",
            *([f"({self.planned.model})"] if len(self.config.stash[GATE].models) > 1 else []),
        ]
        return self.path, demand.line - 1, " ".join(words)


def shipped_below(gate: GateSession, folder: Path) -> list[Path]:
    """Return the shipped threshold files of a session that lie below a folder."""
    return [file for file in gate.files if is_shipped(file, gate.root) and file.is_relative_to(folder)]


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
            for texts, is_finding in prepare(self._gate, demands):
                if not is_finding:
                    # The garbage of loading was collected at the end of the pause.
                    freeze_objects(self._config)
                if is_finding or self._config.get_verbosity() >= 0:
                    for text in texts:
                        lines = wrap_text(text, text_width(self._config))
                        write_lines(self._config, self._progress, lines, yellow=is_finding)

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Collect the folders above threshold files; shipped ones may be in a virtual environment."""
        return False if collection_path in self._folders or collection_path in self._files else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Collect folders above shipped files without their conftest.py, which is another project's."""
        if path == self._config.rootpath or not shipped_below(self._gate, path):
            return None
        return ShippedFolder.from_parent(parent, path=path)

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


def freeze_objects(config: pytest.Config) -> None:
    """Exclude all objects from later searches for garbage, if the process ends with its demands.

    Those of torch take 0.15 s of each search, and pytest and the interpreter end with several. Objects made
    later, such as those of a user's tests, are searched as before.
    """
    arguments = [str(argument) for argument in config.invocation_params.args]
    # Not in pytest.main(), whose process may go on, in a worker, or between a user's tests.
    if arguments == sys.argv[1:] and not hasattr(config, "workerinput") and config.stash[GATE].files:
        gc.freeze()
