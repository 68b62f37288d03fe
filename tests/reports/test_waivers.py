"""A waived demand in every report: waived, never passed; and a waiver that is not needed."""

from datetime import date

from support.gate import markdown_text, terminal_text
from support.parsed_page import parsed
from support.rows import explained
from support.rows import verdict as row
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.explanation import Explanation
from quba_check.exports.tables import export_rows
from quba_check.page.render import meaning_of, render_page
from quba_check.records.verdict import EXIT_CODES, VerdictRow, Waiver
from quba_check.reports.ci import badge_message, github_commands
from quba_check.reports.verdict_labels import label

WAIVER = Waiver(until=date(2027, 1, 31), by="ann", reason="new data", bound=0.8)
SHORT = Explanation(
    "accuracy 0.900 is below 0.950 (short by 0.050)", details=("waived until 2027-01-31 by ann: new data",)
)


WAIVED = explained(
    record(
        verdicts=[
            row(bound=0.95, outcome="waived", explanation=SHORT, waiver=WAIVER),
            row("corruption_robustness.fog", 0.5, "pass"),
        ]
    )
)


def test_it_releases_and_is_counted(snapshot: SnapshotAssertion) -> None:
    assert (WAIVED.overall_verdict, EXIT_CODES[WAIVED.overall_verdict]) == ("pass", 0)
    assert [(row.is_met, row.blocks, label(row)) for row in WAIVED.verdicts] == [
        (False, False, "WAIVED"),
        (True, False, "PASS"),
    ]
    texts = [terminal_text(WAIVED), markdown_text(WAIVED), github_commands([WAIVED], lambda _: None)]
    assert "\n".join([*texts, badge_message(WAIVED), meaning_of(WAIVED)]) == snapshot


def test_a_failure_of_another_demand_still_blocks() -> None:
    both = (*WAIVED.verdicts, VerdictRow.model_validate(row("shape_bias")))
    assert WAIVED.model_copy(update={"verdicts": both}).overall_verdict == "fail"


def test_the_page_and_exports() -> None:
    text = parsed(render_page([StoredRun("r.json", WAIVED)])).text
    assert "WAIVED" in text
    assert "waived until 2027-01-31 by ann: new data" in text
    outcomes = [one["outcome"] for one in export_rows([WAIVED]) if one["demand"] == ">= 0.95"]
    assert outcomes == ["waived"]


def test_a_waiver_that_is_not_needed() -> None:
    needless = record(verdicts=[row(outcome="pass", bound=0.85, waiver=WAIVER)])
    assert needless.overall_verdict == "pass"
    assert github_commands([needless], lambda _: "gate.yaml") == (
        "::warning file=gate.yaml,line=3,title=PASS accuracy[min] (r50)::It needs no waiver: remove it. "
        "waived until 2027-01-31 by ann: new data\n"
    )
