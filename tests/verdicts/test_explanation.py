"""The text of a verdict, to the letter."""

import math
from dataclasses import replace
from datetime import date

import pytest
from support.gated import (
    CALIBRATION,
    CORRUPTION,
    GRADE,
    LETTER,
    PARAMETERS,
    SCORE,
    corruption,
    noisy,
    parameters,
)
from support.requests import class_request, on_slices, parity_request, served, value

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.dimension import Part
from quba_check.core.grade import Grade
from quba_check.core.measurement import Drop, Measurement, Quantity, SliceValues, Table, Unmeasurable
from quba_check.core.request import OperatingPoint
from quba_check.demands import Demand
from quba_check.demands.demand import Policy
from quba_check.records.verdict import Waiver
from quba_check.verdicts import Judged, Verdict, decide
from quba_check.verdicts.evidence import evidence_of
from quba_check.verdicts.explanation import explanation


def text_of(verdict: Verdict) -> str:
    """Return the explanation without its last line, which names the place of the demand."""
    text, _, place = explanation(verdict).text.rpartition("\n")
    assert place == f"  demanded by {verdict.demand.source_line}"
    return text


FOG = replace(CORRUPTION, request=value("corruption_robustness", "fog", unit="ratio"), parts=())
WEIGHTS = replace(
    PARAMETERS,
    request=value("size", unit="megabytes", better="low"),
    threshold=5.0,
    parts=(Part("file", "megabytes", "low", ""),),
)
TOP5 = replace(
    CORRUPTION, request=value("accuracy"), threshold=0.8, parts=(Part("top5", "fraction", "high", ""),)
)
LOST = Drop(0.03, "fraction", 50, before=0.02, after=0.05, baseline="base.json", paired=True)
SIZE = Measurement("size", 7.1, "megabytes", None, parts={"file": Quantity(7.2, "megabytes", None)})
N = "n = 3,750,000 images"


@pytest.mark.parametrize(
    ("demand", "evidence", "text"),
    [
        (CORRUPTION, corruption(0.5), f"corruption_robustness 0.500 is at least 0.500; {N}"),
        (PARAMETERS, parameters(5.3), "parameters 5.300 M is at most 20.000 M"),
        (
            *(LETTER, replace(GRADE, letter="B")),
            "quba.grade B is at least C (score -0.412, 21st percentile of published)",
        ),
        (  # a part that is equal, two that are worse, and one that is none of its own
            *(CORRUPTION, corruption(0.412, fog=0.412, snow=0.3, frost=0.41, other=0.1)),
            "corruption_robustness 0.412 is below 0.500 (short by 0.088); worst parts: snow 0.300, frost "
            f"0.410; {N}",
        ),
        (
            *(CORRUPTION, corruption(0.4999996, fog=0.1, snow=0.3, frost=0.41, glass_blur=0.2)),
            "corruption_robustness 0.4999996 is below 0.5000000 (short by 0.0000004); worst parts: fog "
            f"0.100, glass_blur 0.200, snow 0.300; {N}",
        ),
        (PARAMETERS, parameters(25.557), "parameters 25.557 M is above 20.000 M (over by 5.557 M)"),
        (WEIGHTS, SIZE, "size 7.100 MB is above 5.000 MB (over by 2.100 MB)"),  # a file is no worse part
        (  # the five most probable classes hold the label at least as often as the first one
            TOP5,
            Measurement("accuracy", 0.6, "fraction", 50, parts={"top5": Quantity(0.9, "fraction", 50)}),
            "accuracy 0.600 is below 0.800 (short by 0.200); n = 50 images",
        ),
        (
            *(FOG, corruption(0.6, fog=0.4, snow=0.1)),
            "corruption_robustness.fog 0.400 is below 0.500 (short by 0.100); n = 250 images",
        ),
        (
            *(replace(CALIBRATION, bound="max_drop", threshold=0.01), LOST),
            "calibration_error worsening 0.0300 is above 0.0100 (over by 0.0200); from 0.0200 in base.json "
            "to 0.0500, paired image by image; n = 50 images",
        ),
        (
            *(LETTER, replace(GRADE, notes=("cross-protocol: flops",))),
            "quba.grade D is below C (score -0.412, 21st percentile of published); cross-protocol: flops",
        ),
        (SCORE, GRADE, "quba.score -0.412 is below 0.000 (short by 0.412)"),
        (
            replace(CORRUPTION, optional=True),  # which is about missing data only
            Unmeasurable("corruption_robustness", "no image is right when clean"),
            "corruption_robustness could not be measured: no image is right when clean",
        ),
    ],
)
def test_sentences(demand: Demand, evidence: Judged, text: str) -> None:
    verdict = decide(demand, evidence)
    assert text_of(verdict).replace("\n  ", "; ") == text
    assert verdict.outcome == ("pass" if " at " in text else "unmeasurable" if " not " in text else "fail")


def test_a_failure_above():
    parts = (Part("ece", "fraction", "low", ""), Part("ace", "fraction", "low", ""))
    evidence = Measurement(
        "calibration_error",
        0.0213,
        "fraction",
        50_000,
        curve=ConfidenceCurve(tuple(0.02125 + score * 0.00125 / 1.959964 for score in SCORES)),
        parts={"ece": Quantity(0.1, "fraction", 1), "ace": Quantity(0.0045, "fraction", 1)},
        notes=("masked: no",),
    )
    assert text_of(decide(replace(CALIBRATION, parts=parts), evidence)) == (
        "calibration_error 0.0213 is above 0.0100 (over by 0.0113)\n"
        "  worst parts: ece 0.100\n"
        "  n = 50,000 images\n"
        "  95 % interval 0.0200 to 0.0225\n"
        "  masked: no"
    )


def advised(value: float, note: str = "", interval: tuple[float | str, ...] = (0.006, 0.009)) -> Measurement:
    """Return a calibration error of 0.02 that is `value` on held-out halves, or a reason for no advice."""
    rows = (("calibration_error", value, *interval), ("ece", 0.0125, "", ""))
    tables = {"temperature": Table(("temperature",), () if note else ((2.71828,),), note)}
    if not note:
        tables["held_out"] = Table(("name", "value", "low", "high"), rows)
    parts = {"ece": Quantity(0.02, "fraction", 100)}
    return Measurement("calibration_error", 0.02, "fraction", 100, parts=parts, tables=tables)


ADVICE = "  temperature: 2.72 in the file of --quba-preprocessing "


@pytest.mark.parametrize(
    ("evidence", "part", "uncertain", "line"),
    [
        (
            advised(0.0075),
            None,
            "point",
            f"{ADVICE}would pass: calibration_error 0.0075 (95 % interval 0.0060 to 0.0090) and ece 0.0125 "
            "on held-out halves",
        ),
        (
            advised(0.0175, interval=("", "")),
            None,
            "point",
            f"{ADVICE}would not be enough: calibration_error 0.0175 and ece 0.0125 on held-out halves",
        ),
        (
            advised(0.0075, interval=(0.006, 0.011)),
            None,
            "fail",
            f"{ADVICE}would not be enough: calibration_error 0.0075 (95 % interval 0.0060 to 0.0110) and ece "
            "0.0125 on held-out halves",
        ),
        (advised(0.0075), "ece", "point", f"{ADVICE}would not be enough: ece 0.0125 on held-out halves"),
        (advised(0, "all are right"), None, "point", "  no temperature is advised: all are right"),
    ],
)
def test_a_temperature_is_advised(evidence: Measurement, part: str | None, uncertain: str, line: str) -> None:
    verdict = decide(
        replace(CALIBRATION, request=value("calibration_error", part or "", better="low")),
        evidence,
        Policy(uncertain=uncertain),
    )
    assert line in text_of(replace(verdict, outcome="fail")).split("\n")
    assert "temperature" not in text_of(replace(verdict, outcome="pass"))


def of_each(recalls, demand=None, **more):
    """The explanation of a bound of 0.5 on the worst class, from the recall of each."""
    demand = demand or replace(CORRUPTION, request=class_request("each", (), "recall"), parts=())
    table = Table(("class", "images", "value"), tuple((f"c{k}", 20, one) for k, one in enumerate(recalls)))
    parts = {
        "each.recall": Quantity(min(recalls), "fraction", 400),
        "cat.recall@probability=0.3": Quantity(0.4, "fraction", 20),
    }
    evidence = Measurement(
        "classes", 0.6, "fraction", 400, parts=parts, tables={"each.recall": table}, **more
    )
    return text_of(decide(demand, evidence))


def test_the_classes_that_miss_a_bound_are_named_worst_first():
    assert of_each([0.4, 0.9, 0.1]).split("\n")[1] == (
        "  2 of 3 classes below 0.5: c2 0.100 (n = 20), c0 0.400 (n = 20)"
    )
    seventeen = of_each([0.01 * k for k in range(17)]).split("\n")[1]
    assert seventeen.startswith("  17 of 17 classes below 0.5: c0 0.000 (n = 20), c1 0.0100 (n = 20), ")
    assert seventeen.endswith("c9 0.0900 (n = 20) and 7 more")
    assert of_each([0.9, 0.7, 0.6, 0.8]).split("\n")[1] == (
        "  worst classes: c2 0.600 (n = 20), c1 0.700 (n = 20), c3 0.800 (n = 20)"
    )


def test_notes_of_other_numbers_are_left_out():
    own, other = (Quantity(0.4, "fraction", 20, notes=(note,)) for note in ("own note", "another"))
    cat = class_request("cat", (0,), "recall", at=OperatingPoint("probability", 0.3))
    parts = {cat.name: own, "each.recall": other}
    evidence = Measurement("classes", 0.9, "fraction", 40, parts=parts, notes=("a note on all",))
    demand = replace(CORRUPTION, request=cat, parts=())
    assert text_of(decide(demand, evidence)).split("\n")[2:] == ["  a note on all", "  own note"]


STEPS = "answers that one step alone changes, of 2,000"


def test_the_costliest_steps_of_a_pipeline_come_first():
    rows = (("phone", "jpeg", 70, 0.035), ("app", "resize", 85, 0.0425), ("app", "jpeg", 12, 0.006))
    quantity = Quantity(0.4, "fraction", 2000)
    evidence = Measurement(
        "parity",
        0.4,
        "fraction",
        2000,
        parts={"agreement@pipeline=app": quantity, "agreement@pipeline=web": quantity},
        tables={"steps": Table(("pipeline", "step", "images", "share"), rows, STEPS)},
    )
    demand = replace(CORRUPTION, parts=())
    app = replace(demand, request=served("app", "agreement"))
    assert text_of(decide(app, evidence)).split("\n")[1:] == [
        "  answers that one step alone changes, of 2,000: resize 85, jpeg 12",
        "  n = 2,000 images",
    ]
    web = replace(demand, request=served("web", "agreement"))
    assert text_of(decide(web, evidence)).split("\n")[1:] == ["  n = 2,000 images"]


def test_a_part_that_was_not_measured_is_no_pass():
    verdict = decide(FOG, corruption(0.6, snow=0.9))
    assert verdict.outcome == "unmeasurable"
    assert text_of(verdict) == (
        "corruption_robustness.fog could not be measured: "
        "corruption_robustness has no part 'fog' here. Measured: snow."
    )
    assert decide(FOG, corruption(0.6)).reason == (
        "corruption_robustness has no part 'fog' here. Measured: no parts."
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_pass(value):
    verdict = decide(CORRUPTION, corruption(value))
    assert verdict.outcome == "unmeasurable"
    assert verdict.reason == f"its value is {value}, which cannot be judged"


def test_missing_data():
    absent = Unmeasurable("object_focus", "the suite has no mixed_same set", missing_data=True)
    demand = replace(CORRUPTION, request=value("object_focus"))
    assert decide(demand, absent).outcome == "unmeasurable"
    verdict = decide(replace(demand, optional=True), absent)
    assert verdict.outcome == "skipped"
    assert text_of(verdict).startswith("object_focus was skipped: the suite has no mixed_same set")


def test_a_grade_without_letter_and_nothing_missing():
    evidence = replace(GRADE, letter=None, missing=())
    assert decide(LETTER, evidence).reason == "not graded"


@pytest.mark.parametrize("optional", [False, True])
def test_a_drop_without_baseline(optional):
    demand = replace(CORRUPTION, bound="max_drop", threshold=0.1, optional=optional)
    verdict = decide(demand, evidence_of(demand, corruption(0.6)))
    assert verdict.outcome == ("skipped" if optional else "unmeasurable")
    assert verdict.reason == (
        "there is no baseline to compare with. "
        "Name a record with --quba-baseline FILE.json (what-if: --baseline), or a model with --quba-reference"
    )


@pytest.mark.parametrize("slice_name", ["", "light=day"])
def test_a_drop_behind_a_pipeline_needs_the_value_in_front_of_it(slice_name):
    """Else an optional demand would be skipped where the model fails to have a value."""
    reason = Unmeasurable("classes", "no image is called cat")
    request = replace(class_request("cat", (0,), "precision"), pipeline="app", slice=slice_name)
    of_all = request.on_all_images
    light = SliceValues({"light=day": Quantity(0.5, "fraction", 100)})
    own = SliceValues(unmeasured={"light=day": reason})
    numbers = {of_all.name: Quantity(0.5, "fraction", 100, slices={"light": light})}
    unmeasured = {} if slice_name else {"cat.precision": reason}
    if slice_name:
        numbers["cat.precision"] = Quantity(0.5, "fraction", 100, slices={"light": own})
    evidence = Measurement("classes", 0.5, "fraction", 100, parts=numbers, unmeasured=unmeasured)
    demand = replace(CORRUPTION, request=request, bound="max_drop", threshold=0.1, optional=True)
    verdict = decide(demand, evidence_of(demand, evidence, lambda _: pytest.fail("there is no drop")))
    assert verdict.outcome == "unmeasurable"
    assert verdict.reason.endswith("no image is called cat")


@pytest.mark.parametrize("demand", [LETTER, SCORE])
def test_no_grade_is_no_pass(demand):
    evidence = Grade(
        None, None, None, "published", "released", complete=False, missing=("object_focus", "shape_bias")
    )
    verdict = decide(demand, evidence)
    assert verdict.outcome == "unmeasurable"
    assert text_of(verdict) == (
        f"{demand.target} could not be measured: not graded: missing object_focus, shape_bias"
    )


@pytest.mark.parametrize("value", [0.5, 0.501])
def test_a_value_close_to_the_bound_has_no_number_of_images(value):
    """A standard error of 0.02: a gap of 0.001 would take over 1,500 times the images."""
    assert text_of(decide(CORRUPTION, noisy(value, 0.02), Policy("fail"))).splitlines()[3] == (
        "  the value is too close to the bound to be decided by more images of this kind"
    )


def test_an_interval_of_nearly_the_whole_range_is_not_shown():
    strict = decide(CORRUPTION, noisy(0.51, 0.3), Policy("fail"))
    assert text_of(strict) == (
        "corruption_robustness 0.510 is not shown to be at least 0.500\n"
        "  n = 1,000 images\n"
        "  95 % interval: too few images (1,000)"
    )


def test_the_explanation_of_an_uncertain_demand():
    strict = decide(CORRUPTION, noisy(0.51, 0.02), Policy("fail", 0.9))
    assert text_of(strict) == (
        "corruption_robustness 0.510 is not shown to be at least 0.500\n"
        "  n = 1,000 images\n"
        "  90 % interval 0.477 to 0.543\n"
        "  about 11,000 images would be enough to decide (you have 1,000)"
    )
    versions = replace(noisy(0.51, 0.02), n=27_900, images=372)
    assert (
        "  n = 372 images\n"
        "  90 % interval 0.477 to 0.543\n"
        "  about 4,100 images would be enough to decide (you have 372)"
    ) in text_of(decide(CORRUPTION, versions, Policy("fail", 0.9)))
    lenient = decide(CORRUPTION, noisy(0.49, 0.02), Policy("allow"))
    assert text_of(lenient).startswith("corruption_robustness 0.490 is not shown to be below 0.500\n")
    above = decide(CALIBRATION, replace(noisy(0.012, 0.004), dimension="calibration_error"), Policy("fail"))
    assert text_of(above).startswith("calibration_error 0.0120 is not shown to be at most 0.0100\n")


def test_a_masked_value():
    evidence = replace(
        noisy(0.95, 0.02),
        masked=("FGSM helps the model",),
        notes=("masked: FGSM helps the model", "a remark"),
    )
    assert text_of(decide(CORRUPTION, evidence)) == (
        "corruption_robustness 0.950 is no evidence of robustness: FGSM helps the model\n"
        "  n = 1,000 images\n"
        "  allow_masked: true accepts masked values; the threshold then decides\n"
        "  a remark"
    )
    failed = text_of(decide(replace(CORRUPTION, allow_masked=True, threshold=0.99), evidence))
    assert failed.startswith("corruption_robustness 0.950 is below 0.990 (short by 0.040)\n")
    assert "  masked: FGSM helps the model\n" in failed


def test_a_grade_among_models_of_another_suite():
    graded = replace(GRADE, other_suite="published was measured on imagenet, this run on tiny")
    caveat = "  other suite: published was measured on imagenet, this run on tiny"
    assert caveat in text_of(decide(LETTER, graded))
    assert caveat in text_of(decide(SCORE, graded))


CONFUSIONS = Table(
    ("label", "predicted", "images", "share"),
    (
        ("shirt", "t-shirt", 31, 31 / 120),
        ("shirt", "coat", 9, 9 / 120),
        ("coat", "shirt", 5, 5 / 1100),
        ("t-shirt", "shirt", 2, 2 / 90),
    ),
)


def confused(demand, **parts):
    quantities = {name: Quantity(value, "fraction", 10) for name, value in parts.items()}
    tables = {"confusions": CONFUSIONS}
    evidence = Measurement(demand.dimension, 0.4, "ratio", 10, parts=quantities, tables=tables)
    lines = [line.strip() for line in text_of(decide(demand, evidence)).splitlines()]
    return [line.removeprefix("most confused: ") for line in lines if line.startswith("most confused: ")]


def test_the_three_largest_confusions_explain_a_failure():
    demand = replace(CORRUPTION, request=value("accuracy"), parts=())
    assert confused(demand) == [
        "shirt as t-shirt 31 (of 120), shirt as coat 9 (of 120), coat as shirt 5 (of 1,100)"
    ]
    assert (
        confused(replace(demand, request=on_slices("accuracy", "light=night")), **{"@slice=light=night": 0.1})
        == []
    )


@pytest.mark.parametrize("condition", [{"set": "fog"}, {"pipeline": "app"}])
def test_tables_of_clean_images_explain_no_value_under_conditions(condition):
    """Neither its confusions nor the temperature that fits them."""
    request = replace(value("accuracy"), **condition)
    assert confused(replace(CORRUPTION, request=request, parts=()), **{request.name: 0.1}) == []
    request = replace(value("calibration_error", better="low"), **condition)
    evidence = replace(advised(0.0075), parts={request.name: Quantity(0.02, "fraction", 100)})
    verdict = decide(replace(CALIBRATION, request=request), evidence)
    assert verdict.outcome == "fail"
    assert "temperature" not in text_of(verdict)


@pytest.mark.parametrize(
    ("target", "classes", "metric", "text"),
    [
        ("coat", (1,), "recall", "coat as shirt 5 (of 1,100)"),
        ("coat", (1,), "npv", "coat as shirt 5 (of 1,100)"),
        ("coat", (1,), "precision", "shirt as coat 9 (of 120)"),
        ("coat", (1,), "f1", "shirt as coat 9 (of 120), coat as shirt 5 (of 1,100)"),
        ("shirt|t-shirt", (0, 2), "recall", "shirt as coat 9 (of 120)"),
        ("shirt|t-shirt", (0, 2), "specificity", "coat as shirt 5 (of 1,100)"),
    ],
)
def test_confusions_of_one_class_explain_its_numbers(target, classes, metric, text):
    request = class_request(target, classes, metric)
    demand = replace(CORRUPTION, parts=(), request=request)
    assert confused(demand, **{request.name: 0.1}) == [text]
    for other in (replace(request, set="fog"), replace(request, at=OperatingPoint("probability", 0.3))):
        assert confused(replace(demand, request=other), **{other.name: 0.1}) == []


def test_the_largest_confusions_explain_a_number_of_all_classes():
    request = class_request("macro", (), "recall")
    demand = replace(CORRUPTION, parts=(), request=request)
    (text,) = confused(demand, **{request.name: 0.1})
    assert text.count(" as ") == 3


def test_other_tables_of_that_name_explain_nothing():
    custom = Measurement("mine", 0.4, "ratio", 10, tables={"confusions": Table(("a",), (("b",),))})
    assert "most confused" not in text_of(
        decide(replace(CORRUPTION, request=value("mine"), parts=()), custom)
    )


FLIPS = {
    "flips_by_class": Table(
        ("class", "images", "lost", "gained", "wrong_to_wrong"),
        (("cat", 120, 3, 9, 2), ("ape", 100, 5, 0, 1), ("bee", 90, 0, 1, 0), ("cow", 80, 0, 0, 1)),
    ),
    "flipped_images": Table(
        ("index", "kind", "label", "before", "after"),
        ((8, "lost", "cat", "cat", "ape"), (3, "gained", "cat", "bee", "cat")),
    ),
}


def of_parity(metric, *, on="clean", tables=FLIPS):
    request = parity_request(metric, on)
    demand = replace(CORRUPTION, parts=(), request=request)
    parts = {request.name: Quantity(0.1, "fraction", 390)}
    evidence = Measurement("parity", 0.1, "fraction", 390, parts=parts, tables=tables)
    return [line.strip() for line in text_of(decide(demand, evidence)).splitlines()[1:-1]]


def test_changed_answers_explain_a_failure():
    assert of_parity("agreement") == [
        "most changed answers: cat 14 (of 120), ape 6 (of 100), bee 1 (of 90)",
        "first images: 8 (cat → ape, label cat), 3 (bee → cat, label cat)",
    ]
    assert of_parity("negative_flips") == [
        "most lost answers: ape 5 (of 100), cat 3 (of 120)",
        "first images: 8 (cat → ape, label cat)",
    ]


def test_tables_of_clean_images_explain_no_other_set():
    assert of_parity("agreement", on="fog") == []
    assert of_parity("agreement", tables={}) == []


def test_no_lost_answer_has_no_line():
    gained = {
        "flips_by_class": Table(FLIPS["flips_by_class"].columns, (("bee", 90, 0, 1, 0),)),
        "flipped_images": Table(FLIPS["flipped_images"].columns, FLIPS["flipped_images"].rows[1:]),
    }
    assert of_parity("negative_flips", tables=gained) == []


def test_waivers():
    waiver = Waiver(until=date(2027, 1, 31), by="ann", reason="new data", limit=0.4)
    demand = replace(CORRUPTION, waiver=waiver)

    def lines(value):
        return text_of(decide(demand, corruption(value))).splitlines()[:2]

    assert lines(0.45) == [
        "corruption_robustness 0.450 is below 0.500 (short by 0.050)",
        "  waived until 2027-01-31 by ann: new data",
    ]
    assert lines(0.39) == [
        "corruption_robustness 0.390 is below 0.500 (short by 0.110)",
        "  worse than its waiver allows, 0.400: waived until 2027-01-31 by ann: new data",
    ]
    assert lines(0.55) == [
        "corruption_robustness 0.550 is at least 0.500, so it needs no waiver",
        "  remove 'waive': waived until 2027-01-31 by ann: new data",
    ]
    shown = {
        word: text_of(decide(demand, noisy(value, 0.02), Policy(word))).splitlines()[0]
        for word, value in (("fail", 0.51), ("allow", 0.49))
    }
    assert shown == {
        "fail": "corruption_robustness 0.510 is not shown to be at least 0.500",
        "allow": "corruption_robustness 0.490 is not shown to be below 0.500, so it needs no waiver",
    }
    letter = replace(LETTER, waiver=waiver.model_copy(update={"limit": "F"}))
    headline = text_of(decide(letter, replace(GRADE, letter="B"))).splitlines()[0]
    assert headline.startswith("quba.grade B is at least C, so it needs no waiver (")
