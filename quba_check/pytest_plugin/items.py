"""Pytest nodes: a threshold file, and an item for each demand and model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quba_check.errors import QubaError, describe_bug
from quba_check.gate.judge import Judge
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import PlannedDemand, is_shipped, shown_path

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
                folder: ShippedFolder = ShippedFolder.from_parent(self, path=child)
                yield folder
            else:
                yield ThresholdNode.at(self, child)


class ThresholdNode(pytest.File):
    """A threshold file, with an item for each demand and model."""

    @classmethod
    def at(cls, parent: pytest.Collector, path: Path) -> ThresholdNode:
        """Return the node of a file; its id is the shown path."""
        label = shown_path(path, parent.config.stash[GATE].root)
        node: ThresholdNode = cls.from_parent(parent, path=path, nodeid=label)
        return node

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the demands in file order, model by model."""
        for planned in self.config.stash[GATE].demands([self.path]):
            name = planned.node_id.removeprefix(f"{self.nodeid}::")
            item: DemandItem = DemandItem.from_parent(self, name=name, nodeid=planned.node_id)
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
            self.config.stash[GATE].evaluation(*self.planned.key)  # a worker loads what it judges
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
            f"{BOUND_WORDS[demand.bound]} {demand.threshold}",
            *([f"({self.planned.model})"] if len(self.config.stash[GATE].models) > 1 else []),
        ]
        return self.path, demand.line - 1, " ".join(words)


def shipped_below(gate: GateSession, folder: Path) -> list[Path]:
    """Return the shipped threshold files of a session that lie below a folder."""
    return [file for file in gate.files if is_shipped(file, gate.root) and file.is_relative_to(folder)]
