"""Dimensions are printed once all of their demands have a result."""

from __future__ import annotations

from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest._io import TerminalWriter
from support.gate import thresholds
from support.gated import CORRUPTION, PARAMETERS, corruption, parameters

from quba_check.demands import Demand
from quba_check.gate.collector import ResultCollector
from quba_check.gate.plan import PlannedDemand
from quba_check.gate.result import DemandResult
from quba_check.pytest_plugin.finished_dimensions import FinishedDimensions
from quba_check.verdicts import decide
from quba_check.verdicts.explanation import verdict_row

FILE = thresholds("dimensions: {accuracy: {min: 0.5}}")


def planned(demand: Demand, model: str, number: int = 0) -> PlannedDemand:
    return PlannedDemand(f"{demand.name}-{model}-{number}", model, "standard", FILE, demand)


class Log:
    """The printed lines of demands that are judged one after another."""

    def __init__(self, *demands: PlannedDemand, verbosity: int = 0, markup: bool = False) -> None:
        self.file = StringIO()
        self.writer = TerminalWriter(self.file)
        self.writer.hasmarkup, self.writer.fullwidth = markup, 80
        config: Any = SimpleNamespace(
            get_terminal_writer=lambda: self.writer, get_verbosity=lambda: verbosity
        )
        self.collector = ResultCollector()
        self.finished = FinishedDimensions(demands, self.collector, config)

    def judge(self, one: PlannedDemand, value: float) -> str:
        is_size = one.demand.dimension == "parameters"
        row = verdict_row(
            decide(one.demand, parameters(value) if is_size else corruption(value)), one.node_id
        )
        self.collector.add(DemandResult(model=one.model, protocol=one.protocol, verdict=row))
        return self.add(one)

    def add(self, one: PlannedDemand) -> str:
        self.finished.add(one.node_id)
        return self.file.getvalue()


def test_a_dimension_waits_for_all_of_its_demands() -> None:
    first, second, other = (
        planned(CORRUPTION, "net"),
        planned(CORRUPTION, "net", 1),
        planned(PARAMETERS, "net"),
    )
    log = Log(first, second, other)
    log.writer.write("gate.yaml ")
    assert log.judge(first, 0.6) == "gate.yaml "
    assert log.judge(first, 0.6) == "gate.yaml "  # once more, by a plugin that repeats tests
    text = log.judge(second, 0.4)
    assert text == "gate.yaml \ncorruption_robustness not measured                1 of 2 demands failed"
    log.collector.crashed[other.node_id] = "worker 'gw0' crashed"
    assert (
        log.add(other).splitlines()[2]
        == "parameters            not measured                <= 20     NOT RUN"
    )


def test_models_stand_in_front_and_columns_are_aligned() -> None:
    demands = [planned(demand, model) for model in ("a", "other") for demand in (CORRUPTION, PARAMETERS)]
    log = Log(*demands)
    for one in demands:
        log.judge(one, 0.6)
    assert [line.partition(" not measured ")[0] for line in log.file.getvalue().splitlines()] == [
        "a: corruption_robustness    ",
        "a: parameters               ",
        "other: corruption_robustness",
        "other: parameters           ",
    ]


@pytest.mark.parametrize(("verbosity", "end"), [(0, "PASS\n"), (1, "PASS")])
def test_a_wide_line_leaves_no_room_for_a_percentage(verbosity: int, end: str) -> None:
    one, other = (planned(CORRUPTION, "a" * length) for length in (20, 25))
    assert Log(one, other, verbosity=verbosity).judge(one, 0.6).endswith(end)


def test_verdicts_have_colours() -> None:
    one, other = planned(CORRUPTION, "net"), planned(PARAMETERS, "net")
    log = Log(one, other, markup=True)
    assert log.judge(one, 0.4).endswith(" \x1b[1m\x1b[31mFAIL\x1b[0m")
    assert log.add(other).endswith(" \x1b[35mNOT RUN\x1b[0m")
