import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.demands import Demand
from quba_check.demands.policy import Policy
from quba_check.gate import doubt, judge
from quba_check.protocol.confidence import SCORES, ConfidenceCurve
from quba_check.protocol.dimension import Part
from quba_check.protocol.grade import LETTERS, Grade
from quba_check.protocol.measurement import Measurement, Quantity, Unmeasurable

FILE = "thresholds/default.yaml"
CORRUPTIONS = tuple(Part(name, "ratio", "high", "") for name in ("fog", "snow", "frost", "glass_blur"))
CORRUPTION = Demand(
    "corruption_robustness", None, "min", 0.5, "block", False, "ratio", "high", FILE, 12, CORRUPTIONS
)
CALIBRATION = Demand("calibration_error", None, "max", 0.01, "block", False, "fraction", "low", FILE, 16)
PARAMETERS = Demand("parameters", None, "max", 20.0, "block", False, "millions", "low", FILE, 17)
LETTER = Demand("quba", "grade", "min", "C", "block", False, "grade", "high", FILE, 21)
SCORE = Demand("quba", "score", "min", 0.0, "block", False, "score", "high", FILE, 20)
GRADE = Grade(-0.412, 21.7, "D", "published", "released", complete=True)


def corruption(value, **parts):
    quantities = {name: Quantity(number, "ratio", 250) for name, number in parts.items()}
    return Measurement("corruption_robustness", value, "ratio", 3_750_000, parts=quantities)


def parameters(value):
    return Measurement("parameters", value, "millions", None)


def test_a_failure_below():
    verdict = judge(CORRUPTION, corruption(0.412, fog=0.5, snow=0.3, frost=0.41, glass_blur=0.2, other=0.1))
    assert verdict.outcome == "fail"
    assert (verdict.value, verdict.unit, verdict.n, verdict.curve) == (0.412, "ratio", 3_750_000, None)
    assert verdict.explain() == (
        "corruption_robustness 0.412 is below 0.500 (short by 0.088)\n"
        "  worst parts: glass_blur 0.200, snow 0.300, frost 0.410\n"
        "  n = 3,750,000 images\n"
        "  demanded by thresholds/default.yaml:12"
    )


def test_a_failure_above():
    parts = (Part("ece", "fraction", "low", ""), Part("ace", "fraction", "low", ""))
    held = Measurement(
        "calibration_error",
        0.0213,
        "fraction",
        50_000,
        curve=ConfidenceCurve(tuple(0.02125 + score * 0.00125 / 1.959964 for score in SCORES)),
        parts={"ece": Quantity(0.1, "fraction", 1), "ace": Quantity(0.0045, "fraction", 1)},
        notes=("masked: no",),
    )
    assert judge(replace(CALIBRATION, parts=parts), held).explain() == (
        "calibration_error 0.0213 is above 0.0100 (over by 0.0113)\n"
        "  worst parts: ece 0.100, ace 0.0045\n"
        "  n = 50,000 images\n"
        "  95 % interval 0.0200 to 0.0225\n"
        "  masked: no\n"
        "  demanded by thresholds/default.yaml:16"
    )


def test_a_failure_by_little_shows_its_digits():
    explanation = judge(CORRUPTION, corruption(0.4999996)).explain()
    assert explanation.startswith("corruption_robustness 0.4999996 is below 0.5000000 (short by 0.0000004)\n")


def test_a_failure_without_images():
    assert judge(PARAMETERS, parameters(25.557032)).explain() == (
        "parameters 25.557 M is above 20.000 M (over by 5.557 M)\n  demanded by thresholds/default.yaml:17"
    )


def test_a_part():
    demand = replace(CORRUPTION, part="fog", parts=())
    verdict = judge(demand, corruption(0.6, fog=0.4, snow=0.1))
    assert (verdict.outcome, verdict.value, verdict.n) == ("fail", 0.4, 250)
    assert verdict.explain() == (
        "corruption_robustness.fog 0.400 is below 0.500 (short by 0.100)\n"
        "  n = 250 images\n"
        "  demanded by thresholds/default.yaml:12"
    )


def test_a_part_that_was_not_measured_is_no_pass():
    demand = replace(CORRUPTION, part="fog", parts=())
    verdict = judge(demand, corruption(0.6, snow=0.9))
    assert verdict.outcome == "unmeasurable"
    assert verdict.explain() == (
        "corruption_robustness.fog could not be measured: "
        "corruption_robustness has no part 'fog' here. Measured: snow.\n"
        "  demanded by thresholds/default.yaml:12"
    )
    assert judge(demand, corruption(0.6)).reason.endswith("Measured: no parts.")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_pass(value):
    verdict = judge(CORRUPTION, corruption(value))
    assert verdict.outcome == "unmeasurable"
    assert verdict.explain().startswith(
        f"corruption_robustness could not be measured: its value is {value}, which is no number to judge\n"
    )


def test_unmeasurable():
    demand = replace(CORRUPTION, dimension="object_focus", optional=True)
    undefined = Unmeasurable("object_focus", "no image is right when clean")
    verdict = judge(demand, undefined)
    assert verdict.outcome == "unmeasurable", "optional is about missing data only"
    assert verdict.explain() == (
        "object_focus could not be measured: no image is right when clean\n"
        "  demanded by thresholds/default.yaml:12"
    )


def test_missing_data():
    absent = Unmeasurable("object_focus", "the suite has no mixed_same set", missing_data=True)
    demand = replace(CORRUPTION, dimension="object_focus")
    assert judge(demand, absent).outcome == "unmeasurable"
    verdict = judge(replace(demand, optional=True), absent)
    assert verdict.outcome == "skipped"
    assert verdict.explain().startswith("object_focus was skipped: the suite has no mixed_same set\n")


def test_a_grade_below():
    grade = replace(GRADE, notes=("cross-protocol: adversarial_robustness",))
    verdict = judge(LETTER, grade)
    assert (verdict.outcome, verdict.value) == ("fail", "D")
    assert verdict.explain() == (
        "quba.grade D is below C (score -0.412, 21st percentile of published)\n"
        "  cross-protocol: adversarial_robustness\n"
        "  demanded by thresholds/default.yaml:21"
    )


def test_a_score_below():
    assert judge(SCORE, GRADE).explain() == (
        "quba.score -0.412 is below 0.000 (short by 0.412)\n  demanded by thresholds/default.yaml:20"
    )


@pytest.mark.parametrize("demand", [LETTER, SCORE])
def test_no_grade_is_no_pass(demand):
    held = Grade(
        None,
        None,
        None,
        "published",
        "released",
        complete=False,
        missing=("object_focus", "shape_bias"),
    )
    verdict = judge(demand, held)
    assert verdict.outcome == "unmeasurable"
    assert verdict.explain() == (
        f"{demand.target} could not be measured: not graded: missing object_focus, shape_bias\n"
        f"  demanded by {demand.place}"
    )


@pytest.mark.parametrize("limit", LETTERS)
@pytest.mark.parametrize("letter", LETTERS)
def test_letters(letter, limit):
    outcome = judge(replace(LETTER, limit=limit), replace(GRADE, letter=letter)).outcome
    assert (outcome == "pass") == (letter <= limit), "A is the first letter of the alphabet and the best"


def test_passes():
    assert (
        judge(CORRUPTION, corruption(0.5))
        .explain()
        .startswith("corruption_robustness 0.500 is at least 0.500\n")
    )
    assert judge(PARAMETERS, parameters(5.3)).explain().startswith("parameters 5.300 M is at most 20.000 M\n")
    assert judge(LETTER, replace(GRADE, letter="B")).explain().startswith("quba.grade B is at least C (score")


@settings(deadline=None, derandomize=True)
@given(st.floats(-10, 10), st.floats(-10, 10), st.sampled_from(["min", "max"]), st.sampled_from("bwi"))
def test_verdicts_are_comparisons(value, limit, bound, tier):
    tiers = {"b": "block", "w": "warn", "i": "info"}
    demand = replace(CORRUPTION, bound=bound, limit=limit, tier=tiers[tier])
    verdict = judge(demand, corruption(value))
    assert verdict.outcome == ("pass" if (value >= limit if bound == "min" else value <= limit) else "fail")
    assert judge(demand, corruption(limit)).outcome == "pass"
    assert verdict.explain().endswith("\n  demanded by thresholds/default.yaml:12")


def test_rows():
    row = judge(CORRUPTION, corruption(0.412)).row("a.yaml::corruption_robustness[min]")
    assert row.model_dump() == {
        "id": "a.yaml::corruption_robustness[min]",
        "dimension": "corruption_robustness",
        "part": None,
        "bound": "min",
        "limit": 0.5,
        "tier": "block",
        "outcome": "fail",
        "file": FILE,
        "line": 12,
        "message": (
            "corruption_robustness 0.412 is below 0.500 (short by 0.088)\n"
            "  n = 3,750,000 images\n"
            "  demanded by thresholds/default.yaml:12"
        ),
        "within_noise": False,
        "policy": "point",
        "confidence": 0.95,
        "stopped": None,
    }
    assert judge(CORRUPTION, corruption(0.6)).row("x").message == ""
    assert judge(LETTER, GRADE).row("x").limit == "C"


def noisy(value, error):
    curve = ConfidenceCurve(tuple(value + score * error for score in SCORES))
    return Measurement("corruption_robustness", value, "ratio", 1000, curve)


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
        verdict = judge(CORRUPTION, noisy(value, 0.02), Policy(word))
        assert verdict.outcome == outcome
        assert verdict.within_noise == (value in (0.51, 0.49))


def test_at_higher_confidence_less_is_shown():
    assert judge(CORRUPTION, noisy(0.55, 0.02), Policy("fail", 0.95)).outcome == "pass"
    assert judge(CORRUPTION, noisy(0.55, 0.02), Policy("fail", 0.99)).outcome == "uncertain"


def test_a_failure_among_many_demands_needs_more():
    """2.2 standard errors below the bound: p = 0.014, below 0.025 and above 0.025 / 2."""
    held = noisy(0.456, 0.02)
    assert judge(CORRUPTION, held, Policy("allow")).outcome == "fail"
    assert judge(CORRUPTION, held, Policy("allow"), [0.9]).outcome == "uncertain"
    assert judge(CORRUPTION, held, Policy("allow"), [0.001]).outcome == "fail"


def test_values_without_limits_are_decided_by_themselves():
    for word in ("point", "fail", "allow"):
        assert judge(CORRUPTION, corruption(0.6), Policy(word)).outcome == "pass"
        assert judge(CORRUPTION, corruption(0.4), Policy(word)).outcome == "fail"
    assert doubt(CORRUPTION, corruption(0.4)) is None


def test_what_an_uncertain_demand_says():
    strict = judge(CORRUPTION, noisy(0.51, 0.02), Policy("fail", 0.9))
    assert strict.explain() == (
        "corruption_robustness 0.510 is not shown to be at least 0.500\n"
        "  n = 1,000 images\n"
        "  90 % interval 0.477 to 0.543\n"
        "  some 11,000 images would tell it from the bound\n"
        "  demanded by thresholds/default.yaml:12"
    )
    lenient = judge(CORRUPTION, noisy(0.49, 0.02), Policy("allow"))
    assert lenient.explain().startswith("corruption_robustness 0.490 is not shown to be below 0.500\n")
    above = judge(CALIBRATION, replace(noisy(0.012, 0.004), dimension="calibration_error"), Policy("fail"))
    assert above.explain().startswith("calibration_error 0.0120 is not shown to be at most 0.0100\n")


def test_doubt_is_a_p_value_in_either_direction():
    assert doubt(CORRUPTION, noisy(0.5, 0.02)) == pytest.approx(0.5)
    assert doubt(CORRUPTION, noisy(0.5 - 1.644854 * 0.02, 0.02)) == pytest.approx(0.05, abs=1e-3)
    low = replace(noisy(0.01 + 1.644854 * 0.004, 0.004), dimension="calibration_error")
    assert doubt(CALIBRATION, low) == pytest.approx(0.05, abs=1e-3)


def test_a_grade_within_the_noise():
    curve = ConfidenceCurve(tuple(0.3 + score * 0.1 for score in SCORES))
    graded = replace(
        GRADE, score=0.3, letter="C", curve=curve, least={"A": 1.0, "B": 0.5, "C": 0.2, "D": -1.0}
    )
    assert judge(LETTER, graded, Policy("fail")).outcome == "uncertain"
    assert judge(replace(LETTER, limit="D"), graded, Policy("fail")).outcome == "pass"
    assert judge(replace(LETTER, limit="A"), graded, Policy("fail")).outcome == "fail"
    assert judge(replace(LETTER, limit="F"), graded, Policy("fail")).outcome == "pass"
    assert "95 % interval of the score 0.104 to 0.496" in judge(LETTER, graded, Policy("fail")).explain()
