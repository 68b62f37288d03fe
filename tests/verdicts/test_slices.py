"""Verdicts on the worst slice, the largest gap and single slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.requests import on_slices

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.measurement import Drop, Measurement, Quantity, SliceValues, Unmeasurable
from quba_check.demands import Demand
from quba_check.demands.demand import Policy
from quba_check.stats.intervals import smallest_limits
from quba_check.verdicts import decide
from quba_check.verdicts.evidence import evidence_of
from quba_check.verdicts.explanation import verdict_row

WORST = Demand(
    on_slices("accuracy", "light", "worst"), "min", 0.7, "block", False, "t.yaml", 4, min_images=50
)
GAP = replace(WORST, request=on_slices("accuracy", "light", "gap"), bound="max", threshold=0.1)
NIGHT = replace(WORST, request=on_slices("accuracy", "light=night"))


def quantity(value, n, error=0.01):
    return Quantity(value, "fraction", n, ConfidenceCurve(tuple(value + error * score for score in SCORES)))


def accuracy(**changed):
    images = {"light=day": 500, "light=night": 80, "light=dusk": 12}
    slices, gaps = (
        {name: quantity(value, images[name]) for name, value in zip(images, values, strict=True)}
        for values in ((0.9, 0.6, 0.1), (-0.3, 0.25, 0.7))
    )
    columns = {"light": SliceValues(slices, gaps), "camera": SliceValues({"camera=a": quantity(0.2, 99)})}
    columns["light"] = replace(columns["light"], **changed)
    return Measurement("accuracy", 0.85, "fraction", 592, quantity(0.85, 592).curve, slices=columns)


def verdict_on(demand, outcome, *policy):
    """The verdict on a demand from the outcome of its dimension, or from a drop."""
    if isinstance(outcome, Drop):
        return decide(demand, evidence_of(demand, accuracy(), lambda _: outcome), *policy)
    return decide(demand, evidence_of(demand, outcome), *policy)


def test_the_worst_slice():
    verdict = verdict_on(WORST, accuracy())
    night, day = (lambda z, value=value: value + 0.01 * z for value in (0.6, 0.9))
    expected = smallest_limits([night, day], np.array([-2.0, 0.0, 2.0]))
    assert (verdict.outcome, verdict.value, verdict.n) == ("fail", 0.6, 580)
    assert [verdict.curve.at(score) for score in (-2, 0, 2)] == pytest.approx(expected, abs=1e-4)
    row = verdict_row(verdict, "t.yaml::accuracy@slice=light:worst[min]")
    assert row.message == (
        "accuracy@slice=light:worst 0.600 is below 0.700 (short by 0.100)\n"
        "  n = 580 images\n"
        "  95 % interval 0.580 to 0.622\n"
        "  worst slices: light=night 0.600 (0.580..0.620, n = 80), light=day 0.900 (0.880..0.920, n = 500)\n"
        "  judged 2 of 3 slices; too small: light=dusk (12)\n"
        "  demanded by t.yaml:4"
    )
    assert row.note == "judged 2 of 3 slices; too small: light=dusk (12)"
    assert row.judged.value == verdict.value


def test_the_largest_gap_mirrors_the_smallest_value():
    verdict = verdict_on(GAP, accuracy())
    assert (verdict.outcome, verdict.value) == ("fail", 0.25)
    assert verdict.curve.at(2) == pytest.approx(0.27)
    assert 0.25 - verdict.curve.at(-2) == pytest.approx(verdict_on(WORST, accuracy()).curve.at(2) - 0.6)


def test_point_judges_the_measured_worst_slice():
    """The worst slice fails at a bound that is above it and below the value of all images."""
    slices = {f"light={name}": quantity(0.692, 100, 0.05) for name in "abcdefgh"}
    verdict = verdict_on(WORST, accuracy(values=slices))
    assert (verdict.outcome, verdict.value, verdict.within_noise) == ("fail", 0.692, True)
    assert verdict_on(WORST, accuracy(values=slices), Policy("allow")).outcome == "uncertain"


def test_slices_without_limits():
    slices = {name: replace(one, curve=None) for name, one in accuracy().slices["light"].values.items()}
    verdict = verdict_on(WORST, accuracy(values=slices))
    assert (verdict.value, verdict.curve) == (0.6, None)


def reason(text, *, missing_data=False):
    return Unmeasurable("accuracy", text, missing_data)


@pytest.mark.parametrize(
    ("demand", "measurement", "message"),
    [
        (NIGHT, replace(accuracy(), slices={}), "this run measured no slices of light"),
        (
            replace(NIGHT, request=on_slices("accuracy", "light=nigt")),
            accuracy(),
            "no image is in the slice light=nigt. Measured: light=day, light=night, light=dusk. "
            "Did you mean 'light=night'?",
        ),
        (
            replace(NIGHT, request=on_slices("accuracy", "light=zzzzzz")),
            accuracy(values={"light=day": quantity(0.9, 500)}),
            "no image is in the slice light=zzzzzz. Measured: light=day",
        ),
        (
            replace(NIGHT, request=on_slices("accuracy", "light=dusk")),
            accuracy(),
            "light=dusk has 12 images. Allowed: at least 50 (min_images)",
        ),
        (
            replace(WORST, min_images=1000),
            accuracy(),
            "judged 0 of 3 slices; too small: light=day (500), light=night (80), light=dusk (12). "
            "Allowed: at least 1,000 images (min_images), and images of another slice",
        ),
        (
            GAP,
            accuracy(values={"light=day": quantity(0.9, 500)}, gaps={}),
            "a gap needs two slices, and the column light has one: light=day",
        ),
        (
            WORST,
            accuracy(reason=reason("the set sketch has no such slices", missing_data=True)),
            "light: the set sketch has no such slices",
        ),
        (WORST, accuracy(unmeasured={"light=fog": reason("undefined")}), "light=fog: undefined"),
        (
            replace(NIGHT, request=on_slices("accuracy", "light=dusk"), bound="max_drop"),
            Drop(0.0, "fraction", 12, before=0.5, after=0.5, baseline="b.json", paired=False),
            "light=dusk has 12 images. Allowed: at least 50 (min_images)",
        ),
    ],
)
def test_reasons_block(demand, measurement, message):
    verdict = verdict_on(demand, measurement)
    assert (verdict.outcome, verdict.reason) == ("unmeasurable", message)
    missing = "undefined" not in message
    assert verdict_on(replace(demand, optional=True), measurement).outcome == (
        "skipped" if missing else "unmeasurable"
    )


def test_a_slice_whose_images_allow_no_value_is_named():
    unmeasured = {"light=fog": reason("two images in every class", missing_data=True)}
    row = verdict_row(verdict_on(WORST, accuracy(unmeasured=unmeasured)), "x")
    assert row.note == "judged 2 of 4 slices; too small: light=dusk (12), light=fog"


def test_enough_images_of_every_slice_need_no_note():
    row = verdict_row(verdict_on(replace(WORST, min_images=12), accuracy()), "x")
    assert (row.outcome, row.judged.value, row.note) == ("fail", 0.1, "")
    drop = Drop(0.0, "fraction", 50, before=0.5, after=0.5, baseline="b.json", paired=False)
    assert verdict_on(replace(NIGHT, bound="max_drop"), drop).outcome == "pass"
    groups = {"light=day": replace(quantity(0.9, 500), groups=9)}
    few = verdict_on(
        replace(NIGHT, request=on_slices("accuracy", "light=day"), min_groups=10), accuracy(values=groups)
    )
    assert few.reason == "light=day has 9 groups of images. Allowed: at least 10 (min_groups)"


def test_one_slice_is_judged_as_a_part():
    verdict = verdict_on(NIGHT, accuracy())
    assert (verdict.outcome, verdict.value, verdict.n) == ("fail", 0.6, 80)
    assert verdict_row(verdict, "x").judged is None
