"""classes: numbers of single classes by hand, and the reasons for no value."""

import numpy as np
import pytest

from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.predictions import NO_CLASS, Predictions
from quba_check.core.requests import RATES, ClassRequest
from quba_check.core.view import CLEAN
from quba_check.dimensions import registry

CLASSES = registry["classes"]
NAMES = ("cat", "dog", "owl", "yak")


def measured(label, predicted, *requests):
    n = len(label)
    clean = Predictions(
        np.arange(n),
        np.array(label),
        np.array(predicted),
        np.full(n, 0.5, np.float32),
        np.full(n, 0.5, np.float32),
    )
    suite = SuiteFacts("tiny", 4, (), (), {}, class_names=NAMES, requests=requests)
    return CLASSES.measure({CLEAN: clean}, Facts(suite, ModelFacts(10, 10)))


def test_rates_by_hand():
    """2 cats, one called dog; 2 dogs, one called owl; an owl called dog."""
    one = [ClassRequest("dog", (1,), metric) for metric in RATES]
    both = ClassRequest("cat|dog", (0, 1), "recall")
    parts = measured([0, 0, 1, 1, 2], [0, 1, 1, 2, 1], *one, both).parts
    assert {name: part.value for name, part in parts.items()} == {
        "dog.recall": 1 / 2,
        "dog.specificity": pytest.approx(1 / 3),
        "dog.precision": pytest.approx(1 / 3),
        "dog.npv": 1 / 2,
        "cat|dog.recall": 3 / 4,
    }
    assert [part.n for part in parts.values()] == [2, 3, 3, 2, 4]


def test_value_is_the_mean_recall_of_the_classes_with_images():
    assert measured([0, 0, 1, NO_CLASS], [0, 1, 1, 0]).value == pytest.approx((1 / 2 + 1) / 2)


def test_a_class_without_images_has_a_reason():
    requests = ClassRequest("yak", (3,), "recall"), ClassRequest("yak", (3,), "precision")
    outcome = measured([0, 1], [0, 1], *requests)
    assert outcome.parts == {}
    assert {name: one.reason for name, one in outcome.unsliced.items()} == {
        "yak.recall": "no image of the set clean is of yak",
        "yak.precision": "no image of the set clean is called yak",
    }
