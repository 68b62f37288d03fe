"""answers: share, accuracy and thresholds by hand, and the reasons for no value."""

import numpy as np
import pytest
from support.answers import answers, facts, reason, reasons, values
from support.requests import answer_request

from quba_check.core.facts import ModelFacts
from quba_check.core.measurement import Table
from quba_check.core.view import CLEAN
from quba_check.dimensions import measure_dimension, registry
from quba_check.dimensions.answers import image_scores

ANSWERS = registry["answers"]
CONFIDENCE = [0.9, 0.9, 0.8, 0.6]
CORRECT = [True, False, True, False]
BOUND = {"error": 0.1, "confidence": 0.9}


def both(**rule):
    return tuple(answer_request(metric, **rule) for metric in ("share", "accuracy"))


def predictions(confidence=CONFIDENCE, correct=CORRECT, logsumexp=None, group=None):
    """Two classes; the answer is the first class."""
    p = np.array(confidence, np.float32)
    extra = {}
    if logsumexp is not None:
        total = np.array(logsumexp, np.float32)
        extra = {"logsumexp": total, "max_logit": np.log(p) + total}
    label = np.where(correct, 0, 1)
    answer = np.zeros(len(p))
    return answers(label, answer, np.stack([p, 1 - p], axis=1), extra=extra, group=group)


def measured(*requests, outputs="logits", **columns):
    known = facts(model=ModelFacts(10, 10, outputs=outputs), requests=requests)
    return measure_dimension(ANSWERS, {CLEAN: predictions(**columns)}, known)


def test_value_is_the_area_of_the_probability():
    outcome = measured(answer_request("aurc"), answer_request("aurc", "energy"), logsumexp=[1, 2, 3, 4])
    assert outcome.value == pytest.approx((1 / 2 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    by_energy = (1 + 1 / 2 + 2 / 3 + 2 / 4) / 4
    assert values(outcome) == pytest.approx({"aurc": outcome.value, "aurc@score=energy": by_energy})
    assert outcome.tables == {
        "risk_coverage": Table(
            ("threshold", "share", "error"),
            (
                (pytest.approx(0.9), 0.5, 0.5),
                (pytest.approx(0.8), 0.75, pytest.approx(1 / 3)),
                (pytest.approx(0.6), 1.0, 0.5),
            ),
            "score: max_probability",
        )
    }


def test_the_margin_is_the_lead_over_the_second_largest_probability():
    probabilities = np.array([[0.5, 0.25, 0.25], [0.375, 0.125, 0.5]])
    assert image_scores(answers([0, 2], [0, 2], probabilities), "margin").tolist() == [0.25, 0.125]


@pytest.mark.parametrize(
    ("score", "threshold", "name"),
    [
        ("max_probability", 0.8, "probability=0.8"),
        ("energy", 2.0, "energy=2"),
        ("max_logit", 2 + np.log(0.8), "max_logit=1.77685644868579"),
    ],
)
def test_scores_at_a_threshold(score, threshold, name):
    """The threshold is the score of the third image, which is answered for each score."""
    outcome = measured(*both(score=score, threshold=threshold), logsumexp=[3, 3, 2, 1])
    assert values(outcome) == {f"share@{name}": 3 / 4, f"accuracy@{name}": pytest.approx(2 / 3)}
    assert [part.n for part in outcome.parts.values()] == [4, 3]
    assert [len(part.influences[CLEAN]) for part in outcome.parts.values()] == [4, 4]


def test_none_is_answered():
    outcome = measured(*both(threshold=0.95))
    assert values(outcome) == {"share@probability=0.95": 0.0}
    text = "no image is answered: every max_probability is below 0.95"
    assert reasons(outcome) == {"accuracy@probability=0.95": text}


@pytest.mark.parametrize("outputs", ["probabilities", "log-probabilities"])
def test_scores_of_logits_need_logits(outputs):
    given = "logits" if outputs == "log-probabilities" else outputs
    outcome = measured(*both(score="energy", threshold=1.0), outputs=given, logsumexp=[0, 1e-7, 0, 0])
    assert outcome.parts == {}
    assert {*reasons(outcome).values()} == {
        f"the score energy needs logits, and the outputs of the model are {outputs}; "
        "state a probability under 'answers.at'"
    }


def test_threshold_with_a_guarantee():
    """22 right answers are the fewest that show at most 10 % with 90 %; then two of 60 are wrong."""
    confidence = np.linspace(0.99, 0.51, 80)
    correct = np.arange(80) < 58
    outcome = measured(*both(**BOUND), confidence=confidence, correct=correct)
    answered = 60
    threshold = np.float32(confidence[answered - 1])
    assert values(outcome) == {
        "share@error=0.1,confidence=0.9": answered / 80,
        "accuracy@error=0.1,confidence=0.9": pytest.approx(58 / answered),
    }
    assert outcome.parts["share@error=0.1,confidence=0.9"].notes == (
        f"answer if max_probability >= {threshold:.9g} (60 of 80 images, 2 wrong): with 90 % confidence, "
        "at most 10 % of the answers to new images are wrong",
    )
    assert outcome.tables["thresholds"] == Table(
        ("score", "set", "pipeline", "rule", "threshold", "answered", "wrong", "error", "confidence"),
        (("max_probability", "clean", "", "error 0.1", float(threshold), answered, 2, 0.1, 0.9),),
    )
    # A product that uses the printed threshold answers the same images.
    fixed = measured(*both(threshold=float(f"{threshold:.9g}")), confidence=confidence, correct=correct)
    assert [*values(fixed).values()] == [*values(outcome).values()]


def test_no_threshold_has_the_guarantee():
    outcome = measured(*both(**BOUND))
    assert values(outcome) == {"share@error=0.1,confidence=0.9": 0.0}
    assert outcome.parts["share@error=0.1,confidence=0.9"].interval[0] == 0
    assert outcome.parts["share@error=0.1,confidence=0.9"].notes == (
        "no threshold of max_probability shows with 90 % confidence that at most 10 % of the answers to new "
        "images are wrong: that takes at least 22 answers without an error, and the set has 4 images",
    )
    in_pairs = measured(*both(**BOUND), group=np.array([1, 1, 2, 2])).parts
    in_pairs = in_pairs["share@error=0.1,confidence=0.9"].notes[0]
    assert in_pairs.endswith("at least 22 groups of answers without an error, and the set has 2 groups")
    assert reasons(outcome) == {"accuracy@error=0.1,confidence=0.9": "no image is answered"}
    assert outcome.tables.keys() == {"risk_coverage"}


def test_groups_widen_intervals_and_raise_the_threshold():
    """60 images, each with three copies; the 10 least sure ones are wrong."""
    columns = {"confidence": np.linspace(0.99, 0.51, 240), "correct": np.arange(240) < 200}
    requests = *both(**BOUND), *both(threshold=0.52)
    alone, copied = (measured(*requests, **columns, group=group) for group in (None, np.arange(240) // 4))
    shares = [values(one)[requests[0].name] for one in (alone, copied)]
    assert shares[0] > shares[1] > 0
    for request in requests[2:]:
        ours = copied.parts[request.name]
        others = alone.parts[request.name]
        assert ours.value == others.value
        assert np.ptp(ours.interval) > 1.5 * np.ptp(others.interval)


def test_no_clean_images():
    text, lacks_data = reason(ANSWERS, {CLEAN: predictions([], np.zeros(0, bool))}, facts())
    assert ("has no images" in text, lacks_data) == (True, True)
