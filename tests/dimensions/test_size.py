"""parameters, size and flops: numbers of the model, which need no image."""

import pytest
from support.answers import facts, reason, values

from quba_check.core.facts import ModelFacts
from quba_check.core.protocols import RELEASED, STANDARD
from quba_check.dimensions import registry

MODEL = ModelFacts(25_557_032, 2_049_000, weight_bytes=102_549_696, file_bytes=102_573_000)
FLOPS = ModelFacts(1, 1, count_flops=lambda: 3_628_146_688)


@pytest.mark.parametrize(
    ("name", "model", "protocol", "value", "unit", "parts"),
    [
        ("parameters", MODEL, STANDARD, 25.557032, "millions", {"trainable": 2.049}),
        ("parameters", MODEL, RELEASED, 25.6, "millions", {"trainable": 2.0}),
        ("size", MODEL, STANDARD, 102.549696, "megabytes", {"file": 102.573}),
        ("size", ModelFacts(1, 1, weight_bytes=4_000), STANDARD, 0.004, "megabytes", {}),
        ("flops", FLOPS, STANDARD, 3.628146688, "gigaflops", {}),
    ],
)
def test_values(name, model, protocol, value, unit, parts):
    known = facts(model=model, protocol=protocol)
    measured = registry[name].measure({}, known)
    assert (measured.value, measured.unit, measured.n) == (value, unit, None)
    assert values(measured) == parts
    assert {part.unit for part in measured.parts.values()} <= {unit}
    assert registry[name].views(known.suite) == ()


@pytest.mark.parametrize(
    ("name", "model", "text"),
    [
        ("parameters", ModelFacts(170_000, 170_000, "its 'x' is packed"), "its 'x' is packed"),
        ("size", ModelFacts(1, 1, "its 'x' is packed", weight_bytes=8), "its 'x' is packed"),
        ("size", ModelFacts(1, 1), "the bytes of its weights are not known"),
        ("flops", ModelFacts(1, 1), "there is no model to count the FLOPs of"),
    ],
)
def test_reasons(name, model, text):
    assert reason(registry[name], {}, facts(model=model)) == (text, False)


def test_size_and_flops_are_outside_the_score():
    assert (registry["size"].weight, registry["flops"].weight) == (0, 0)
