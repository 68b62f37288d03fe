import pytest

from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Quantity
from quba_check.dimensions import registry
from quba_check.errors import UnmeasurableError

SIZE = registry["size"]
SUITE = SuiteFacts("tiny", 2, shifts=(), corruptions=(), spaces={})


def facts(uncounted: str = "", **known: int) -> Facts:
    return Facts(SUITE, ModelFacts(1, 1, uncounted, **known))


def test_weights_and_files_in_megabytes():
    measured = SIZE.measure({}, facts(weight_bytes=102_549_696, file_bytes=102_573_000))
    assert (measured.value, measured.unit, measured.n) == (102.549696, "megabytes", None)
    assert measured.parts == {"file": Quantity(102.573, "megabytes", None)}


def test_a_model_without_files():
    assert SIZE.measure({}, facts(weight_bytes=4_000)).parts == {}


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (facts(), "the bytes of its weights are not known"),
        (facts("its 'x' is packed", weight_bytes=8), "its 'x' is packed"),
    ],
)
def test_unknown_weights(known, reason):
    with pytest.raises(UnmeasurableError) as raised:
        SIZE.measure({}, known)
    assert raised.value.reason == reason


def test_it_is_outside_the_score_and_needs_no_view():
    assert (SIZE.weight, SIZE.views(SUITE)) == (0, ())
