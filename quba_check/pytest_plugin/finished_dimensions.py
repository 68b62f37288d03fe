"""The dimensions of a run that are finished, each as a line for the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from quba_check.gate.collector import ResultCollector
from quba_check.gate.plan import PlannedDemand
from quba_check.records.record import Record
from quba_check.reports.table import finished_line
from quba_check.reports.verdict_labels import LOOKS, Label

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
        self._collector = collector
        self._config = config
        self._waiting = {planned.node_id: (*planned.key, planned.demand.dimension) for planned in demands}
        self._left = Counter(self._waiting.values())
        self._demands: dict[tuple[str, ...], list[PlannedDemand]] = {}
        for planned in demands:
            self._demands.setdefault(self._waiting[planned.node_id], []).append(planned)
        several = [len({*names}) > 1 for names in zip(*self._demands, strict=True)][:2]
        self._models = {
            key: "".join(f"{name}: " for name, shown in zip(key, several, strict=False) if shown)
            for key in self._demands
        }
        names = {
            key: key[-1] if len(group) > 1 else group[0].demand.target for key, group in self._demands.items()
        }
        self._width = max(len(self._models[key] + name) for key, name in names.items())

    def add(self, node_id: str) -> None:
        """Note the result of a demand, and print a finished dimension."""
        if (key := self._waiting.pop(node_id, None)) is None:
            return
        self._left[key] -= 1
        if not self._left[key]:
            self._print(*finished_line(self._part(self._demands[key]), self._models[key], self._width))

    def _part(self, demands: Sequence[PlannedDemand]) -> Record:
        """Return the part of a record that is known of a dimension."""
        judged = self._collector.results
        results = [judged[planned.node_id] for planned in demands if planned.node_id in judged]
        verdicts = {result.verdict.id: result.verdict for result in results}
        return Record.model_construct(
            measurements={name: row for result in results for name, row in result.measurements.items()},
            verdicts=tuple(
                verdicts.get(planned.node_id) or planned.demand.verdict_row(planned.node_id, "not run", "")
                for planned in demands
            ),
            grades=tuple(result.grade for result in results if result.grade is not None),
        )

    def _print(self, text: str, verdict: str, label: Label) -> None:
        """Print a line without its end, which pytest adds."""
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
