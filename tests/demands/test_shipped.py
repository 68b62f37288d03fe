"""The comments in the shipped threshold files say what the published models do."""

import re

import pytest

from quba_check.core.facts import SuiteFacts
from quba_check.core.view import CORRUPTIONS
from quba_check.demands import read_thresholds, shipped_profiles
from quba_check.grading import published_models
from quba_check.grading.population_file import population

SUITE = SuiteFacts("imagenet", 1000, ("imagenet_r",), CORRUPTIONS, {})
PUBLISHED = {name: path for name, path in shipped_profiles().items() if name != "own-data"}
"""The profiles with numbers from published models."""
MISSED = re.compile(r"^  (\w+): \{(?:min|max): ([\d.]+).*# (\d+) % miss this$", re.MULTILINE)
SAID = [
    (profile, dimension, float(limit), int(percent))
    for profile, path in PUBLISHED.items()
    for dimension, limit, percent in MISSED.findall(path.read_text())
]


def values(name):
    """The published values without suspicion."""
    return [row.values[name] for row in population("screened").rows if name in row.values]


def misses(value, demand):
    return value < demand.bound if demand.key == "min" else value > demand.bound


def demands(profile):
    path = shipped_profiles()[profile]
    read = read_thresholds(path, label=path.name, suite=SUITE).demands
    return {demand.dimension: demand for demand in read if demand.dimension != "quba"}


@pytest.mark.parametrize(("profile", "dimension", "limit", "percent"), SAID)
def test_the_share_that_misses(profile, dimension, limit, percent):
    demand = demands(profile)[dimension]
    assert demand.bound == limit
    found = values(dimension)
    assert round(100 * sum(misses(value, demand) for value in found) / len(found)) == percent


def test_every_number_has_a_reason():
    assert len(SAID) == 8 + 7 + 7 + 6
    for profile, path in PUBLISHED.items():
        stated = [demand.dimension for demand in demands(profile).values() if demand.file == path.name]
        with_reason = [dimension for name, dimension, _, _ in SAID if name == profile]
        assert [name for name in stated if name != "adversarial_robustness"] == with_reason


def meeting(profile):
    """Published models without suspect values that meet the profile, except for attacks."""
    held = demands(profile)
    held.pop("adversarial_robustness")
    return {
        model.id: model.values
        for model in published_models()
        if not model.suspect and not any(misses(model.values[name], held[name]) for name in held)
    }


def test_a_resnet_50_passes_the_default():
    assert "ResNet50" in meeting("default")


def test_who_passes_mobile():
    passing = meeting("mobile")
    assert {"EfficientNet-B0", "MobileNetV3-l"} <= set(passing)
    small = [m for m in published_models() if not m.suspect and m.values["parameters"] <= 8]
    assert (len(passing), len(small)) == (16, 29)


def test_who_passes_safety_critical():
    assert len(meeting("safety-critical")) == 54


@pytest.mark.parametrize("profile", list(PUBLISHED))
def test_a_profile_can_be_met(profile):
    assert len(meeting(profile)) >= 10


def test_own_data_demands_no_grade_and_nothing_of_imagenet():
    path = shipped_profiles()["own-data"]
    suite = SuiteFacts("photos", 4, (), CORRUPTIONS, {})
    read = {demand.dimension for demand in read_thresholds(path, label=path.name, suite=suite).demands}
    names = "accuracy corruption_robustness calibration_error parameters classes"
    assert read == set(names.split())
