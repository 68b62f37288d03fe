"""Hooks that print the plan of a run before it starts."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from quba_check.gate.progress import run_time_left
from quba_check.gate.run_plan import plan_run
from quba_check.gate.session import GateSession
from quba_check.pytest_plugin.error_lines import one_line_errors
from quba_check.pytest_plugin.items import DemandItem
from quba_check.pytest_plugin.plan_text import plan_lines, plan_table
from quba_check.pytest_plugin.progress_line import ProgressLine
from quba_check.reports.tables import wrap_text


class PlanHooks:
    """Hooks of the controller.

    Args:
        config: pytest's configuration.
        gate: models, suite and threshold files.
        progress: the progress of the run; it takes the plan for the time left.
        width: largest width of the lines.
    """

    def __init__(self, config: pytest.Config, gate: GateSession, progress: ProgressLine, width: int) -> None:
        self._config = config
        self._gate = gate
        self._progress = progress
        self._width = width
        self._is_printed = False

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Print the plan of the selected demands, in a run with one process."""
        self._plan({item.nodeid for item in session.items if isinstance(item, DemandItem)})

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Print the plan of the selected demands, which the first worker names."""
        self._plan(set(ids))

    def pytest_runtestloop(self) -> bool | None:
        """Run nothing for `--quba-plan`."""
        return True if self._gate.options.plan else None

    def _plan(self, node_ids: Collection[str]) -> None:
        option = self._config.option
        shows_table = self._gate.options.plan
        demands = [planned for planned in self._gate.demands(self._gate.files) if planned.node_id in node_ids]
        if self._is_printed or not demands or (option.collectonly and not shows_table):
            return
        self._is_printed = True
        try:
            with one_line_errors():
                self._gate.select(demands)
                plan = plan_run(self._gate)
        except pytest.UsageError:
            if shows_table:
                raise
            return  # the demand that needs the broken set reports it
        if shows_table:
            self._print(plan_table(plan, self._gate.options.cache_gb).splitlines())
            return
        missing = [view for view in plan.views if view.missing]
        passes = sum(view.forward + view.backward for view in missing)
        self._progress.writer.plan(passes, {view.kind for view in missing})
        if getattr(option, "verbose", -1) >= 0:  # without pytest's terminal there is no such option
            width = min(self._config.get_terminal_writer().fullwidth, self._width)
            estimate = run_time_left(self._progress.states())
            self._print(wrap_text("\n".join(plan_lines(plan, estimate)), width))

    def _print(self, lines: list[str]) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None:
            return
        with self._progress.pause():
            for line in lines:
                reporter.write_line(line)
