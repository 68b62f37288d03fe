"""Demands of the section `parity`: names, sets, and what is refused."""

from __future__ import annotations

import pytest

from quba_check.core.facts import SuiteFacts
from quba_check.core.requests import ParityRequest
from quba_check.demands import read_thresholds
from quba_check.errors import ThresholdError

SUITE = SuiteFacts(
    "toys", 10, ("night",), ("fog",), {"clean": None, "night": None, "corruptions": None}, slices=()
)


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "gate.yaml").write_text(f"schema: 1\n{text}\n")
        return read_thresholds(tmp_path / "gate.yaml", label="gate.yaml", suite=SUITE).demands

    return read


def test_each_set_is_judged_by_each_demand(read):
    demands = read("""\
parity:
  agreement: {min: 0.98}
  negative_flips: {max: 0.005, tier: warn}
  sets: [clean, fog]""")
    assert [(one.name, one.threshold, one.better, one.tier, one.line) for one in demands] == [
        ("parity.agreement[min]", 0.98, "high", "block", 3),
        ("parity.negative_flips[max]", 0.005, "low", "warn", 4),
        ("parity.agreement@set=fog[min]", 0.98, "high", "block", 3),
        ("parity.negative_flips@set=fog[max]", 0.005, "low", "warn", 4),
    ]
    assert demands[2].request == ParityRequest("agreement", "fog")


def test_the_default_is_the_clean_set(read):
    (demand,) = read("parity: {probability_change: {max: 0.05}, optional: true}")
    assert (demand.name, demand.optional) == ("parity.probability_change[max]", True)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "sets: [clean]",
            "2: parity: nothing is demanded, got sets. Allowed: agreement, negative_flips, "
            "probability_change, each with min or max, and sets.",
        ),
        (
            "agreement: {min: 1}, sets: []",
            "2: parity: nothing is demanded, got no sets. Allowed: agreement, negative_flips, "
            "probability_change, each with min or max, and sets.",
        ),
        (
            "agreement: {min: 1}, sets: [nigt]",
            "2: parity.sets: the suite 'toys' has no such labelled set, got 'nigt'. "
            "Allowed: clean, night, fog. Did you mean 'night'?",
        ),
        ("agreement: {max: 1}", "2: parity.agreement max: higher is better here. Allowed: min."),
        (
            "negative_flips: {max: 5}",
            "2: parity.negative_flips max 5 would always be met: fractions end at 1. Did you mean 0.05?",
        ),
        (
            "agrement: {min: 0}",
            "2: parity: unknown key 'agrement'. Did you mean 'agreement'? Allowed: agreement, "
            "negative_flips, probability_change, tier, optional, sets.",
        ),
    ],
)
def test_errors(read, entry, message):
    with pytest.raises(ThresholdError) as caught:
        read(f"parity: {{{entry}}}")
    assert str(caught.value) == f"gate.yaml:{message}"
