"""The answers of a model and its reference, in two lines."""

from support.gate import markdown_text, terminal_text
from support.parity_runs import TABLES, parity_run
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

from quba_check.dimensions.parity import SAME_PREDICTIONS
from quba_check.reports.notes import parity_lines, record_notes

ONLY = {name: TABLES[name] for name in ("flips", "reference")}
WITHOUT_PROBABILITIES = {name: table for name, table in TABLES.items() if name != "probability_changes"}
OTHER = {name: {"columns": ["x"], "rows": [["y"]]} for name in ("flips", "changed_answers", "flipped_images")}


def test_lines(snapshot: SnapshotAssertion) -> None:
    """Without probabilities or changes, and with tables of other columns."""
    runs = [parity_run(), *(parity_run(tables=each) for each in (WITHOUT_PROBABILITIES, ONLY, OTHER))]
    assert "\n\n".join("\n".join(parity_lines(run.record)) for run in runs) == snapshot
    assert parity_lines(record()) == ()


def test_the_same_predictions_take_one_line() -> None:
    same = parity_run(same=True).record
    row = same.measurements["parity"].model_copy(update={"notes": (SAME_PREDICTIONS, "another note")})
    noted = same.model_copy(update={"measurements": {"parity": row}})
    line = "same model? the same predictions as the reference"
    assert parity_lines(noted) == (line,)
    assert record_notes(noted) == (line, "parity: another note")


def test_reports_have_the_lines() -> None:
    run = parity_run().record
    first, second = parity_lines(run)
    assert f"{first} {second}" in " ".join(terminal_text(run).split())
    assert f"`{first}`\n\n`{second}`" in markdown_text(run)
