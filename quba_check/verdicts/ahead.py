"""Warnings ahead: waivers that end, old and eroding baselines, and bounds far from the value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from quba_check.number_format import counted, format_distinct, format_gap
from quba_check.records.baselines import approved_values
from quba_check.records.record import Record
from quba_check.records.verdict import DROPS, VerdictRow

SOON = timedelta(days=14)
OLD = timedelta(days=90)
"""Time before the end of a waiver, and age of a baseline, from which on a run warns."""
APPROVALS = 5
ERRORS = 5
"""Number of approvals that each make a value worse; standard errors by which a value beats its bound."""
WIDE = f"a regression would pass, with the bound more than {ERRORS} standard errors away"


def waiver_warnings(rows: Iterable[VerdictRow], day: date) -> Iterator[str]:
    """Yield the waivers that are not needed, or that end soon."""
    for row in rows:
        if row.waiver is not None and row.has_needless_waiver:
            yield f"{row.shown_name} needs no waiver. Remove 'waive': {row.waiver}"
        elif row.waiver is not None and (left := row.waiver.until - day) <= SOON:
            yield f"the waiver of {row.shown_name} ends in {counted(left.days, 'day')}: {row.waiver}"


def baseline_warnings(name: str, approvals: Sequence[Mapping[str, Any]], day: date) -> Iterator[str]:
    """Yield the age of an old baseline, and values that its approvals eroded.

    A value is eroded if each of the last `APPROVALS` ones made it worse.

    Args:
        name: its name in messages.
        approvals: the lines of its history.
        day: the present day.
    """
    with suppress(ValueError, IndexError):
        age = day - datetime.fromisoformat(str(approvals[-1].get("time"))).date()
        if age > OLD:
            yield f"the baseline {name} is {age.days} days old. Approve the model that is in use"
    values = [approved_values(line) for line in approvals[-APPROVALS - 1 :]]
    for target, last in values[-1].items() if len(values) > APPROVALS else ():
        sign = -1 if last.better == "low" else 1
        numbers = [sign * rows[target].value for rows in values if target in rows]
        if len(numbers) > APPROVALS and all(after < before for before, after in pairwise(numbers)):
            first, now = format_distinct(sign * numbers[0], last.value, last.unit)
            yield f"{target} became worse in each of {APPROVALS} approvals of {name}: {first} to {now}"


def wide_bounds(record: Record) -> list[str]:
    """Return blocking demands without a blocking drop that a value meets by many standard errors."""
    blocking = [row for row in record.verdicts if row.tier == "block"]
    texts = []
    bounded = {row.target for row in blocking if row.key in DROPS}
    for row in blocking:
        quantity = None if row.target in bounded or row.outcome != "pass" else record.judged(row)
        if quantity is None or quantity.curve is None:
            continue
        error = (quantity.curve.at(1) - quantity.curve.at(-1)) / 2
        bound = float(row.bound)
        if abs(quantity.value - bound) > ERRORS * error:
            gap = format_gap(quantity.value, bound, quantity.unit)
            texts.append(f"{row.shown_name} by {gap}")
    return texts
