"""Verdicts on the worst slice, the largest gap and single slices."""

from dataclasses import replace

import numpy as np
import pytest
from support.answers import answers, column, facts
from support.requests import answer_request, class_request, on_slices

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.facts import DecidedSet
from quba_check.core.measurement import Drop, Measurement, Quantity, Sample, SliceValues, Unmeasurable
from quba_check.core.view import CLEAN
from quba_check.demands import Demand
from quba_check.demands.demand import Policy
from quba_check.dimensions import measure_dimension, registry
from quba_check.stats.intervals import smallest_limits
from quba_check.verdicts import decide
from quba_check.verdicts.evidence import evidence_of
from quba_check.verdicts.explanation import verdict_row
from quba_check.verdicts.slices import size_note

WORST = Demand(
    on_slices("accuracy", "light", "worst"), "min", 0.7, "block", False, "t.yaml", 4, min_images=50
)
GAP = replace(WORST, request=on_slices("accuracy", "light", "gap"), key="max", bound=0.1)
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


def test_decisions_on_few_groups_have_intervals():
    """Only a missing interval is noted: each row of a decided set is an observation."""
    for curve, noted in ((quantity(0.6, 80).curve, False), (None, True)):
        values = {"light=night": replace(quantity(0.6, 80), sample=Sample(groups=9), curve=curve)}
        notes = verdict_on(WORST, accuracy(values=values)).evidence.notes
        assert any(note.startswith("no interval: fewer than 10 groups") for note in notes) == noted


def reason(text, *, missing_data=False):
    return Unmeasurable("accuracy", text, missing_data)


def named(slice_name, **changed):
    return replace(NIGHT, request=on_slices("accuracy", slice_name), **changed)


def of_day(n=500, gaps=None, **counts):
    """An accuracy on images of the day alone."""
    values = {"light=day": replace(quantity(0.9, n), sample=Sample(**counts))}
    return accuracy(values=values) if gaps is None else accuracy(values=values, gaps=gaps)


DROP = Drop(0.0, "fraction", 12, before=0.5, after=0.5, baseline="b.json", paired=False)
REASONS = {
    "no slices": (NIGHT, replace(accuracy(), slices={})),
    "a misspelt slice": (named("light=nigt"), accuracy()),
    "an unknown slice": (named("light=zzzzzz"), of_day()),
    "a small slice": (named("light=dusk"), accuracy()),
    "a small slice of a drop": (named("light=dusk", key="max_drop"), DROP),
    "a small slice of a decided set": (named("light=day"), of_day(9, groups=9)),
    "a small slice of a decided corruption": (named("light=day"), of_day(45, images=9, groups=9)),
    "few images of the rarer side": (
        named("light=day"),
        of_day(80, groups=6, eligible=6, eligible_groups=6, eligible_of="the class"),
    ),
    "few decided groups of the rarer side": (
        named("light=day"),
        of_day(80, groups=80, eligible=6, eligible_groups=6, eligible_of="another class"),
    ),
    "few groups of the rarer side": (
        named("light=day", min_groups=10),
        of_day(200, groups=6, eligible=60, eligible_groups=6, eligible_of="the class"),
    ),
    "few answers of as many groups": (named("light=day"), of_day(2, groups=2, eligible=9, eligible_groups=3)),
    "few groups": (named("light=day", min_groups=10), of_day(groups=9)),
    "small slices": (replace(WORST, min_images=1000), accuracy()),
    "slices of few groups": (replace(WORST, min_groups=10), of_day(groups=9)),
    "small slices of a decided set": (replace(WORST, min_images=10, min_groups=12), of_day(9, groups=9)),
    "a gap of one slice": (GAP, of_day(gaps={})),
    "a set without the column": (
        WORST,
        accuracy(reason=reason("the set sketch has no such slices", missing_data=True)),
    ),
    "undefined": (WORST, accuracy(unmeasured={"light=fog": reason("undefined")})),
}


@pytest.mark.parametrize("name", REASONS)
def test_reasons_block(name, snapshot):
    demand, measurement = REASONS[name]
    verdict = verdict_on(demand, measurement)
    assert (verdict.outcome, verdict.reason) == ("unmeasurable", snapshot)
    assert verdict_on(replace(demand, optional=True), measurement).outcome == (
        "unmeasurable" if name == "undefined" else "skipped"
    )


def test_a_slice_whose_images_allow_no_value_is_named():
    unmeasured = {"light=fog": reason("two images in every class", missing_data=True)}
    row = verdict_row(verdict_on(WORST, accuracy(unmeasured=unmeasured)), "x")
    assert row.note == "judged 2 of 4 slices; too small: light=dusk (12), light=fog"


def test_enough_images_of_every_slice_need_no_note():
    row = verdict_row(verdict_on(replace(WORST, min_images=12), accuracy()), "x")
    assert (row.outcome, row.judged.value, row.note) == ("fail", 0.1, "")
    drop = Drop(0.0, "fraction", 50, before=0.5, after=0.5, baseline="b.json", paired=False)
    assert verdict_on(replace(NIGHT, key="max_drop"), drop).outcome == "pass"


def test_one_slice_is_judged_as_a_part():
    verdict = verdict_on(NIGHT, accuracy())
    assert (verdict.outcome, verdict.value, verdict.n) == ("fail", 0.6, 80)
    assert verdict_row(verdict, "x").judged is None


SITE = column("site", ["a", "b"] * 150)
IN_B = np.arange(300) % 2 == 1
YES = {metric: class_request("yes", (1,), metric) for metric in ("precision", "npv", "f1")}
SURE = answer_request("accuracy", threshold=0.95)


def on_site(request, called, confidence=0.9, group=None, *, kind="worst", **settings):
    """The verdict on a number of two sites of 150 images, of which 74 and 76 are of class 1."""
    label = np.arange(300) // 2 % 2
    request = replace(request, slice="site", kind=kind)
    of_yes = np.where(called, confidence, 1 - np.asarray(confidence))
    table = np.stack([1 - of_yes, of_yes], axis=1)
    clean = answers(label, None, table, group=group, slices=SITE)
    known = facts(2, class_names=("no", "yes"), requests=(request,))
    outcome = measure_dimension(registry[request.dimension], {CLEAN: clean}, known)
    settings = {"min_images": 50, "min_groups": 0 if group is None else 10} | settings
    demand = Demand(request, "min", 0.4, "block", True, "t.yaml", 4, **settings)
    return decide(demand, evidence_of(demand, outcome))


@pytest.mark.parametrize(("metric", "three"), [("precision", [1, 5, 3]), ("npv", [1, 3, 7])])
def test_a_model_that_calls_fewer_images_is_judged(metric, three):
    """Three images of site b are called so, and one of them is right: fewer than `min_images`."""
    named = ~IN_B  # half of site a is right
    named[three] = True
    called = named if metric == "precision" else ~named
    verdict = on_site(YES[metric], called)
    assert (verdict.outcome, verdict.value) == ("fail", pytest.approx(1 / 3))
    patients = on_site(YES[metric], called, group=np.arange(300) // 5)
    assert (patients.outcome, patients.value, patients.curve) == ("fail", pytest.approx(1 / 3), None)
    assert "no interval: fewer than 10 groups count in site=b (2)" in patients.evidence.notes
    assert on_site(YES[metric], called, group=np.arange(300) // 50).outcome == "skipped"  # of 6 patients


def test_answers_that_a_model_does_not_give_are_counted():
    """Three wrong answers to site b, of 150 images."""
    confidence = np.where(IN_B, 0.9, 0.99)
    confidence[[1, 5, 9]] = 0.99
    verdict = on_site(SURE, np.arange(300) % 4 == 2 + IN_B, np.where(IN_B, confidence, 0.99))
    assert verdict.outcome == "pass"
    verdict = on_site(SURE, np.arange(300) % 4 != 3, confidence)
    assert (verdict.outcome, verdict.value) == ("fail", 0.0)
    assert verdict.evidence.parts[SURE.name].slices["site"].values["site=b"].sample.eligible == 150


def test_f1_counts_images_of_the_class():
    """A model that calls each image so has no more of them; site b has one more than site a."""
    images = int(np.count_nonzero((np.arange(300) // 2 % 2 == 1) & IN_B))
    for called in (np.ones(300, bool), ~IN_B):
        assert on_site(YES["f1"], called, min_images=images).value is not None
        assert on_site(YES["f1"], called, min_images=images + 1).outcome == "skipped"


@pytest.mark.parametrize("kind", ["worst", "gap"])
@pytest.mark.parametrize(
    ("request_", "called", "confidence"),
    [(YES["precision"], ~IN_B, 0.9), (SURE, ~IN_B, np.where(IN_B, 0.9, 0.99))],
)
def test_a_large_slice_on_which_the_model_has_no_value_fails(request_, called, confidence, kind):
    """Also an optional one; a small one is not judged."""
    verdict = on_site(request_, called, confidence, kind=kind)
    assert verdict.outcome == "unmeasurable"
    assert verdict.reason.startswith("site=b: no image ")
    assert on_site(request_, called, confidence, kind=kind, min_images=151).outcome == "skipped"


TWO_SIDED = {
    metric: class_request("yes", (1,), metric, prevalence=None if metric == "auroc" else 0.3)
    for metric in ("auroc", "precision", "npv")
}


def on_rare_sites(request, kind, rare, *, size=1, is_decided=False, **settings):
    """The verdict on a number of three sites of 60 patients; in site c, all answers are wrong.

    Sites a and b have 30 patients of each class, site c has six of class `rare`.
    """
    patient = np.repeat(np.arange(180), size)
    in_c = patient >= 120
    label = np.where(in_c, np.where(patient < 126, rare, 1 - rare), patient % 2)
    of_yes = np.where(label == in_c, 0.1, 0.9)
    clean = answers(
        label,
        None,
        np.stack([1 - of_yes, of_yes], axis=1),
        group=patient if size > 1 or is_decided else None,
        slices=column("site", np.array(list("abc"))[patient // 60]),
    )
    on = {"set": "patients"} if is_decided else {}
    request = replace(request, slice="site", kind=kind, **on)
    decided = {"patients": DecidedSet("clean", "mean")} if is_decided else {}
    known = facts(2, class_names=("no", "yes"), requests=(request,), decided=decided)
    outcome = measure_dimension(registry["classes"], {CLEAN: clean}, known)
    bound = "max" if kind == "gap" else "min"
    demand = Demand(request, bound, 0.5, "block", False, "t.yaml", 4, **settings)
    return decide(demand, evidence_of(demand, outcome))


@pytest.mark.parametrize("kind", ["worst", "gap"])
@pytest.mark.parametrize("metric", TWO_SIDED)
@pytest.mark.parametrize(("rare", "side"), [(1, "the class"), (0, "another class")])
@pytest.mark.parametrize(
    ("rows", "enough", "few"),
    [
        ({}, {"min_images": 6}, {"min_images": 7}),
        ({"size": 2}, {"min_images": 12, "min_groups": 6}, {"min_images": 13}),
        ({"size": 2}, {"min_images": 12, "min_groups": 6}, {"min_groups": 7}),
        ({"is_decided": True}, {"min_images": 6, "min_groups": 6}, {"min_images": 7}),
        ({"is_decided": True, "size": 3}, {"min_images": 6, "min_groups": 6}, {"min_groups": 7}),
    ],
)
def test_worst_and_gap_count_the_rarer_side(kind, metric, rare, side, rows, enough, few):
    request = TWO_SIDED[metric]
    verdict = on_rare_sites(request, kind, rare, **rows, **enough)
    assert verdict.outcome == "fail"
    assert size_note(verdict.demand, verdict.evidence) == ""
    verdict = on_rare_sites(request, kind, rare, **rows, **enough | few)
    assert verdict.outcome == "pass"
    ((key, least),) = few.items()
    shown = f"{least - 1} groups" if key == "min_groups" else f"{least - 1}"
    note = f"judged 2 of 3 slices; too small: site=c ({shown} of {side})"
    assert size_note(verdict.demand, verdict.evidence) == note


def test_a_named_slice_without_a_value_fails():
    request = replace(YES["precision"], slice="site=b")
    clean = answers(np.ones(300), ~IN_B, slices=SITE)
    known = facts(2, class_names=("no", "yes"), requests=(request,))
    outcome = measure_dimension(registry["classes"], {CLEAN: clean}, known)
    demand = Demand(request, "min", 0.4, "block", True, "t.yaml", 4, min_images=50)
    verdict = decide(demand, evidence_of(demand, outcome))
    reason = "site=b: no image of the set clean is called yes"
    assert (verdict.outcome, verdict.reason) == ("unmeasurable", reason)
