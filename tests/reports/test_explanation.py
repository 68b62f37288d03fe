"""The table of slices of a record."""

import pytest
from support.tuned import record

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.confidence import SCORES
from quba_check.errors import UserError
from quba_check.page.columns import columns
from quba_check.page.figures import figures
from quba_check.records.measurement import MeasurementRow, QuantityRow, SliceValuesRow
from quba_check.reports.explanation import slices_text


def row(value, n, error=0.01):
    limits = tuple(value + error * score for score in SCORES)
    interval = value - 0.02, value + 0.02
    return QuantityRow(value=value, unit="fraction", n=n, interval=interval, limits=limits)


def run():
    values = {"light=day": row(0.9, 500), "light=night": row(0.6, 80), "light=dusk": row(0.1, 12)}
    gaps = {"light=day": row(-0.2, 500), "light=night": row(0.02, 80), "light=dusk": row(0.5, 12)}
    content = {"value": 0.8, "unit": "fraction", "n": 592, "better": "high"}
    slices = {"light": SliceValuesRow(values=values, gaps=gaps)}
    return record(measurements={"accuracy": MeasurementRow(**content, slices=slices)})


def test_the_worst_slices_come_first(monkeypatch):
    """The p-value of night is that of the score 2, 0.0228, times two slices."""
    monkeypatch.setenv("COLUMNS", "80")
    assert slices_text(run(), "accuracy", 50) == (
        "r50 on tiny: accuracy\n"
        "slice        images                 value     gap  p (Holm)\n"
        "light=night      80  0.600 (0.580..0.620)  0.0200     0.046\n"
        "light=day       500  0.900 (0.880..0.920)  -0.200         1\n"
        "gap: how much worse the slice is than all other images; p: of a slice that is no\n"
        "  worse, adjusted for the number of slices\n"
        "not compared: light=dusk\n"
    )


def test_a_record_without_slices():
    with pytest.raises(UserError) as raised:
        slices_text(run(), "shape_bias", 50)
    assert str(raised.value) == "r50: the record has no slices of shape_bias. Allowed: accuracy."


def test_the_page_draws_the_worst_first():
    *_, figure = figures("accuracy", columns([StoredRun("a.json", run())]))
    assert figure.caption == "Value on each slice of the images, the worst 3 of 3 first."
    assert [row[0] for row in figure.rows] == ["light=dusk", "light=night", "light=day"]
    assert figure.rows[0][1].description == "0.100 (0.0800 to 0.120)"
