"""The slices of a record, the worst first."""

from __future__ import annotations

from quba_check.errors import UserError
from quba_check.messages import listed
from quba_check.number_format import format_value, interval_text
from quba_check.records.measurement import MeasurementRow, QuantityRow
from quba_check.records.record import Record
from quba_check.reports.tables import table_text, terminal_width, wrapped
from quba_check.stats.rank_statistics import holm_adjusted

HEADINGS = ("slice", "images", "value", "gap", "p (Holm)")
MOST_ROWS, MOST_NAMED = 20, 10
LEAST_IMAGES = 50
"""Images of a slice that is compared, unless stated."""
LEGEND = (
    "gap: how much worse the slice is than all other images; p: of a slice that is no worse, adjusted for "
    "the number of slices"
)
_SMALLEST_P = 1e-4


def slices_text(record: Record, dimension: str, least: int) -> str:
    """Return the slices of all columns in a table, each compared with all other images.

    Args:
        record: the record.
        dimension: name of the dimension.
        least: number of images below which a slice is only named.

    Raises:
        UserError: the record has no slices of the dimension.
    """
    row = record.measurements.get(dimension)
    measured = [
        name for name, one in record.measurements.items() if isinstance(one, MeasurementRow) and one.gaps
    ]
    if not isinstance(row, MeasurementRow) or dimension not in measured:
        raise UserError(
            f"{record.model.name}: the record has no slices of {dimension}. Allowed: "
            f"{listed(measured) or 'a run on a suite whose manifest declares slices'}."
        )
    p_values = worst_slices(row, least)
    rows = [
        (
            name,
            f"{_images(row.gaps[name]):,}",
            slice_text(row.slices[name]),
            format_value(row.gaps[name].value, row.unit),
            "<0.0001" if p_value < _SMALLEST_P else f"{p_value:.2g}",
        )
        for name, p_value in list(p_values.items())[:MOST_ROWS]
    ]
    small = [name for name in (*row.slices, *row.unsliced) if name not in p_values]
    cut = f"shown: {MOST_ROWS} of {len(p_values):,}" if len(p_values) > MOST_ROWS else ""
    omitted = f"not compared: {listed(small, MOST_NAMED)}" if small else ""
    notes = wrapped(filter(None, (LEGEND, cut, omitted)), terminal_width())
    table = table_text(HEADINGS, rows, HEADINGS[1:], cut=["slice"], width=terminal_width())
    return f"{record.model.name} on {record.suite.name}: {dimension}\n{table}{notes}"


def worst_slices(row: MeasurementRow, least: int) -> dict[str, float]:
    """Return the p-value (Holm) of each slice of `least` images or more, worst first."""
    large = {name: gap for name, gap in row.gaps.items() if _images(gap) >= least}
    curves = [gap.curve for gap in large.values()]
    adjusted = holm_adjusted([1.0 if one is None else one.p_value_above(0.0) for one in curves])
    p_values = dict(zip(large, adjusted, strict=True))
    return dict(sorted(p_values.items(), key=lambda item: (item[1], -large[item[0]].value)))


def _images(quantity: QuantityRow) -> int:
    return quantity.images or quantity.n or 0


def slice_text(quantity: QuantityRow) -> str:
    """Return a value with its interval."""
    value, ends = format_value(quantity.value, quantity.unit), quantity.interval
    return value if ends is None else f"{value} ({interval_text(ends, quantity.unit, _images(quantity))})"
