"""Custom dimensions are checked against their declaration, with one-line messages."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.answers import facts
from support.errors import error_text

from quba_check.core.dimension import Dimension, Part
from quba_check.core.facts import SuiteFacts
from quba_check.core.measurement import Measurement, Quantity, Table
from quba_check.core.view import CLEAN, CORRUPTIONS, EXTRA_CORRUPTIONS, View
from quba_check.dimensions._validation import validated_dimension
from quba_check.errors import DimensionError, UnmeasurableError

FILE = os.path.relpath(__file__) if Path(__file__).is_relative_to(Path.cwd()) else __file__
FACTS = facts()
SUITE = FACTS.suite


def measure(_predictions, _facts):
    return Measurement("calm", 0.5, "fraction", 3)


HERE = f"{FILE}:{measure.__code__.co_firstlineno}: dimension 'calm': "


def calm(measure: Callable[..., Any] = measure, **changes: Any) -> Dimension:
    words = {"name": "calm", "title": "How calm", "unit": "fraction", "better": "high", "weight": 0.0}
    words |= {"source": "ours", "views": lambda _: (CLEAN,), "parts": lambda _: (), "measure": measure}
    return validated_dimension(Dimension(**words | changes))


ALLOWED = (
    "Allowed: a whole number of images, and a ConfidenceCurve as from quba_check.dimensions.share, or None."
)


def returning(found: Any) -> Callable[..., Any]:
    def measure(_predictions, _facts):
        return found

    return measure


def message_of(action: Callable[[], Any]) -> str:
    return error_text(DimensionError, action).partition(": dimension 'calm': ")[2]


@pytest.mark.parametrize("name", ["Calm", "calm-ness", "2calm", "calm.part", "", "quba"])
def test_names(name: str) -> None:
    assert error_text(DimensionError, calm, name=name) == (
        f"{HERE.replace('calm', name)}the name cannot be used. "
        "Allowed: small letters, digits and underscores, beginning with a letter; not quba."
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"better": "hihg"}, "better, got 'hihg'. Allowed: 'high', 'low'. Did you mean 'high'?"),
        ({"better": None}, "better, got None. Allowed: 'high', 'low'."),
        ({"unit": ""}, "unit is empty. Allowed: fraction, ratio, millions, or another word."),
        ({"weight": 2.0}, "weight, got 2. Allowed: 0; the QUBA score is over the nine published dimensions."),
    ],
)
def test_declarations(words: dict[str, Any], message: str) -> None:
    assert error_text(DimensionError, calm, **words) == HERE + message


NAN = float("nan")
NO_VALUE = "If there is no value, raise UnmeasurableError('why')."
A_QUANTITY = "Allowed: a quba_check.core.measurement.Quantity."
A_FRACTION = "Allowed: a number from 0 to 1, or another unit."


def found(
    *, value: Any = 0.5, unit: str = "fraction", n: Any = 3, curve: Any = None, **parts: Any
) -> Measurement:
    return Measurement("calm", value, unit, n, curve, parts=parts)


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (CLEAN, f"views, got {CLEAN!r}. Allowed: a tuple of View."),
        (("clean",), "views, got ('clean',). Allowed: a tuple of View."),
        *(
            (
                [View(*view)],
                f"views, got {view}. Allowed: the name of a set alone, or 'corruptions' with a corruption "
                f"({', '.join((*CORRUPTIONS, *EXTRA_CORRUPTIONS))}) and a severity (1 to 5).",
            )
            for view in (
                ("corruptions", "fogg", 1),
                ("corruptions", "fog", 6),
                ("corruptions", None, None),
                ("sketch", "fog", 1),
            )
        ),
    ],
)
def test_views(views: Any, message: str) -> None:
    assert message_of(lambda: calm(views=lambda _: views).views(SUITE)) == message


def test_views_and_parts_may_be_lists() -> None:
    part = Part("left", "fraction", None, "what is left")
    made = calm(views=lambda _: [CLEAN], parts=lambda _: [part])
    assert (made.views(SUITE), made.parts(SUITE)) == ((CLEAN,), (part,))


def test_parts() -> None:
    part = Part("left", "fraction", "up", "what is left")  # type: ignore[arg-type]
    message = "parts: left: better, got 'up'. Allowed: 'high', 'low'."
    assert message_of(lambda: calm(parts=lambda _: (part,)).parts(SUITE)) == message


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (0.5, "returned 0.5. Allowed: a quba_check.core.measurement.Measurement."),
        (Measurement("rest", 0.5, "fraction", 3), "returned a measurement of 'rest'."),
        (found(value=NAN), f"the value is not a finite number, got nan. {NO_VALUE}"),
        (found(value=None), f"the value is not a finite number, got None. {NO_VALUE}"),
        (found(curve=(0.4, 0.6)), f"the value has n = 3 and the curve (0.4, 0.6). {ALLOWED}"),
        (found(n=3.0), f"the value has n = 3.0 and the curve None. {ALLOWED}"),
        (found(left=0.5), f"the part 'left', got 0.5. {A_QUANTITY}"),
        (found(left=found()), f"the part 'left', got Measurement(calm 0.500 fraction, n=3). {A_QUANTITY}"),
        (found(value=95), f"the value is not a fraction, got 95. {A_FRACTION}"),
        (
            found(left=Quantity(-0.1, "fraction", 3)),
            f"the part 'left' is not a fraction, got -0.1. {A_FRACTION}",
        ),
        (found(unit="ratio"), "the value is in 'ratio', but 'fraction' is declared."),
        (
            found(lefd=Quantity(0.5, "fraction", 3)),
            "returned the part 'lefd', which is not declared. Did you mean 'left'? Declared: left.",
        ),
        (
            found(left=Quantity(0.5, "images", 3)),
            "the part 'left' is in 'images', but 'fraction' is declared.",
        ),
    ],
)
def test_what_measure_returns(outcome: Any, message: str) -> None:
    part = Part("left", "fraction", "high", "what is left")
    made = calm(returning(outcome), parts=lambda _: (part,))
    assert message_of(lambda: made.measure({}, FACTS)) == f"measure: {message}"


def test_a_part_where_none_is_declared() -> None:
    outcome = found(left=Quantity(0.5, "fraction", 3))
    assert message_of(lambda: calm(returning(outcome)).measure({}, FACTS)) == (
        "measure: returned the part 'left', which is not declared. Declared: no parts."
    )


def test_numpy_numbers_become_python_numbers() -> None:
    made = calm(returning(found(value=np.float32(0.5), n=np.int64(3)))).measure({}, FACTS)
    assert (type(made.value), type(made.n)) == (float, int)


def test_an_exception_of_measure_is_reported_with_its_line() -> None:
    def deep(words: dict[str, int]) -> int:
        return words["nothing"]

    def measure(_predictions, _facts):
        return deep({})

    line = deep.__code__.co_firstlineno + 1
    assert message_of(lambda: calm(measure).measure({}, FACTS)) == (
        f"measure: raised KeyError: 'nothing' ({FILE}:{line})."
    )
    assert message_of(lambda: calm(views=lambda _: deep({})).views(SUITE)) == (
        f"views: raised KeyError: 'nothing' ({FILE}:{line})."
    )


def test_no_value_is_passed_on() -> None:
    def measure(_predictions, _facts):
        raise UnmeasurableError("nobody is calm")

    with pytest.raises(UnmeasurableError, match=r"^nobody is calm$"):
        calm(measure).measure({}, FACTS)


def test_check_suite_raises_only_its_own_errors() -> None:
    def with_reason(_suite: SuiteFacts, _labels: Any) -> None:
        raise UnmeasurableError("too few", missing_data=True)

    def with_mistake(_suite: SuiteFacts, _labels: Any) -> None:
        raise KeyError("nothing")

    with pytest.raises(UnmeasurableError):
        calm(check_suite=with_reason).check_suite(SUITE, lambda _: None)
    line = with_mistake.__code__.co_firstlineno + 1
    assert message_of(lambda: calm(check_suite=with_mistake).check_suite(SUITE, lambda _: None)) == (
        f"check_suite: raised KeyError: 'nothing' ({FILE}:{line})."
    )
    calm().check_suite(SUITE, lambda _: None)


def with_tables(tables: Any) -> Dimension:
    return calm(returning(Measurement("calm", 0.5, "fraction", 3, tables=tables)))


def test_numbers_of_numpy_become_pythons():
    cells = (np.float32(0.5), np.int64(3), np.str_("x"), 2)
    measured = with_tables({"t": Table(("a", "b", "c", "d"), (cells,))}).measure({}, FACTS)
    assert measured.tables["t"].rows == ((0.5, 3, "x", 2),)
    assert [type(cell) for cell in measured.tables["t"].rows[0]] == [float, int, str, int]


def test_lists_become_tuples_and_text_can_be_encoded():
    table = Table(["a\udcff"], [["\ud800"], [1]], "\udcff")
    measured = with_tables({"t": table}).measure({}, FACTS)
    assert measured.tables == {"t": Table(("a\\udcff",), (("\\ud800",), (1,)), "\\udcff")}


ROWS = ((1, 2),)
NAMES = (
    "Allowed: a dict of names (small letters, digits and underscores, beginning with a letter; any text "
    "after a dot) and tables."
)
FORM = (
    "Allowed: a quba_check.Table with different column names, rows with one cell for each column, at most "
    "1,000,000 cells, and text as the note."
)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([], f"tables, got []. {NAMES}"),
        ({"My table": 1}, f"tables, got {{'My table': 1}}. {NAMES}"),
        ({7: 1}, f"tables, got {{7: 1}}. {NAMES}"),
        ({"t": [[1]]}, f"the table 't', got [[1]]. {FORM}"),
        *(
            ({"t": table}, f"the table 't', got {repr(table)[:60]}{'…' * (len(repr(table)) > 60)}. {FORM}")
            for table in (
                Table((), ()),
                Table("ab", ROWS),
                Table((1, 2), ROWS),
                Table(("a", "a"), ROWS),
                Table(("a", "b"), (1,)),
                Table(("a", "b"), (*ROWS, (1,))),
                Table(("a",), (), 5),
                Table(("a", "b"), ROWS * 500_001),
            )
        ),
        *(
            (
                {"t": Table(("a", "b"), ((1, cell),))},
                f"the table 't': row 1, column 'b', got {cell}. Allowed: text, a whole number, or a finite "
                "number.",
            )
            for cell in (float("nan"), np.inf, True, None)
        ),
        (
            {"t": Table(("a",), (("x" * 1001,),))},
            "the table 't': row 1, column 'a' has 1,001 characters. Allowed: text of at most 1,000.",
        ),
    ],
)
def test_errors_in_tables(tables, message):
    assert message_of(lambda: with_tables(tables).measure({}, FACTS)) == f"measure: {message}"
