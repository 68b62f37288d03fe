"""Dimensions by name: the nine published ones first, then custom ones."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path

from support.answers import facts
from support.errors import error_text

from quba_check.core.dimension import Dimension
from quba_check.core.measurement import Measurement
from quba_check.dimensions import Registry, registry
from quba_check.errors import DimensionError, UserError

HERE = os.path.relpath(__file__) if Path(__file__).is_relative_to(Path.cwd()) else __file__


def declared(name: str, measure: Callable[..., Measurement] | None = None) -> Dimension:
    def made(_predictions, _facts) -> Measurement:
        return Measurement(name, 1.0, "fraction", 1)

    return Dimension(name, "title", "fraction", "high", 0.0, "", lambda _: (), lambda _: (), measure or made)


def test_others_come_after_the_published_ones() -> None:
    own = Registry()
    for name in ("zeal", "parameters", "accuracy", "ardour"):
        own.register(declared(name))
    assert own.names == ("accuracy", "parameters", "zeal", "ardour")
    assert [dimension.name for dimension in own] == list(own.names)


def test_a_name_is_taken_once() -> None:
    def other(_predictions, _facts) -> Measurement: ...

    own = Registry()
    own.register(declared("zeal"))
    own.register(declared("zeal"))  # the same lines, imported again
    text = error_text(DimensionError, own.register, declared("zeal", other))
    lines = [made.__code__.co_firstlineno for made in (other, inspect.unwrap(own["zeal"].measure))]
    assert text == (
        f"{HERE}:{lines[0]}: the dimension 'zeal' is already registered by {HERE}:{lines[1]}. "
        "Give yours another name."
    )


def test_a_notebook_may_declare_again() -> None:
    own = Registry()
    for value in (0.25, 0.75):
        cell: dict = {"__name__": "__main__", "Measurement": Measurement}
        exec(f"def measure(p, f): return Measurement('zeal', {value}, 'fraction', 1)", cell)  # noqa: S102
        own.register(declared("zeal", cell["measure"]))
    assert own["zeal"].measure({}, facts()).value == 0.75


def test_an_unknown_name_gets_the_nearest() -> None:
    text = error_text(UserError, registry.__getitem__, "acuracy")
    assert text.startswith("unknown dimension 'acuracy'. Allowed: accuracy, adversarial_robustness, ")
    assert text.endswith(" Did you mean 'accuracy'?")
