"""A copy of a model with another fingerprint, on a dimension without clean images."""

from __future__ import annotations

import pytest
from support.evaluations import new_evaluation

from quba_check.comparison.baseline import run_value
from quba_check.comparison.difference import difference


@pytest.mark.parametrize(("model", "interval"), [("demo", (0.0, 0.0)), ("demo-textured", None)])
def test_equal_outputs_have_no_change(model: str, interval: tuple[float, float] | None) -> None:
    first, second = (new_evaluation(name, limit=60).measure("shape_bias") for name in ("demo", model))
    assert first.outputs is not None
    before, after = run_value(first, None, "a"), run_value(second, None, "b")
    assert before is not None
    assert after is not None
    change = difference(before, after)
    assert change.curve is not None
    assert (change.curve.interval(0.95) == interval) == (interval is not None)
