import pytest

from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Quantity
from quba_check.core.protocols import RELEASED, STANDARD
from quba_check.dimensions import registry
from quba_check.errors import UnmeasurableError

PARAMETERS = registry["parameters"]
SUITE = SuiteFacts("tiny", 2, shifts=(), corruptions=(), spaces={})


def test_unrounded_under_standard():
    measured = PARAMETERS.measure({}, Facts(SUITE, ModelFacts(25_557_032, 2_049_000), STANDARD))
    assert (measured.value, measured.unit, measured.n) == (25.557032, "millions", None)
    assert measured.parts == {"trainable": Quantity(2.049, "millions", None)}


def test_rounded_to_a_tenth_under_released():
    measured = PARAMETERS.measure({}, Facts(SUITE, ModelFacts(25_557_032, 2_049_000), RELEASED))
    assert measured.value == 25.6
    assert measured.parts["trainable"].value == 2.0


def test_weights_that_cannot_be_counted():
    with pytest.raises(UnmeasurableError) as raised:
        PARAMETERS.measure({}, Facts(SUITE, ModelFacts(170_000, 170_000, "its 'x' is packed")))
    assert raised.value.reason == "its 'x' is packed"


def test_needs_no_view():
    assert PARAMETERS.views(SUITE) == ()
