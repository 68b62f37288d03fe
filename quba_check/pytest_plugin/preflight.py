"""The doctor's short examination before a gate run, printed at once and noted in the records.

It changes no verdict and no exit code: a demand is judged by its measurement.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from quba_check.gate.plan import PlannedDemand
from quba_check.gate.preflight import examinations
from quba_check.gate.session import GateSession
from quba_check.pytest_plugin.progress_line import ProgressLine

WIDEST = 120
"""Columns of the widest text: longer lines are hard to read."""
IN_RECORD = "sets"
"""The check whose findings a record has anyway: as verdicts without data, and as numbers of images."""


def run_preflight(
    config: pytest.Config, gate: GateSession, progress: ProgressLine, demands: Iterable[PlannedDemand]
) -> None:
    """Examine the models and print the findings.

    Args:
        config: the terminal's configuration.
        gate: models and suite; the first images were predicted.
        progress: paused while findings are printed.
        demands: the demands to prepare for.
    """
    from quba_check.doctor.telling import note, shown

    reporter = config.pluginmanager.get_plugin("terminalreporter")
    for name, examination in examinations(gate, demands, short=True):
        gate.notes[name] = [note(finding) for finding in examination.findings if finding.check != IN_RECORD]
        if not examination.findings or reporter is None:
            continue
        width = min(config.get_terminal_writer().fullwidth, WIDEST)
        with progress.pause():
            for finding in examination.findings:
                first, *others = shown(finding, width, "doctor: ")
                reporter.write_line(first, yellow=True)
                for text in others:
                    reporter.write_line(text)
