"""Custom dimensions are checked against their declaration, with one-line messages."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.answers import facts
from support.errors import error_text
from syrupy.assertion import SnapshotAssertion

from quba_check.core.dimension import Dimension, Part
from quba_check.core.facts import SuiteFacts
from quba_check.core.measurement import Measurement, Quantity, Table
from quba_check.core.view import CLEAN, View
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


DECLARATIONS = ({"better": "hihg"}, {"better": None}, {"unit": ""}, {"weight": 2.0})


def test_declarations(snapshot: SnapshotAssertion) -> None:
    assert "\n".join(message_of(partial(calm, **words)) for words in DECLARATIONS) == snapshot


NAN = float("nan")


def found(
    *, value: Any = 0.5, unit: str = "fraction", n: Any = 3, curve: Any = None, **parts: Any
) -> Measurement:
    return Measurement("calm", value, unit, n, curve, parts=parts)


VIEWS = (
    *(CLEAN, ("clean",), [View("corruptions", "fogg", 1)], [View("corruptions", "fog", 6)]),
    *([View("corruptions", None, None)], [View("sketch", "fog", 1)]),
)


def test_views(snapshot: SnapshotAssertion) -> None:
    made = [calm(views=lambda _, views=views: views) for views in VIEWS]
    texts = "\n".join(message_of(partial(one.views, SUITE)) for one in made)
    assert texts.replace(repr(CLEAN), "CLEAN") == snapshot


def test_views_and_parts_may_be_lists() -> None:
    part = Part("left", "fraction", None, "what is left")
    made = calm(views=lambda _: [CLEAN], parts=lambda _: [part])
    assert (made.views(SUITE), made.parts(SUITE)) == ((CLEAN,), (part,))


def test_parts() -> None:
    part = Part("left", "fraction", "up", "what is left")  # type: ignore[arg-type]
    message = "parts: left: better, got 'up'. Allowed: 'high', 'low'."
    assert message_of(lambda: calm(parts=lambda _: (part,)).parts(SUITE)) == message


OUTCOMES = (
    *(0.5, Measurement("rest", 0.5, "fraction", 3), found(value=NAN), found(value=None)),
    *(found(curve=(0.4, 0.6)), found(n=3.0), found(left=0.5), found(left=found()), found(value=95)),
    *(found(left=Quantity(-0.1, "fraction", 3)), found(unit="ratio")),
    *(found(lefd=Quantity(0.5, "fraction", 3)), found(left=Quantity(0.5, "images", 3))),
)


def test_what_measure_returns(snapshot: SnapshotAssertion) -> None:
    part = Part("left", "fraction", "high", "what is left")
    made = [calm(returning(outcome), parts=lambda _: (part,)) for outcome in OUTCOMES]
    texts = [message_of(partial(one.measure, {}, FACTS)) for one in made]
    assert texts[0] == "measure: returned 0.5. Allowed: a quba_check.core.measurement.Measurement."
    assert "\n".join(texts) == snapshot


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


TABLES = (
    *([], {"My table": 1}, {7: 1}, {"t": [[1]]}),
    *(
        {"t": table}
        for table in (
            *(Table((), ()), Table("ab", ((1, 2),)), Table((1, 2), ((1, 2),)), Table(("a", "a"), ((1, 2),))),
            *(Table(("a", "b"), (1,)), Table(("a", "b"), ((1, 2), (1,))), Table(("a",), (), 5)),
            *(Table(("a", "b"), ((1, 2),) * 500_001), Table(("a",), (("x" * 1001,),))),
            *(Table(("a", "b"), ((1, cell),)) for cell in (NAN, np.inf, True, None)),
        )
    ),
)


def test_errors_in_tables(snapshot: SnapshotAssertion) -> None:
    assert "\n".join(message_of(partial(with_tables(one).measure, {}, FACTS)) for one in TABLES) == snapshot
