"""unknown_detection: values by hand, the scores, and the reasons for no value."""

import numpy as np
import pytest
from support.answers import answers, bare, facts, reason
from support.errors import error_text

from quba_check.core.facts import ModelFacts
from quba_check.core.measurement import Quantity
from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import CLEAN, View
from quba_check.dimensions import registry
from quba_check.errors import InvariantError, UnmeasurableError

UNKNOWN = registry["unknown_detection"]
NEAR = View("unknown/near")
FAR = View("unknown/far")


def with_unknown(*unknown, score="max_probability", outputs="logits"):
    model = ModelFacts(10, 10, outputs=outputs)
    return facts(model=model, class_names=("cat", "dog"), unknown=unknown, unknown_score=score)


def table(confidence, logsumexp=None, names=None):
    p = np.array(confidence, np.float32)
    extra = {} if names is None else {"name": np.array(names)}
    if logsumexp is not None:
        total = np.array(logsumexp, np.float32)
        extra |= {"logsumexp": total, "max_logit": np.log(p) + total}
    return answers(np.full(len(p), NO_CLASS), np.arange(len(p)) % 2, confidence=p, extra=extra)


def views(**keys):
    return {
        CLEAN: table([0.75, 0.875, 1.0, 0.5], [1.0, 2.0, 3.0, 4.0]),
        NEAR: table([0.75, 0.625], [2.1, 1.5], **keys),
        FAR: table([0.5, 0.25, 0.875], [5.0, 0.0, 1.0]),
    }


def test_value_parts_and_table_by_hand():
    """Of 8 pairs with `near` 5.5 are in order, of 12 with `far` 9; the threshold is the smallest of 4."""
    measured = UNKNOWN.measure(views(names=["near/a.png", "near/b.png"]), with_unknown("near", "far"))
    assert bare(measured.parts) == {
        "near": Quantity(5.5 / 8, "fraction", 2),
        "far": Quantity(9 / 12, "fraction", 3),
        "near_fpr95": Quantity(1.0, "fraction", 2),
        "far_fpr95": Quantity(pytest.approx(2 / 3), "fraction", 3),
    }
    assert measured.value == pytest.approx((5.5 / 8 + 9 / 12) / 2)
    assert (measured.unit, measured.n, measured.notes) == ("fraction", 5, ("score: max_probability",))
    assert measured.score == "max_probability"
    assert measured.influences.keys() == {CLEAN, NEAR, FAR}
    shown = measured.tables["most_confident"]
    assert shown.columns == ("set", "image", "predicted", "probability")
    assert shown.rows == (
        ("unknown/far", "2", "cat", 0.875),
        ("unknown/near", "near/a.png", "cat", 0.75),
        ("unknown/near", "near/b.png", "dog", 0.625),
        ("unknown/far", "0", "cat", 0.5),
        ("unknown/far", "1", "dog", 0.25),
    )


@pytest.mark.parametrize(("score", "value"), [("energy", 5 / 8), ("max_logit", 6 / 8)])
def test_scores_of_logits_by_hand(score, value):
    """The largest logits are 0.71, 1.87, 3 and 3.31 on clean images, and 1.81 and 1.03 on others."""
    measured = UNKNOWN.measure(views(), with_unknown("near", score=score))
    assert measured.value == value


def test_the_ten_most_confident_images_of_each_set():
    many = {CLEAN: table([0.5]), NEAR: table(np.linspace(0.5, 1, 30)), FAR: table([0.4, 0.985])}
    rows = UNKNOWN.measure(many, with_unknown("near", "far")).tables["most_confident"].rows
    near = [str(k) for k in range(29, 19, -1)]
    assert [row[1] for row in rows] == [near[0], "1", *near[1:], "0"]


def test_an_image_name_longer_than_a_cell_is_cut_at_its_beginning():
    measured = UNKNOWN.measure(views(names=["x" * 2000 + "/a.png", "b.png"]), with_unknown("near"))
    (_, name, _, _), _ = measured.tables["most_confident"].rows
    assert (len(name), name[-6:]) == (1000, "/a.png")


def test_parts_and_views():
    suite = with_unknown("near").suite
    assert UNKNOWN.views(suite) == (CLEAN, NEAR)
    assert [(part.name, part.better) for part in UNKNOWN.parts(suite)] == [
        ("near", "high"),
        ("near_fpr95", "low"),
    ]
    assert UNKNOWN.weight == 0


def test_a_suite_without_unknown_sets():
    with pytest.raises(UnmeasurableError) as raised:
        UNKNOWN.check_suite(with_unknown().suite, None)
    text = "the suite has no unknown images; declare a folder of them under 'unknown'"
    assert (raised.value.reason, raised.value.missing_data) == (text, True)


@pytest.mark.parametrize(
    ("outputs", "logsumexp", "kind"),
    [
        ("probabilities", [0.0, 0.0], "probabilities"),
        ("sigmoids", [1.0, 2.0], "sigmoids"),
        ("logits", [0.0, 1e-6], "log-probabilities"),
    ],
)
def test_scores_that_need_logits(outputs, logsumexp, kind):
    tables = {CLEAN: table([0.5, 0.5], logsumexp), NEAR: table([0.5, 0.5], logsumexp)}
    text = (
        f"the score energy needs logits, and the outputs of the model are {kind}; "
        "declare score: max_probability under 'unknown'"
    )
    known = with_unknown("near", score="energy", outputs=outputs)
    assert reason(UNKNOWN, tables, known) == (text, False)
    assert UNKNOWN.measure(tables, with_unknown("near", outputs=outputs)).value == 0.5


def test_predictions_without_the_column_of_the_score():
    tables = {CLEAN: table([0.5]), NEAR: table([0.5])}
    known = with_unknown("near", score="energy")
    text = error_text(InvariantError, UNKNOWN.measure, tables, known)
    assert text == "the predictions came without the logsumexp that the score asks for"
