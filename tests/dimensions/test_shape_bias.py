import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.answers import answers, bare, facts, reason

from quba_check.core.measurement import Quantity, Table
from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import View
from quba_check.dimensions import registry
from quba_check.dimensions.shape_bias import cue_hits

SHAPE_BIAS = registry["shape_bias"]
CLASSES = ("car", "bus", "bike", "boat")
FACTS = facts(4, spaces={"cue_conflict": "coarse"}, space_classes={"coarse": CLASSES})


def tables(rows):
    """Predictions of (decision, shape, texture) triples."""
    decision, shape, texture = np.array(rows, np.int64).reshape(-1, 3).T
    return {View("cue_conflict"): answers(shape, decision, extra={"texture": texture})}


def measure(rows):
    return SHAPE_BIAS.measure(tables(rows), FACTS)


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
    assert measured.tables["categories"] == Table(
        ("category", "images", "shape_hits", "texture_hits"),
        (("car", 4, 1, 2), ("bus", 2, 1, 1)),
        "by the class of the shape; images whose texture is of the same class are left out",
    )


@pytest.mark.parametrize(("rows", "value"), [([(0, 0, 1)], 1.0), ([(1, 0, 1)], 0.0)])
def test_one_cue_alone_is_a_value(rows, value):
    assert measure(rows).value == value


UNDECIDED = ([], [(0, 0, 0), (1, 2, 2)], [(2, 0, 1), (NO_CLASS, 0, NO_CLASS)])


def test_reasons(snapshot):
    assert [reason(SHAPE_BIAS, tables(rows), FACTS) for rows in UNDECIDED] == snapshot


@given(st.lists(st.tuples(*[st.integers(-1, 3)] * 3), min_size=1, max_size=40))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_equals_a_count_image_by_image(rows):
    assert tuple(mask.sum() for mask in cue_hits(*np.array(rows).T)) == (
        sum(shape != texture for _, shape, texture in rows),
        sum(decision == shape != texture and decision >= 0 for decision, shape, texture in rows),
        sum(decision == texture != shape and decision >= 0 for decision, shape, texture in rows),
    )
