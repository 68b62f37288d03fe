"""The published models and the two populations made of them."""

import re
from collections import Counter

import pytest

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.grading import letter, normalisation, population, published_models
from quba_check.grading.published import RELEASED_CONSTANTS
from quba_check.grading.score import full_weights

PUBLISHED_MU = (
    *(0.7990557251908397, 0.18583778826016084, 0.5298791080592711, 0.5664841617855405, 0.004479927389289115),
    *(0.783356376851669, 0.9286352601551336, 0.30548520497464765, 55.28778625954198),
)
PUBLISHED_SIGMA = (
    *(0.034685710545946026, 0.11083062192390095, 0.23383978329969085, 0.14548627504237352),
    *(0.0026752085291489288, 0.024047971612660052, 0.017724144886557092, 0.08354531823072534),
    42.8890536095964,
)
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


def test_published_constants():
    published = population("published")
    assert tuple(published.mu.values()) == PUBLISHED_MU
    assert tuple(published.sigma.values()) == PUBLISHED_SIGMA
    assert published.protocol == "released"


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


def test_scores_are_over_complete_rows():
    assert len(population("published").scores()) == 326
    assert len(population("screened").scores()) == 219
    assert list(population("screened").scores()) == sorted(population("screened").scores())


def test_highest_and_lowest_scores():
    published = population("published")
    scores = {model.id: published.score(model.values, full_weights()) for model in published_models()}
    order = [(name, round(scores[name], 4)) for name in sorted(scores, key=scores.__getitem__, reverse=True)]
    assert order[:5] == [
        ("EVA02-b-21k", 1.0738),
        ("Hiera-B-Plus", 1.0310),
        ("ConvNextV2-B-21k", 0.9639),
        ("Hiera-B", 0.9478),
        ("NS-EfficientNet-B6", 0.9372),
    ]
    assert order[-1] == ("SigLIP2-l/16", -3.4493)


def test_letters_of_the_published_models():
    published = population("published")
    letters = Counter(letter(published.percentile(score)) for score in published.scores())
    assert letters == {"A": 32, "B": 65, "C": 98, "D": 82, "F": 49}


@pytest.mark.parametrize(
    ("percentile", "expected"),
    [
        (100, "A"),
        (90, "A"),
        (89.99, "B"),
        (70, "B"),
        (69.99, "C"),
        (40, "C"),
        (39.99, "D"),
        (15, "D"),
        (14.99, "F"),
    ],
)
def test_letters(percentile, expected):
    assert letter(percentile) == expected
