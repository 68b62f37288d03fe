"""Before a gate run: what the doctor's short form finds is told at once and noted in the records.

It changes no verdict and no exit code: a demand is judged by what is measured.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from quba_check.demands.demand import Demand, Thresholds
from quba_check.gate.preflight import examinations
from quba_check.gate.session import GateSession
from quba_check.pytest_plugin.progress_line import ProgressLine

WIDEST = 120
TOLD_BY_VERDICTS = "sets"
"""The check whose findings the record holds anyway: as verdicts without data, and as numbers of images."""


def run_preflight(
    config: pytest.Config,
    run: GateSession,
    line: ProgressLine,
    demands: Iterable[tuple[str, Thresholds, Demand]],
) -> None:
    """Have the models examined, or recall what was found.

    Args:
        config: where the terminal is.
        run: models and suite; the first images have been shown.
        line: kept away while this is written.
        demands: model name, file and demand.
    """
    from quba_check.reports.tables import wrap_text

    reporter = config.pluginmanager.get_plugin("terminalreporter")
    for name, examination in examinations(run, demands, short=True):
        run.notes[name] = [
            finding.as_note() for finding in examination.findings if finding.check != TOLD_BY_VERDICTS
        ]
        if not examination.findings or reporter is None:
            continue
        width = min(config.get_terminal_writer().fullwidth, WIDEST)
        with line.aside():
            for finding in examination.findings:
                first, *others = wrap_text(f"doctor: {finding.text()}", width)
                reporter.write_line(first, yellow=True)
                for text in others:
                    reporter.write_line(text)
