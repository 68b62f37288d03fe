"""Verdicts by the value alone, and by policies with noise."""

from dataclasses import replace
from datetime import date
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from support.gated import CALIBRATION, CORRUPTION, FILE, GRADE, LETTER, SCORE, corruption, noisy
from support.requests import class_request, value
from support.rows import verdict as stored_verdict

from quba_check.comparison.difference import RunValue
from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.explanation import Explanation
from quba_check.core.grade import LETTERS
from quba_check.core.measurement import Drop, Measurement, Sample, Unmeasurable
from quba_check.core.request import OperatingPoint, Part
from quba_check.demands.demand import Policy
from quba_check.errors import InvariantError
from quba_check.records.verdict import Waiver
from quba_check.stats.intervals import share_limits, share_trials
from quba_check.verdicts import decide, p_value
from quba_check.verdicts.decision import is_demonstrated
from quba_check.verdicts.evidence import drop_from_baseline
from quba_check.verdicts.explanation import explanation, verdict_row


@pytest.mark.parametrize("bound", LETTERS)
@pytest.mark.parametrize("letter", LETTERS)
def test_letters(letter, bound):
    outcome = decide(replace(LETTER, bound=bound), replace(GRADE, letter=letter)).outcome
    assert (outcome == "pass") == (letter <= bound), "A is the first letter of the alphabet and the best"


@settings(deadline=None, derandomize=True)
@given(st.floats(-10, 10), st.floats(-10, 10), st.sampled_from(["min", "max"]), st.sampled_from("bwi"))
def test_verdicts_are_comparisons(value, bound, key, tier):
    tiers = {"b": "block", "w": "warn", "i": "info"}
    demand = replace(CORRUPTION, key=key, bound=bound, tier=tiers[tier])
    verdict = decide(demand, corruption(value))
    assert verdict.outcome == ("pass" if (value >= bound if key == "min" else value <= bound) else "fail")
    assert decide(demand, corruption(bound)).outcome == "pass"
    assert explanation(verdict).text.endswith("\n  demanded by thresholds/default.yaml:12")


@pytest.mark.parametrize(
    ("value", "point", "fail", "allow"),
    [
        (0.60, "pass", "pass", "pass"),
        (0.51, "pass", "uncertain", "uncertain"),
        (0.49, "fail", "uncertain", "uncertain"),
        (0.40, "fail", "fail", "fail"),
    ],
)
def test_policies_differ_where_the_bound_is_within_the_noise(value, point, fail, allow):
    for word, outcome in (("point", point), ("fail", fail), ("allow", allow)):
        verdict = decide(CORRUPTION, noisy(value, 0.02), Policy(word))
        assert verdict.outcome == outcome
        assert verdict.within_noise == (value in (0.51, 0.49))


def test_at_higher_confidence_less_is_shown():
    assert Policy(confidence=0.95).error == pytest.approx(0.025)
    assert decide(CORRUPTION, noisy(0.55, 0.02), Policy("fail", 0.95)).outcome == "pass"
    assert decide(CORRUPTION, noisy(0.55, 0.02), Policy("fail", 0.99)).outcome == "uncertain"


def test_a_failure_among_many_demands_needs_more():
    """2.2 standard errors below the bound: p = 0.014, below 0.025 and above 0.025 / 2."""
    evidence = noisy(0.456, 0.02)
    assert decide(CORRUPTION, evidence, Policy("allow")).outcome == "fail"
    assert decide(CORRUPTION, evidence, Policy("allow"), [0.9]).outcome == "uncertain"
    assert decide(CORRUPTION, evidence, Policy("allow"), [0.001]).outcome == "fail"


def holm(p, error):
    """The textbook procedure: from the smallest p-value on, until one exceeds its level."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    rejected = set()
    for place, i in enumerate(order):
        if p[i] > error / (len(p) - place):
            break
        rejected.add(i)
    return rejected


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(st.integers(1, 120), min_size=1, max_size=6), st.sampled_from([0.005, 0.025, 0.2]))
def test_is_holms_procedure(percent, error):
    p = [share / 100 * error for share in percent]
    rejected = holm(p, error)
    for i, own in enumerate(p):
        assert is_demonstrated(own, p[:i] + p[i + 1 :], error) == (i in rejected)


def test_values_without_limits_are_decided_by_themselves():
    for word in ("point", "fail", "allow"):
        assert decide(CORRUPTION, corruption(0.6), Policy(word)).outcome == "pass"
        assert decide(CORRUPTION, corruption(0.4), Policy(word)).outcome == "fail"
    assert p_value(CORRUPTION, corruption(0.4)) is None


def test_doubt_is_a_p_value_in_either_direction():
    assert p_value(CORRUPTION, noisy(0.5, 0.02)) == pytest.approx(0.5)
    assert p_value(CORRUPTION, noisy(0.5 - 1.644854 * 0.02, 0.02)) == pytest.approx(0.05, abs=1e-3)
    low = replace(noisy(0.01 + 1.644854 * 0.004, 0.004), dimension="calibration_error")
    assert p_value(CALIBRATION, low) == pytest.approx(0.05, abs=1e-3)


SIGNS = ("32.0 % of images have no input gradient", "PGD is weaker than FGSM (acc 0.9 > 0.8)")
REASON = f"no evidence of robustness: {'; '.join(SIGNS)}"


@pytest.mark.parametrize("word", ["point", "fail", "allow"])
@pytest.mark.parametrize("value", [0.9, 0.51, 0.3])
def test_a_masked_value_fails_under_every_policy(word, value):
    evidence = replace(noisy(value, 0.02), masked=SIGNS)
    verdict = decide(CORRUPTION, evidence, Policy(word), [0.5])
    assert (verdict.outcome, verdict.within_noise, verdict.reason) == ("fail", False, REASON)
    assert p_value(CORRUPTION, evidence) is None
    allowing = replace(CORRUPTION, allow_masked=True)
    assert decide(allowing, evidence, Policy(word)) == replace(
        decide(CORRUPTION, replace(evidence, masked=()), Policy(word)), demand=allowing, evidence=evidence
    )


def test_a_masked_value_fails_an_upper_bound_and_a_part_too():
    evidence = replace(corruption(0.6, fog=0.4), masked=SIGNS)
    assert decide(replace(CORRUPTION, key="max"), evidence).outcome == "fail"
    assert (
        decide(
            replace(
                CORRUPTION, request=value("corruption_robustness", "fog", unit="ratio"), parts=(), bound=0.1
            ),
            evidence,
        ).reason
        == REASON
    )


def test_signs_at_one_size_of_the_attacks_mask_the_demands_at_it():
    attacked = replace(corruption(0.6, **{"fog@epsilon=4/255": 0.6, "fog": 0.6}), masked_at={"4/255": SIGNS})
    request = replace(CORRUPTION.request, number=Part("fog", "ratio", "high", ""))
    usual = replace(CORRUPTION, request=request)
    half = replace(usual, request=replace(request, epsilon=Fraction(4, 255)))
    assert (half.part, decide(half, attacked).reason) == ("fog@epsilon=4/255", REASON)
    assert [decide(one, attacked).outcome for one in (half, usual, CORRUPTION)] == ["fail", "pass", "pass"]
    run, reference = (
        SimpleNamespace(file="a.json", value_of=lambda *_, value=value: RunValue(value), conditions=str)
        for value in (0.6, 0.7)
    )
    drops = (drop_from_baseline(one, reference, run, attacked) for one in (half, usual))
    assert [drop.masked for drop in drops] == [SIGNS, ()]
    turned = replace(attacked, masked=SIGNS, masked_at={})
    assert [decide(one, turned).outcome for one in (half, usual, CORRUPTION)] == ["pass", "fail", "fail"]


def test_a_drop_of_a_masked_value_is_no_evidence():
    drop = Drop(-0.1, "ratio", 9, before=0.5, after=0.6, baseline="old.json", paired=False, masked=SIGNS)
    assert decide(replace(CORRUPTION, key="max_drop"), drop).reason == REASON


def test_a_score_without_letter_is_not_judged():
    graded = replace(GRADE, letter=None, percentile=None, not_graded="published was measured on imagenet")
    for demand in (LETTER, SCORE):
        verdict = decide(demand, graded)
        assert verdict.outcome == "unmeasurable"
        assert verdict.reason == "not graded: published was measured on imagenet"


def test_a_grade_within_the_noise():
    curve = ConfidenceCurve(tuple(0.3 + score * 0.1 for score in SCORES))
    graded = replace(
        GRADE, score=0.3, letter="C", curve=curve, least={"A": 1.0, "B": 0.5, "C": 0.2, "D": -1.0}
    )
    assert decide(LETTER, graded, Policy("fail")).outcome == "uncertain"
    assert decide(replace(LETTER, bound="D"), graded, Policy("fail")).outcome == "pass"
    assert decide(replace(LETTER, bound="A"), graded, Policy("fail")).outcome == "fail"
    assert decide(replace(LETTER, bound="F"), graded, Policy("fail")).outcome == "pass"
    assert decide(SCORE, graded, Policy("fail")).outcome == "pass"
    assert decide(replace(SCORE, bound=0.2), graded, Policy("fail")).outcome == "uncertain"
    assert (
        "95 % interval of the score 0.104 to 0.496"
        in explanation(decide(LETTER, graded, Policy("fail"))).text
    )


@pytest.mark.parametrize(
    ("uncertain", "outcome"), [("point", "pass"), ("allow", "pass"), ("fail", "unmeasurable")]
)
def test_too_few_groups_allow_no_interval(uncertain: str, outcome: str) -> None:
    few = replace(corruption(0.9), sample=Sample(groups=7, effective=40.0))
    drop = Drop(
        0.0,
        "ratio",
        100,
        sample=Sample(groups=7, effective=40.0),
        before=0.9,
        after=0.9,
        baseline="b.json",
        paired=True,
    )
    assert decide(replace(CORRUPTION, key="max_drop"), drop, Policy(uncertain)).outcome == outcome
    grade = replace(GRADE, curve=None, groups=7)
    assert decide(replace(LETTER, bound="F"), grade, Policy(uncertain)).outcome == outcome
    verdict = decide(CORRUPTION, few, Policy(uncertain))
    assert verdict.outcome == outcome
    if outcome == "unmeasurable":
        assert verdict.reason == (
            "too few groups of images (7) for an interval, which 'uncertain: fail' needs. Allowed: 10 or more"
        )


@pytest.mark.parametrize(("uncertain", "outcome"), [("point", "fail"), ("allow", "uncertain")])
def test_allow_blocks_nothing_without_an_interval(uncertain: str, outcome: str) -> None:
    few = replace(corruption(0.4), sample=Sample(groups=7))
    verdict = decide(CORRUPTION, few, Policy(uncertain))
    assert (verdict.outcome, verdict.is_met) == (outcome, uncertain == "allow")
    if uncertain == "allow":
        assert verdict.reason == "not shown to miss the bound: too few groups (7) for an interval"
        assert explanation(verdict).text.startswith(
            "corruption_robustness 0.400 is not shown to miss the bound: too few groups (7) for an interval"
        )
        assert "allow_masked" not in explanation(verdict).text
    assert decide(CORRUPTION, replace(few, masked=("gradients are 0",)), Policy(uncertain)).outcome == "fail"
    assert decide(CORRUPTION, replace(few, sample=Sample()), Policy(uncertain)).outcome == "fail"


@pytest.mark.parametrize(("value", "outcome"), [(0.6, "pass"), (0.52, "uncertain"), (0.4, "fail")])
def test_few_decided_groups_are_judged_by_their_exact_limits(value: float, outcome: str) -> None:
    decided = replace(noisy(value, 0.02), sample=Sample(groups=7))
    assert decide(CORRUPTION, decided, Policy("fail")).outcome == outcome


WAIVER = Waiver(until=date(2027, 1, 31), by="ann", reason="new data", bound=0.4)
WAIVED = replace(CORRUPTION, waiver=WAIVER)


@settings(deadline=None, derandomize=True)
@given(st.floats(-1, 1), st.floats(0.01, 0.99), st.sampled_from(["min", "max"]))
def test_a_waiver_covers_values_down_to_its_own(value, slack, key):
    sign = 1 if key == "min" else -1
    waiver = WAIVER.model_copy(update={"bound": 0.5 - sign * slack})
    verdict = decide(replace(WAIVED, key=key, waiver=waiver), corruption(value))
    if sign * value >= sign * 0.5:
        assert (verdict.outcome, verdict_row(verdict, "x").has_needless_waiver) == ("pass", True)
    else:
        assert verdict.outcome == ("waived" if sign * value >= sign * waiver.bound else "fail")
        assert not verdict_row(verdict, "x").has_needless_waiver


@pytest.mark.parametrize(
    ("value", "point", "fail", "allow"),
    [
        (0.60, "pass", "pass", "pass"),
        (0.51, "pass", "waived", "uncertain"),
        (0.49, "waived", "waived", "uncertain"),
        (0.42, "waived", "waived", "waived"),
        (0.39, "fail", "fail", "fail"),
    ],
)
def test_waivers_under_policies(value, point, fail, allow):
    for word, outcome in (("point", point), ("fail", fail), ("allow", allow)):
        assert decide(WAIVED, noisy(value, 0.02), Policy(word)).outcome == outcome


def test_letters_can_be_waived():
    demand = replace(LETTER, bound="B", waiver=WAIVER.model_copy(update={"bound": "D"}))
    outcomes = [decide(demand, replace(GRADE, letter=letter)).outcome for letter in "ABCDF"]
    assert outcomes == ["pass", "pass", "waived", "waived", "fail"]


def test_what_has_no_value_cannot_be_waived():
    missing = Unmeasurable("corruption_robustness", "no images", missing_data=True)
    assert decide(WAIVED, missing).outcome == "unmeasurable"
    assert decide(replace(WAIVED, optional=True), missing).outcome == "skipped"
    masked = replace(corruption(0.45), masked=("gradients are 0",))
    assert decide(WAIVED, masked).outcome == "fail"


def test_a_value_is_never_judged_as_a_drop():
    with pytest.raises(InvariantError):
        decide(replace(CORRUPTION, key="max_drop", bound=0.9), corruption(0.6))


def test_rows():
    demand = replace(CORRUPTION, threshold_file="a.yaml")
    verdict = decide(demand, corruption(0.412), Policy("fail", 0.9))
    row = verdict_row(verdict, "a.yaml::corruption_robustness[min]")
    settings = {"policy": "fail", "confidence": 0.9}
    assert row.model_dump(exclude={"explanation", "message"}, exclude_defaults=True) == stored_verdict(
        "corruption_robustness",
        0.5,
        id="a.yaml::corruption_robustness[min]",
        file=FILE,
        line=12,
        threshold_file="a.yaml",
        **settings,
    )
    assert row.explanation == Explanation(
        "corruption_robustness 0.412 is below 0.500 (short by 0.088)",
        value=0.412,
        unit="ratio",
        n=3_750_000,
        sample=("n = 3,750,000 images",),
        path="thresholds/default.yaml",
        line=12,
    )
    assert row.message == row.explanation.text
    request = class_request("a@1", (0,), "recall", "night", OperatingPoint("probability", 0.3))
    row = replace(CORRUPTION, request=request).verdict_row("x", "not run")
    assert (row.metric, row.conditions, row.set) == ("recall", "@probability=0.3,set=night", "night")
    assert verdict_row(decide(CORRUPTION, corruption(0.6)), "x").message == ""
    assert verdict_row(decide(LETTER, GRADE), "x").bound == "C"


@pytest.mark.parametrize(("hits", "n", "bound"), [(20, 20, 0.99), (60, 100, 0.55), (1, 200, 0.01)])
def test_enough_images_are_those_of_which_the_limit_clears_the_bound(hits, n, bound):
    """The limit of the same share of so many images lies at the bound; a fifth more clear it."""
    demand = replace(CORRUPTION, request=value("accuracy"), bound=bound)
    curve = ConfidenceCurve(tuple(share_limits(hits, n, np.array(SCORES)).tolist()))
    enough = decide(demand, Measurement("accuracy", hits / n, "fraction", n, curve)).enough_images
    z = norm.ppf(0.975) * (1 if hits / n < bound else -1)
    for more, clears in ((0.7, False), (1.2, True)):
        images = round(enough * more)
        (limit,) = share_limits(round(hits / n * images), images, np.array([z]))
        assert (limit < bound if z > 0 else limit > bound) == clears


def test_values_that_no_number_of_images_decides():
    for evidence in (noisy(0.9, 0.02), replace(noisy(0.51, 0.02), n=None)):
        assert decide(CORRUPTION, evidence, Policy("fail")).enough_images is None


@given(st.floats(0, 1), st.floats(1e-4, 0.5), st.sampled_from([-3.3, -1.96, -0.67, 0.67, 1.96, 3.3]))
def test_the_limit_is_near_enough_from_the_stated_number_of_images_on(share, distance, z):
    """The number meets the distance and one image less does not, by the limits themselves."""
    n = share_trials(share, distance, z)
    near = [abs(share_limits(share * one, one, np.array([z])).item() - share) for one in (n, max(n - 1, 1))]
    assert near[0] <= distance * (1 + 1e-9)
    assert n == 1 or near[1] > distance * (1 - 1e-9)


@pytest.mark.parametrize(("share", "z"), [(0.0, -1.96), (1.0, 1.96), (0.3, -1.96)])
def test_one_image_is_enough_for_a_limit_that_no_sample_has(share, z):
    assert share_trials(share, 0.5, z) == 1


def test_a_distance_that_no_number_of_images_reaches_has_the_largest_number():
    assert share_trials(0.5, 1e-9, 1.96) == 2**40
