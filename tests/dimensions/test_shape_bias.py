import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bare import bare

from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Quantity
from quba_check.core.predictions import NO_CLASS, Predictions
from quba_check.core.view import View
from quba_check.dimensions import registry
from quba_check.dimensions.shape_bias import cue_hits
from quba_check.errors import UnmeasurableError

SHAPE_BIAS = registry["shape_bias"]
FACTS = Facts(SuiteFacts("tiny", 4, shifts=(), corruptions=(), spaces={}), ModelFacts(10, 10))


def measure(rows):
    """Measure on (decision, shape, texture) triples."""
    decision, shape, texture = np.array(rows, np.int64).reshape(-1, 3).T
    half = np.full(len(rows), 0.5, np.float32)
    table = Predictions(np.arange(len(rows)), shape, decision, half, half, extra={"texture": texture})
    return SHAPE_BIAS.measure({View("cue_conflict"): table}, FACTS)


def test_value_and_parts_by_hand():
    """Two shape hits, three texture hits, one neither, and two images without conflict."""
    rows = [(0, 0, 1), (1, 1, 2), (1, 0, 1), (2, 0, 2), (3, 1, 3), (3, 0, 1), (0, 0, 0), (1, 2, 2)]
    measured = measure(rows)
    assert measured.value == pytest.approx(0.4)
    assert (measured.unit, measured.n) == ("fraction", 6)
    assert bare(measured.parts) == {
        "shape_hits": Quantity(2.0, "images", 6),
        "texture_hits": Quantity(3.0, "images", 6),
        "either": Quantity(pytest.approx(5 / 6), "fraction", 6),
    }


@pytest.mark.parametrize(("rows", "value"), [([(0, 0, 1)], 1.0), ([(1, 0, 1)], 0.0)])
def test_one_cue_alone_is_a_value(rows, value):
    assert measure(rows).value == value


@pytest.mark.parametrize(
    ("rows", "reason", "is_of_the_images"),
    [
        ([], "the set cue_conflict has no images; add some or leave it out of the suite", True),
        (
            [(0, 0, 0), (1, 2, 2)],
            "no cue-conflict image has shape and texture of different classes; add some",
            True,
        ),
        (
            [(2, 0, 1), (NO_CLASS, 0, NO_CLASS)],
            "none of the 2 cue-conflict images is decided for its shape or its texture; "
            "check the label space of the set cue_conflict",
            False,
        ),
    ],
)
def test_reasons(rows, reason, is_of_the_images):
    with pytest.raises(UnmeasurableError) as caught:
        measure(rows)
    assert caught.value.reason == reason
    assert caught.value.missing_data == is_of_the_images


examples = settings(deadline=None, derandomize=True, max_examples=60)
triples = st.lists(st.tuples(*[st.integers(-1, 3)] * 3), min_size=1, max_size=40)


def counts(*columns):
    """Conflicts, shape hits and texture hits."""
    hits = cue_hits(*columns)
    return int(hits.conflict.sum()), int(hits.shape.sum()), int(hits.texture.sum())


@given(triples)
@examples
def test_equals_a_count_image_by_image(rows):
    assert counts(*np.array(rows).T) == (
        sum(shape != texture for _, shape, texture in rows),
        sum(decision == shape != texture and decision >= 0 for decision, shape, texture in rows),
        sum(decision == texture != shape and decision >= 0 for decision, shape, texture in rows),
    )
