"""The answers of a model and its reference, in two lines."""

from __future__ import annotations

from support.parity_runs import TABLES, parity_run
from support.tuned import record

from quba_check.reports.markdown import Run, markdown_summary
from quba_check.reports.notes import SAME, parity_lines, record_notes
from quba_check.reports.terminal import render

FIRST = (
    "same model? 97 of 100 answers (97.0 %) are those of the reference (accuracy 0.880): 2 lost, 1 gained, 0 "
    "wrong to wrong"
)
SECOND = (
    "most changed: bee → ape 2, ape → cat 1; 99.9th percentile of the largest change of a probability: 0.63"
)


def test_two_lines() -> None:
    assert parity_lines(parity_run().record) == (FIRST, SECOND)
    assert record_notes(parity_run().record)[:2] == (FIRST, SECOND)
    assert parity_lines(record()) == ()


def test_without_probabilities_or_changes() -> None:
    without = {name: table for name, table in TABLES.items() if name != "probability_changes"}
    assert parity_lines(parity_run(tables=without).record)[1] == "most changed: bee → ape 2, ape → cat 1"
    only = {name: TABLES[name] for name in ("flips", "reference")}
    assert parity_lines(parity_run(tables=only).record) == (FIRST,)


def test_tables_of_other_columns_are_left_out() -> None:
    other = {
        name: {"columns": ["x"], "rows": [["y"]]} for name in ("flips", "changed_answers", "flipped_images")
    }
    assert parity_lines(parity_run(tables=other).record) == (FIRST.partition(" (accuracy")[0],)


def test_the_same_predictions_take_one_line() -> None:
    same = parity_run(same=True).record
    row = same.measurements["parity"].model_copy(update={"notes": (SAME, "another note")})
    noted = same.model_copy(update={"measurements": {"parity": row}})
    line = "same model? the same predictions as the reference"
    assert parity_lines(noted) == (line,)
    assert record_notes(noted) == (line, "parity: another note")


def test_reports_have_the_lines() -> None:
    run = parity_run().record
    text = " ".join(render(run, width=80, colour=False).split())
    assert FIRST in text
    assert SECOND in text
    assert f"`{FIRST}`\n\n`{SECOND}`" in markdown_summary([Run(run)])
