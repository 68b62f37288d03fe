"""A waived demand in every report: waived, never passed; and a waiver that is not needed."""

from __future__ import annotations

from datetime import date

import pytest
from support.parsed_page import parsed
from support.rows import verdict as row
from support.tuned import record

from quba_check.comparison.stored_run import StoredRun
from quba_check.exports.attestation import statement
from quba_check.exports.tables import export_rows
from quba_check.page.render import meaning_of, render_page
from quba_check.records.record import Record
from quba_check.records.verdict import EXIT_CODES, VerdictRow, Waiver
from quba_check.reports.cells import demand_cells
from quba_check.reports.ci import badge_message, unmet_demands
from quba_check.reports.markdown import Run, markdown_summary
from quba_check.reports.terminal import render
from quba_check.reports.verdict_labels import label, release_line, summary_line

WAIVER = Waiver(until=date(2027, 1, 31), by="ann", reason="new data", limit=0.8)
MESSAGE = "accuracy 0.900 is below 0.950 (short by 0.050)\n  waived until 2027-01-31 by ann: new data"


@pytest.fixture(name="waived")
def _waived() -> Record:
    waived = row(limit=0.95, outcome="waived", message=MESSAGE, waiver=WAIVER)
    return record(verdicts=[waived, row("corruption_robustness.fog", 0.5, "pass")])


def with_file(record: Record) -> Record:
    return record.model_copy(
        update={"model": record.model.model_copy(update={"files": {"net.pt": "a" * 64}})}
    )


def test_it_releases_and_is_counted(waived: Record) -> None:
    assert (waived.overall_verdict, EXIT_CODES[waived.overall_verdict]) == ("pass", 0)
    assert [(row.is_met, row.blocks, label(row)) for row in waived.verdicts] == [
        (False, False, "WAIVED"),
        (True, False, "PASS"),
    ]
    assert summary_line(waived) == "1 of 2 demands passed, 1 waived"
    assert release_line(waived) == "released: yes, waived: accuracy[min] until 2027-01-31"


def test_a_failure_of_another_demand_still_blocks(waived: Record) -> None:
    both = waived.model_copy(
        update={"verdicts": (*waived.verdicts, VerdictRow.model_validate(row("shape_bias")))}
    )
    assert both.overall_verdict == "fail"


def test_terminal_and_summary(waived: Record) -> None:
    text = render(waived, width=100, colour=False, ascii=False, classes=False)
    assert (
        "Waived:\n  accuracy 0.900 is below 0.950 (short by 0.050)\n    waived until 2027-01-31 by ann"
        in text
    )
    summary = markdown_summary([Run(waived)])
    assert summary.startswith("### ⚠️ PASS WITH WAIVERS: `r50` · 1 of 2 demands passed, 1 waived\n\n")
    assert "| ⚠️ WAIVED | `accuracy` | `>= 0.95` | `0.900` | `0.880..0.920` | **short by 0.050** |" in summary


def test_the_page(waived: Record) -> None:
    assert meaning_of(waived) == (
        "This model may be released: no demand blocks it. Not met but waived: accuracy[min] until 2027-01-31."
    )
    text = parsed(render_page([StoredRun("r.json", waived)])).text
    assert "WAIVED" in text
    assert "waived until 2027-01-31 by ann: new data" in text


def test_annotations_and_exports(waived: Record) -> None:
    (annotation,) = unmet_demands([waived], lambda _: None)
    assert (annotation.level, annotation.title) == ("warning", "WAIVED accuracy[min] (r50)")
    outcomes = [one["outcome"] for one in export_rows([waived]) if one["demand"] == ">= 0.95"]
    assert outcomes == ["waived"]
    assert badge_message(waived) == "pass with waivers"
    predicate = statement(with_file(waived), file="r.json", digest="0" * 64)["predicate"]
    assert (predicate["result"], predicate["warnedTests"]) == ("WARNED", ["t.yaml::accuracy[min]"])


def test_a_waiver_that_is_not_needed() -> None:
    needless = VerdictRow.model_validate(row(limit=0.85, waiver=WAIVER))
    assert demand_cells(needless, record(verdicts=[needless])).gap == "remove its waiver"
