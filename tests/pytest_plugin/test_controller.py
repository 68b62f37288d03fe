"""The controller: reports become results or reasons, and records an exit code."""

from types import SimpleNamespace
from typing import Any

import pytest
from support.gated import CORRUPTION, corruption
from support.tuned import record

from quba_check.gate.collector import DemandResult
from quba_check.pytest_plugin.controller import Controller
from quba_check.pytest_plugin.hooks import BUG, RESULT
from quba_check.verdicts import decide
from quba_check.verdicts.explanation import verdict_row

NODE_ID = "x.yaml::corruption_robustness[min]"


def controller(**options: Any) -> Controller:
    """A controller that writes no record: pytest was asked to collect only."""
    config: Any = SimpleNamespace(option=SimpleNamespace(collectonly=True, **options))
    gate: Any = SimpleNamespace(files=("x.yaml",), options=SimpleNamespace(plan=False), close=lambda: None)
    return Controller(config, gate, SimpleNamespace(speed=0.0))


def verdict(outcome: str = "pass", **changes: Any) -> dict[str, Any]:
    row = verdict_row(decide(CORRUPTION, corruption(0.6)), NODE_ID)
    return row.model_copy(update={"outcome": outcome, **changes}).model_dump()


def report(result: DemandResult | None = None, **attributes: Any) -> Any:
    """A report of a demand's item."""
    base = {"nodeid": NODE_ID, "when": "call", "longrepr": None, "passed": False, "failed": False}
    text = {} if result is None else {RESULT: result.model_dump_json()}
    return SimpleNamespace(**base | {"skipped": False} | text | attributes)


def exit_code(ours: Controller, status: int, failed: int) -> int | None:
    """The exit code of a session in which tests failed, which is also the controller's."""
    session: Any = SimpleNamespace(exitstatus=status, testsfailed=failed)
    ours.pytest_sessionfinish(session)
    assert ours.exit_code == session.exitstatus
    return ours.exit_code


@pytest.mark.parametrize(
    ("verdicts", "changes", "status", "failed", "code"),
    [
        (["pass", "pass"], {}, 0, 0, 0),
        (["pass", "skipped"], {}, 0, 0, 0),
        (["pass"], {"unselected": 3}, 0, 0, 0),
        (["fail"], {}, 1, 1, 1),
        (["fail"], {}, 0, 0, 1),  # a plugin that turned the failed item into a pass
        (["not run"], {}, 0, 0, 1),
        (["uncertain"], {}, 1, 1, 6),
        (["uncertain", "fail"], {}, 1, 2, 1),
        (["uncertain"], {}, 1, 2, 1),  # a test of the user failed as well
        (["pass"], {}, 1, 1, 1),
        (["skipped"], {}, 5, 0, 5),
        (["skipped"], {}, 0, 0, 5),
        (["pass"], {"interrupted": True}, 2, 0, 2),
        (["pass"], {}, 3, 0, 3),
    ],
)
def test_the_exit_code_follows_the_verdicts(
    verdicts: list[str], changes: dict[str, Any], status: int, failed: int, code: int
) -> None:
    ours = controller()
    ours.records = [record(verdicts=[verdict(outcome) for outcome in verdicts], **changes)]
    assert exit_code(ours, status, failed) == code


def test_the_exit_code_of_several_records_or_none() -> None:
    """The worst counts; no record and one that was not written are no pass."""
    ours = controller()
    passed = record(verdicts=[verdict()])
    assert exit_code(ours, 0, 0) == 5
    ours.records = [passed, record(verdicts=[verdict("uncertain")]), passed]
    assert exit_code(ours, 1, 1) == 6
    ours.records = [passed]
    ours.errors = ["the disk is full"]
    assert exit_code(ours, 0, 0) == 1


def test_a_bug_has_its_own_exit_code() -> None:
    ours = controller()
    ours.records = [record(verdicts=[verdict()])]
    ours.pytest_runtest_logreport(report(failed=True, longrepr="a bug", **{BUG: "this is a bug"}))
    assert exit_code(ours, 1, 1) == 3
    assert ours.errors == ["this is a bug"]


def result(value: float, tier: str = "block") -> DemandResult:
    row = verdict_row(decide(CORRUPTION, corruption(value)), NODE_ID)
    return DemandResult(model="net", protocol="standard", verdict=row.model_copy(update={"tier": tier}))


def test_reports_carry_results() -> None:
    ours = controller()
    ours.pytest_runtest_logreport(report(result(0.6), passed=True))
    assert ours._collector.results[NODE_ID].verdict.outcome == "pass"
    assert ours._collector.crashed == {}


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"skipped": True, "longrepr": ("x.py", 1, "Skipped: too slow")}, "its item was skipped (too slow)"),
        ({"skipped": True, "wasxfail": "known"}, "its item was skipped (known)"),
        ({"failed": True, "longrepr": "worker 'gw0' crashed\nmore"}, "worker 'gw0' crashed"),
        ({"failed": True, "longrepr": ""}, "its item failed"),
        ({"passed": True}, "its item ended without a verdict; a plugin or a conftest.py changed it"),
    ],
)
def test_reasons_for_missing_results(attributes: dict[str, Any], reason: str) -> None:
    ours = controller()
    ours.pytest_runtest_logreport(report(**attributes))
    assert ours._collector.crashed == {NODE_ID: reason}


def test_setup_and_teardown_that_pass_say_nothing() -> None:
    ours = controller()
    for when in ("setup", "teardown"):
        ours.pytest_runtest_logreport(report(when=when, passed=True))
    assert ours._collector.crashed == {}


def test_demands_that_only_warn_are_counted_separately() -> None:
    ours = controller()
    warned = ("warned", "w", ("WARNED", {"yellow": True}))
    assert ours.pytest_report_teststatus(report(result(0.4, "warn"), passed=True)) == warned
    assert ours.pytest_report_teststatus(report(result(0.6, "warn"), passed=True)) is None
    assert ours.pytest_report_teststatus(report(passed=True)) is None
