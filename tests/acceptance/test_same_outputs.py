"""A copy of a model with another fingerprint, on a dimension without clean images."""

import pytest
from support.evaluations import new_evaluation

from quba_check.comparison.difference import RunValue, difference
from quba_check.records.per_image import PerImage


@pytest.mark.parametrize(("model", "interval"), [("demo", (0.0, 0.0)), ("demo-textured", None)])
def test_equal_outputs_have_no_change(model: str, interval: tuple[float, float] | None) -> None:
    first, second = (new_evaluation(name, limit=60).measure("shape_bias") for name in ("demo", model))
    assert first.outputs is not None
    runs = {"a": first, "b": second}
    before, after = (
        RunValue.of(one, "shape_bias", None, PerImage.of(one), name) for name, one in runs.items()
    )
    assert before is not None
    assert after is not None
    change = difference(before, after)
    assert change.curve is not None
    assert (change.curve.interval(0.95) == interval) == (interval is not None)
