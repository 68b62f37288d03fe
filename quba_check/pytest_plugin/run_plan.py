"""The plan of a run, printed before it starts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from quba_check.gate.plan import PlannedDemand
from quba_check.gate.progress import run_time_left
from quba_check.gate.run_plan import plan_run
from quba_check.gate.session import GateSession
from quba_check.pytest_plugin.error_lines import one_line_errors
from quba_check.pytest_plugin.hooks import text_width, write_lines
from quba_check.pytest_plugin.progress_line import ProgressLine
from quba_check.reports.plan import plan_lines, plan_table
from quba_check.reports.tables import wrap_text


def print_plan(
    config: pytest.Config, gate: GateSession, progress: ProgressLine, demands: Sequence[PlannedDemand]
) -> None:
    """Print the plan of the selected demands: two lines, or a table for `--quba-plan`.

    Args:
        config: pytest's configuration.
        gate: models, suite and threshold files.
        progress: the progress of the run; it takes the plan for the time left.
        demands: the demands.
    """
    option, shows_table = config.option, gate.options.plan
    if option.collectonly and not shows_table:
        return
    try:
        with one_line_errors():
            gate.select(demands)
            plan = plan_run(gate)
    except pytest.UsageError:
        if shows_table:
            raise
        return  # the demand that needs the broken set reports it
    if shows_table:
        write_lines(config, progress, plan_table(plan).splitlines())
        return
    missing = [view for view in plan.views if view.missing]
    progress.writer.plan(
        sum(view.forward + view.backward for view in missing), {view.kind for view in missing}
    )
    if getattr(option, "verbose", -1) >= 0:  # without pytest's terminal there is no such option
        lines = plan_lines(plan, run_time_left(progress.states()))
        write_lines(config, progress, wrap_text("\n".join(lines), text_width(config)))
