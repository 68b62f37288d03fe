"""The dimensions of a run that are finished, each as a line for the log."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from quba_check.gate.collector import ResultCollector
from quba_check.gate.plan import PlannedDemand
from quba_check.records.measurement import AnyMeasurementRow, NotMeasuredRow
from quba_check.records.record import Record
from quba_check.reports.terminal import finished_line
from quba_check.reports.verdict_labels import LOOKS

PERCENTAGE = 9
"""Columns that pytest needs for ` [100%]` at the end of a row."""


class FinishedDimensions:
    """Prints each dimension once all of its demands have a result.

    Args:
        demands: the selected demands.
        collector: the results so far.
        config: pytest's configuration.
    """

    def __init__(
        self, demands: Sequence[PlannedDemand], collector: ResultCollector, config: pytest.Config
    ) -> None:
        self._collector, self._config = collector, config
        several = [len({*names}) > 1 for names in zip(*(planned.key for planned in demands), strict=True)]
        groups: dict[tuple[str, str], list[PlannedDemand]] = {}
        self._waiting: dict[str, tuple[str, list[PlannedDemand]]] = {}
        for planned in demands:
            words = "".join(f"{name}: " for name, shown in zip(planned.key, several, strict=True) if shown)
            group = groups.setdefault((words, planned.demand.dimension), [])
            group.append(planned)
            self._waiting[planned.node_id] = words, group
        self._width = max(
            len(words + (group[0].demand.target if len(group) == 1 else dimension))
            for (words, dimension), group in groups.items()
        )

    def add(self, node_id: str) -> None:
        """Note the result of a demand, and print a finished dimension."""
        words, group = self._waiting.pop(node_id, ("", []))
        if group and not any(planned.node_id in self._waiting for planned in group):
            self._print(words, group)

    def _print(self, words: str, group: Sequence[PlannedDemand]) -> None:
        """Print a line without its end, which pytest adds."""
        results = [self._collector.results.get(planned.node_id) for planned in group]
        judged = [result for result in results if result is not None]
        missing: AnyMeasurementRow = NotMeasuredRow(not_measured=True)
        part = Record.model_construct(  # of a record, what is known of the dimension
            measurements={group[0].demand.dimension: missing} | self._collector.measurements(*group[0].key),
            verdicts=tuple(self._collector.verdict(planned, "") for planned in group),
            grades=tuple(result.grade for result in judged if result.grade is not None),
        )
        text, verdict, label = finished_line(part, words, self._width)
        writer = self._config.get_terminal_writer()
        if writer.width_of_current_line:
            writer.line()
        writer.write(text)
        style = LOOKS[label].style.replace("dim", "light").replace("magenta", "purple")  # pytest's names
        writer.write(verdict, **dict.fromkeys(style.split(), True))
        is_wide = writer.width_of_current_line > writer.fullwidth - PERCENTAGE
        if is_wide and self._config.get_verbosity() <= 0:  # else pytest adds its percentage past the edge
            writer.line()
        writer.flush()
