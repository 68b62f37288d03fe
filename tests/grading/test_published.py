"""The published models and the two populations made of them."""

import re
from collections import Counter

import pytest

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.grading import population, published_models
from quba_check.grading.grade import letter
from quba_check.grading.population import normalisation
from quba_check.grading.published import RELEASED_CONSTANTS

SCREENED_MU = (0.799058, 0.155597, 0.665424, 0.644540, 0.003624, 0.788432, 0.928639, 0.305484, 46.5290)
SCREENED_SIGMA = (0.034687, 0.085804, 0.075862, 0.098849, 0.001495, 0.018470, 0.017722, 0.083546, 33.2351)


def test_326_models_with_unique_names_and_all_nine_values():
    models = published_models()
    assert len(models) == len({model.id for model in models}) == 326
    assert all(tuple(model.values) == PUBLISHED_DIMENSIONS for model in models)
    assert sum(model.timm is not None for model in models) == 120


def test_pretraining():
    models = published_models()
    assert Counter(model.pretraining for model in models) == {
        "imagenet-1k": 236,
        "imagenet-21k": 35,
        "large": 55,
    }
    # Names in the table and in timm tell those of ImageNet-21k (22k is another count of the same images).
    by_name = {model.id for model in models if re.search("21k|in22k", f"{model.id} {model.timm}")}
    assert by_name == {model.id for model in models if model.pretraining == "imagenet-21k"}


def test_suspicions():
    assert Counter(model.suspect for model in published_models()) == {
        (): 219,
        ("train-mode",): 77,
        ("double-softmax",): 26,
        ("double-softmax", "train-mode"): 4,
    }


def test_the_rule_gives_the_released_constants():
    for name in PUBLISHED_DIMENSIONS:
        found = normalisation([model.values[name] for model in published_models()])
        assert found.mu == pytest.approx(RELEASED_CONSTANTS[name].mu, abs=1e-5), name
        assert found.sigma == pytest.approx(RELEASED_CONSTANTS[name].sigma, abs=1e-5), name


def test_screened_constants():
    screened = population("screened")
    printed = {"abs": 1e-5, "rel": 2e-6}  # parameters are printed with four decimals
    assert tuple(screened.mu.values()) == pytest.approx(SCREENED_MU, **printed)
    assert tuple(screened.sigma.values()) == pytest.approx(SCREENED_SIGMA, **printed)


def test_screened_cells():
    models = {model.id: model for model in published_models()}
    lost = {
        "Hiera-B": {"adversarial_robustness", "calibration_error", "class_balance"},
        "clip-vit-b-16": {"adversarial_robustness", "calibration_error", "class_balance", "parameters"},
        "ResNext50-32x4d-A1": {
            *("adversarial_robustness", "corruption_robustness", "ood_robustness"),
            *("calibration_error", "class_balance"),
        },
        "AlexNet": set(),
    }
    for name, expected in lost.items():
        assert models[name].doubtful == expected
        assert set(models[name].screened) == set(PUBLISHED_DIMENSIONS) - expected
    present = Counter(name for model in models.values() for name in model.screened)
    assert [present[name] for name in PUBLISHED_DIMENSIONS] == [326, 219, 245, 245, 219, 219, 326, 326, 301]


def test_letters_of_the_published_models():
    published = population("published")
    letters = Counter(letter(published.percentile(score)) for score in published.scores())
    assert letters == {"A": 32, "B": 65, "C": 98, "D": 82, "F": 49}


def test_letters():
    percentiles = (100, 90, 89.99, 70, 69.99, 40, 39.99, 15, 14.99)
    assert "".join(map(letter, percentiles)) == "AABBCCDDF"
