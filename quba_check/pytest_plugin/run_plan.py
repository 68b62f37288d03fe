"""The plan of a run, printed before it starts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from quba_check.engine.timing import Timings
from quba_check.gate.plan import PlannedDemand
from quba_check.gate.run_plan import RunPlan, plan_run
from quba_check.gate.session import GateSession
from quba_check.pytest_plugin.error_lines import one_line_errors
from quba_check.pytest_plugin.hooks import text_width, write_lines
from quba_check.pytest_plugin.plan_text import plan_lines, plan_table
from quba_check.pytest_plugin.progress import WorkLeft, run_time_left
from quba_check.pytest_plugin.progress_line import ProgressLine
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
    progress.writer.plan(*_work_left(plan))
    estimate = run_time_left(progress.states())
    if shows_table:
        lines = plan_table(plan, estimate, gate.options.cache_gb).splitlines()
        write_lines(config, progress, lines)
    elif getattr(option, "verbose", -1) >= 0:  # without pytest's terminal there is no such option
        lines = wrap_text("\n".join(plan_lines(plan, estimate)), text_width(config))
        write_lines(config, progress, lines)


def _work_left(plan: RunPlan) -> tuple[dict[str, WorkLeft], dict[str, Timings]]:
    """Return the work by cache entry and earlier timings by name of the speed."""
    left = {
        view.cache_entry: WorkLeft(model.speed_key, *view.work)
        for model in plan.models
        for view in model.views
    }
    earlier: dict[str, Timings] = {
        model.speed_key: model.speed.timings for model in plan.models if model.speed is not None
    }
    return left, earlier
