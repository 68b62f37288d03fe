"""Items of demands: names, places, and outcomes by their verdicts."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.gate import thresholds
from support.gated import CORRUPTION, corruption

from quba_check.errors import StoreError
from quba_check.gate.collector import DemandResult
from quba_check.gate.threshold_files import PlannedDemand, plan_demands
from quba_check.pytest_plugin.hooks import GATE, JUDGE, DemandItem, ThresholdNode
from quba_check.verdicts import decide
from quba_check.verdicts.explanation import verdict_row

TEXT = "dimensions:\n  accuracy: {min: 0.5}\n  corruption_robustness: {parts: {fog: {min: 0.2}}}"


class StubJudge:
    """Judges each demand as corruption robustness of one value, or raises an error."""

    def __init__(self, value: float | Exception, **changes: Any) -> None:
        self.value = value
        self.changes = changes

    def judge(self, planned: PlannedDemand) -> DemandResult:
        if isinstance(self.value, Exception):
            raise self.value
        row = verdict_row(decide(CORRUPTION, corruption(self.value)), planned.node_id)
        row = row.model_copy(update=self.changes)
        return DemandResult(model="net", protocol="standard", verdict=row, properties={"value": self.value})


@pytest.fixture
def items(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """The items of a threshold file, for some models and a judge."""
    stash = request.config.stash

    def collected(judge: Any = None, models: tuple[str, ...] = ("net",)) -> list[DemandItem]:
        demands = plan_demands(models, [thresholds(TEXT)], "standard")
        stash[GATE] = SimpleNamespace(  # type: ignore[assignment]
            root=tmp_path, models=models, demands=lambda _: demands
        )
        stash[JUDGE] = judge
        return list(ThresholdNode.at(request.session, tmp_path / "x.yaml").collect())

    yield collected
    del stash[GATE], stash[JUDGE]


def test_names_and_places(items: Any) -> None:
    accuracy, fog = items()
    assert accuracy.nodeid == "x.yaml::accuracy[min]"
    assert fog.name == "corruption_robustness.fog[min]"
    assert accuracy.reportinfo()[1:] == (2, "accuracy at least 0.5")
    assert fog.reportinfo()[1:] == (3, "corruption_robustness fog at least 0.2")
    assert items(models=("net", "other"))[2].reportinfo()[2] == "accuracy at least 0.5 (other)"


def test_a_demand_that_is_met(items: Any) -> None:
    item, _ = items(StubJudge(0.6))
    item.runtest()
    assert DemandResult.model_validate_json(item.result).verdict.outcome == "pass"
    assert item.user_properties == [("value", 0.6)]


def test_a_demand_that_only_warns_does_not_fail(items: Any) -> None:
    item, _ = items(StubJudge(0.4, tier="warn"))
    item.runtest()
    assert DemandResult.model_validate_json(item.result).warns


BUG = "quba-check: this is a bug"


@pytest.mark.parametrize(
    ("judge", "end", "text", "outcome"),
    [
        (StubJudge(0.4), pytest.fail, "corruption_robustness 0.400 is below 0.500 (short by 0.100)", "fail"),
        (StubJudge(0.4, outcome="skipped", message="no such set"), pytest.skip, "no such set", "skipped"),
        (StubJudge(StoreError("the disk is full")), pytest.fail, "the disk is full", None),
        (StubJudge(KeyError("x")), pytest.fail, BUG, None),
    ],
    ids=["a blocking demand", "a skipped one", "an error of the user", "a bug"],
)
def test_how_items_end(items: Any, judge: StubJudge, end: Any, text: str, outcome: str | None) -> None:
    """Only verdicts are results, and a bug is noted."""
    item, _ = items(judge)
    with pytest.raises(end.Exception, match=f"^{re.escape(text)}") as caught:
        item.runtest()
    result = item.result and DemandResult.model_validate_json(item.result)
    assert outcome == (result and result.verdict.outcome)
    assert (item.bug or "").startswith(BUG) == (text == BUG)
    if outcome == "fail":  # in pytest's short summary it is one line
        failure = item.repr_failure(caught)
        assert failure.reprcrash.message == f"Failed: {text}"
        assert len(str(failure).splitlines()) > 1
