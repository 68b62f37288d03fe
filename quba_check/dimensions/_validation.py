"""Validation of declared dimensions and of what their functions return.

A custom dimension is code that runs within a gate: whatever it raises or returns must end in a one-line
message with its file and line, never in a number that differs from its declaration.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar, get_args

from quba_check.core.confidence import ConfidenceCurve
from quba_check.core.dimension import PUBLISHED_DIMENSIONS, Better, Dimension, Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Cell, Measurement, Quantity, Table
from quba_check.core.predictions import Predictions
from quba_check.core.view import CORRUPTIONS, CORRUPTIONS_SET, EXTRA_CORRUPTIONS, SAMPLED, SEVERITIES, View
from quba_check.errors import DimensionError, QubaError
from quba_check.messages import did_you_mean, listed

RESERVED = ("quba",)
"""Names with another meaning in threshold files."""
ROUNDING = 1e-6
"""Distance from the range 0 to 1 that single precision explains."""
MOST_CELLS = 1_000_000
"""Largest number of cells in a table; a row for each class of ImageNet-21k has a tenth of it."""
LONGEST_TEXT = 1_000
"""Largest number of characters of a cell, a column name or a note."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]*(\..+)?", re.DOTALL)
Declared = TypeVar("Declared", View, Part)
MeasuredType = TypeVar("MeasuredType", Measurement, Quantity)


def origin(function: Callable[..., Any]) -> str:
    """Return a function's file and line, or its module in a notebook."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or code.co_filename.startswith("<"):
        return str(getattr(function, "__module__", type(function).__module__))
    return _location(code.co_filename, code.co_firstlineno)


def _location(file: str, line: int | None) -> str:
    """Return file and line, relative to the current folder if the file is in it."""
    path = Path(file).absolute()
    here = Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{line}"


def validated_dimension(dimension: Dimension) -> Dimension:
    """Return the dimension with functions that check what they return.

    Raises:
        DimensionError: name, direction, weight or unit cannot be used.
    """
    where = f"{origin(dimension.measure)}: dimension '{dimension.name}'"
    _check_declaration(dimension, where)
    return replace(
        dimension,
        views=_with_check(dimension.views, View, f"{where}: views", _check_view),
        parts=_with_check(dimension.parts, Part, f"{where}: parts", _check_part),
        measure=_with_checked_result(dimension, f"{where}: measure"),
        check_suite=lambda suite, labels: _call(
            f"{where}: check_suite", dimension.check_suite, suite, labels
        ),
    )


def _check_declaration(dimension: Dimension, where: str) -> None:
    if not _NAME.fullmatch(dimension.name) or dimension.name in RESERVED:
        raise DimensionError(
            "the name cannot be used",
            where=where,
            allowed="small letters, digits and underscores, beginning with a letter; not "
            f"{', '.join(RESERVED)}",
        )
    _check_better(where, dimension.better)
    if not dimension.unit:
        raise DimensionError(
            "unit is empty", where=where, allowed="fraction, ratio, millions, or another word"
        )
    if dimension.weight and dimension.name not in PUBLISHED_DIMENSIONS:
        raise DimensionError(
            "weight",
            where=where,
            got=f"{dimension.weight:g}",
            allowed="0; the QUBA score is over the nine published dimensions",
        )


def _check_better(where: str, better: str | None) -> None:
    if better not in get_args(Better):
        raise DimensionError(
            "better",
            where=where,
            got=f"{better!r}",
            allowed="'high', 'low'",
            hint=did_you_mean(str(better), get_args(Better)),
        )


def _with_check(
    function: Callable[[SuiteFacts], Any],
    kind: type[Declared],
    where: str,
    check: Callable[[str, Declared], None],
) -> Callable[[SuiteFacts], tuple[Declared, ...]]:
    @functools.wraps(function)
    def checked(suite: SuiteFacts) -> tuple[Declared, ...]:
        items = _call(where, function, suite)
        if not isinstance(items, (tuple, list)) or not all(isinstance(item, kind) for item in items):
            raise DimensionError(where, got=f"{items!r}", allowed=f"a tuple of {kind.__name__}")
        for item in items:
            check(where, item)
        return tuple(items)

    return checked


def _check_view(where: str, view: View) -> None:
    names = (*CORRUPTIONS, *EXTRA_CORRUPTIONS)
    if view.set == CORRUPTIONS_SET:
        is_possible = (view.corruption in names and view.severity in SEVERITIES) or view == SAMPLED
    else:
        is_possible = view.corruption is None and view.severity is None
    if not is_possible:
        raise DimensionError(
            where,
            got=f"{(view.set, view.corruption, view.severity)}",
            allowed=f"the name of a set alone, or '{CORRUPTIONS_SET}' with a corruption ({listed(names)}) "
            "and a severity (1 to 5)",
        )


def _check_part(where: str, part: Part) -> None:
    if part.better is not None:
        _check_better(f"{where}: {part.name}", part.better)


def _with_checked_result(
    dimension: Dimension, where: str
) -> Callable[[Mapping[View, Predictions], Facts], Measurement]:
    @functools.wraps(dimension.measure)
    def measure(predictions: Mapping[View, Predictions], facts: Facts) -> Measurement:
        measurement = _call(where, dimension.measure, predictions, facts)
        if not isinstance(measurement, Measurement):
            raise DimensionError(
                f"returned {measurement!r}", where=where, allowed="a quba_check.core.measurement.Measurement"
            )
        if measurement.dimension != dimension.name:
            raise DimensionError(f"returned a measurement of '{measurement.dimension}'.", where=where)
        is_custom = dimension.name not in PUBLISHED_DIMENSIONS  # object_focus is a fraction and can exceed 1
        whole = _checked_quantity(measurement, dimension.unit, f"{where}: the value", check_range=is_custom)
        units = {part.name: part.unit for part in dimension.parts(facts.suite)}
        parts = {}
        for name, part in measurement.parts.items():
            if name not in units:
                raise DimensionError(
                    f"returned the part '{name}', which is not declared",
                    where=where,
                    hint=f"{did_you_mean(name, units)} Declared: {listed(units) or 'no parts'}.".strip(),
                )
            label = f"{where}: the part '{name}'"
            if not isinstance(part, Quantity) or isinstance(part, Measurement):
                raise DimensionError(label, got=f"{part!r}", allowed="a quba_check.core.measurement.Quantity")
            parts[name] = _checked_quantity(part, units[name], label, check_range=is_custom)
        return replace(whole, parts=parts, tables=checked_tables(measurement.tables, where))

    return measure


def _checked_quantity(quantity: MeasuredType, unit: str, where: str, *, check_range: bool) -> MeasuredType:
    """Check a quantity; return it with Python numbers instead of those of numpy or torch."""
    if not isinstance(quantity.value, Real) or not math.isfinite(quantity.value):
        raise DimensionError(
            f"{where} is not a finite number",
            got=f"{quantity.value!r}",
            hint="If there is no value, raise UnmeasurableError('why').",
        )
    if quantity.unit != unit:
        raise DimensionError(f"{where} is in '{quantity.unit}', but '{unit}' is declared.")
    if not isinstance(quantity.curve, ConfidenceCurve | None) or not isinstance(quantity.n, Integral | None):
        raise DimensionError(
            f"{where} has n = {quantity.n!r} and the curve {quantity.curve!r}",
            allowed="a whole number of images, and a ConfidenceCurve as from "
            "quba_check.dimensions.share, or None",
        )
    value = float(quantity.value)
    if check_range and unit == "fraction" and not -ROUNDING <= value <= 1 + ROUNDING:  # such as a percentage
        raise DimensionError(
            f"{where} is not a fraction", got=f"{value:g}", allowed="a number from 0 to 1, or another unit"
        )
    return replace(quantity, value=value, n=None if quantity.n is None else int(quantity.n))


def _call(where: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a custom dimension's function; report its exceptions with file and line."""
    try:
        return function(*arguments)
    except QubaError:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise DimensionError(
            f"raised {text} ({_location(frame.filename, frame.lineno)}).", where=where
        ) from error


def checked_tables(tables: object, where: str) -> dict[str, Table]:
    """Check the tables of a measurement; return them with Python's own numbers and storable text.

    Text that cannot be encoded, such as a file name of another encoding, gets escapes.

    Raises:
        DimensionError: a name, a table, or a cell cannot be stored.
    """
    if not isinstance(tables, Mapping) or not all(
        isinstance(name, str) and _TABLE_NAME.fullmatch(name) for name in tables
    ):
        raise DimensionError(
            "tables",
            where=where,
            got=_shown(tables),
            allowed="a dict of names (small letters, digits and underscores, beginning with a letter; "
            "any text after a dot) and tables",
        )
    return {name: _checked_table(table, f"{where}: the table '{name}'") for name, table in tables.items()}


def _checked_table(table: object, where: str) -> Table:
    if not isinstance(table, Table) or not _is_well_formed(table):
        raise DimensionError(
            where,
            got=_shown(table),
            allowed="a quba_check.Table with different column names, rows with one cell for each "
            f"column, at most {MOST_CELLS:,} cells, and text as the note",
        )
    rows = []
    for number, row in enumerate(table.rows, start=1):
        places = [f"{where}: row {number}, column '{name}'" for name in table.columns]
        rows.append(tuple(map(_cell, row, places)))
    columns = tuple(str(_cell(name, f"{where}: a column name")) for name in table.columns)
    return Table(columns, tuple(rows), str(_cell(table.note, f"{where}: the note")))


def _is_well_formed(table: Table) -> bool:
    columns, rows = table.columns, table.rows
    return (
        _is_list(columns)
        and all(isinstance(name, str) for name in (*columns, table.note))
        and 0 < len(columns) == len(set(columns))
        and _is_list(rows)
        and all(_is_list(row) and len(row) == len(columns) for row in rows)
        and len(columns) * len(rows) <= MOST_CELLS
    )


def _cell(cell: Any, where: str) -> Cell:
    if isinstance(cell, str) and len(cell) <= LONGEST_TEXT:
        return cell.encode(errors="backslashreplace").decode()
    if isinstance(cell, str):
        raise DimensionError(
            f"{where} has {len(cell):,} characters", allowed=f"text of at most {LONGEST_TEXT:,}"
        )
    number = None if isinstance(cell, bool) else cell  # a bool is an int to Python
    if isinstance(number, Integral):
        return operator.index(number)
    if isinstance(number, Real) and math.isfinite(number):
        return float(number)
    raise DimensionError(where, got=_shown(cell), allowed="text, a whole number, or a finite number")


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
