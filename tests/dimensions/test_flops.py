import pytest

from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.dimensions import registry
from quba_check.errors import UnmeasurableError

FLOPS = registry["flops"]
SUITE = SuiteFacts("tiny", 2, shifts=(), corruptions=(), spaces={})


def test_gigaflops():
    measured = FLOPS.measure({}, Facts(SUITE, ModelFacts(1, 1, count_flops=lambda: 3_628_146_688)))
    assert (measured.value, measured.unit, measured.n) == (3.628146688, "gigaflops", None)


def test_without_a_model():
    with pytest.raises(UnmeasurableError) as raised:
        FLOPS.measure({}, Facts(SUITE, ModelFacts(1, 1)))
    assert raised.value.reason == "there is no model to count the FLOPs of"


def test_it_is_outside_the_score_and_needs_no_view():
    assert (FLOPS.weight, FLOPS.views(SUITE)) == (0, ())
