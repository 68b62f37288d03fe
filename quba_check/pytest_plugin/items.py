"""Threshold files as pytest collects them: a file node, and one item for each demand and model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quba_check.demands.demand import Demand, Thresholds
from quba_check.errors import QubaError, describe_bug
from quba_check.gate.collector import PlannedDemand
from quba_check.gate.judge import Judge
from quba_check.gate.session import GateSession

RUN = pytest.StashKey[GateSession]()
JUDGE = pytest.StashKey[Judge]()
WORDS = {
    "min": "at least",
    "max": "at most",
    "max_drop": "drop at most",
    "max_relative_drop": "relative drop at most",
}
ROW = "quba_row"
"""Attribute of a test report that holds the row of its demand as JSON text."""
BUG = "quba_bug"
"""Attribute of a test report that holds the line about a bug of quba-check."""


class ShippedFolder(pytest.Collector):
    """A folder on the way to a shipped threshold file: collects what is on the way, and nothing else."""

    def __init__(self, path: Path, **kwargs: Any) -> None:
        super().__init__(path.name, path=path, **kwargs)

    def collect(self) -> Iterator[pytest.Collector]:
        """The next folder, or the file."""
        for name in sorted({file.relative_to(self.path).parts[0] for file in self._shipped()}):
            child = self.path / name
            if child.is_dir():
                folder: ShippedFolder = ShippedFolder.from_parent(self, path=child)
                yield folder
            else:
                shown = self.config.stash[RUN].shown(child)
                made: ThresholdFile = ThresholdFile.from_parent(self, path=child, nodeid=shown)
                yield made

    def _shipped(self) -> Iterator[Path]:
        run = self.config.stash[RUN]
        return (file for file in run.files if run.is_shipped(file) and file.is_relative_to(self.path))


class ThresholdFile(pytest.File):
    """A threshold file: one item for each demand and model."""

    def collect(self) -> Iterator[pytest.Item]:
        """The demands in file order, model by model."""
        run = self.config.stash[RUN]
        for entry in entries(run, [self.path]):
            name = entry.node.removeprefix(f"{self.nodeid}::")
            item: DemandItem = DemandItem.from_parent(self, name=name, nodeid=entry.node)
            item.entry = entry
            yield item


class DemandItem(pytest.Item):
    """One demand on one model."""

    entry: PlannedDemand
    row: str | None = None
    bug: str | None = None

    def runtest(self) -> None:
        """Measure and judge; a verdict that blocks fails the item with its explanation."""
        entry = self.entry
        try:
            row = self.config.stash[JUDGE].judge(entry.node, entry.model, entry.thresholds, entry.demand)
        except QubaError as error:
            pytest.fail(str(error), pytrace=False)
        except Exception as error:  # noqa: BLE001  the last guard: no traceback reaches the user
            self.bug = describe_bug(error)
            pytest.fail(self.bug, pytrace=False)
        self.row = row.model_dump_json()
        self.user_properties += list(row.properties.items())
        if row.verdict.outcome == "skipped":
            pytest.skip(row.verdict.message)
        if row.blocks:
            pytest.fail(row.verdict.message, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the demand stands and what it says; a dotted name would be torn apart by `-v`."""
        demand = self.entry.demand
        several = len(self.config.stash[RUN].models) > 1
        words = [
            *(word for word in (demand.dimension, demand.part) if word),
            f"{WORDS[demand.bound]} {demand.threshold}",
            *([f"({self.entry.model})"] if several else []),
        ]
        return self.path, demand.line - 1, " ".join(words)


def entries(run: GateSession, files: Iterable[Path]) -> Iterator[PlannedDemand]:
    """The demands of threshold files with their item ids, in file order, model by model."""
    for path in files:
        thresholds = run.thresholds(path)
        for model in run.models:
            for demand in thresholds.demands:
                yield PlannedDemand(_node(run, thresholds, model, demand), model, thresholds, demand)


def _node(run: GateSession, thresholds: Thresholds, model: str, demand: Demand) -> str:
    name = demand.name
    if len(run.models) > 1:
        name = f"{name.removesuffix(']')}-{model}]"
    return f"{thresholds.shown}::{name}"
