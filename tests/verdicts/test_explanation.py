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
from support.requests import class_request, parity_request, served, value
from syrupy.assertion import SnapshotAssertion

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.dimension import Part
from quba_check.core.grade import Grade
from quba_check.core.measurement import Drop, Measurement, Quantity, Sample, SliceValues, Table, Unmeasurable
from quba_check.core.request import OperatingPoint, Request
from quba_check.demands import Demand
from quba_check.demands.demand import Policy
from quba_check.records.verdict import Waiver
from quba_check.verdicts import Verdict, decide
from quba_check.verdicts.evidence import evidence_of
from quba_check.verdicts.explanation import explanation


def text_of(verdict: Verdict) -> str:
    """Return the explanation without its last line, which names the place of the demand."""
    text, _, place = explanation(verdict).text.rpartition("\n")
    assert place == f"  demanded by {verdict.demand.source_line}"
    return text


def demanded(request: Request) -> Demand:
    """A demand of at least 0.5 on another number, without parts."""
    return replace(CORRUPTION, request=request, parts=())


FOG = demanded(value("corruption_robustness", "fog", unit="ratio"))
WEIGHTS = replace(
    PARAMETERS,
    request=value("size", unit="megabytes", better="low"),
    bound=5.0,
    parts=(Part("file", "megabytes", "low", ""),),
)
TOP5 = replace(
    CORRUPTION, request=value("accuracy"), bound=0.8, parts=(Part("top5", "fraction", "high", ""),)
)
LOST = Drop(0.03, "fraction", 50, before=0.02, after=0.05, baseline="base.json", paired=True)
SIZE = Measurement("size", 7.1, "megabytes", None, parts={"file": Quantity(7.2, "megabytes", None)})
FIVE = Measurement("accuracy", 0.6, "fraction", 50, parts={"top5": Quantity(0.9, "fraction", 50)})
DROP = replace(CORRUPTION, key="max_drop", bound=0.1)
FOCUS = replace(CORRUPTION, request=value("object_focus"))
ABSENT = Unmeasurable("object_focus", "the suite has no mixed_same set", missing_data=True)
UNGRADED = Grade(
    None, None, None, "published", "released", complete=False, missing=("object_focus", "shape_bias")
)
OTHER_SUITE = replace(GRADE, other_suite="published was measured on imagenet, this run on tiny")
TOO_HIGH = Measurement(
    "calibration_error",
    0.0213,
    "fraction",
    50_000,
    curve=ConfidenceCurve(tuple(0.02125 + score * 0.00125 / 1.959964 for score in SCORES)),
    parts={"ece": Quantity(0.1, "fraction", 1), "ace": Quantity(0.0045, "fraction", 1)},
    notes=("masked: no",),
)
CALIBRATION_PARTS = (Part("ece", "fraction", "low", ""), Part("ace", "fraction", "low", ""))
MASKED = replace(
    noisy(0.95, 0.02), masked=("FGSM helps the model",), notes=("masked: FGSM helps the model", "a remark")
)
WAIVER = Waiver(until=date(2027, 1, 31), by="ann", reason="new data", bound=0.4)
WAIVED = replace(CORRUPTION, waiver=WAIVER)


def of_each(recalls: list[float]) -> Verdict:
    """A bound of 0.5 on the worst class, from the recall of each."""
    table = Table(("class", "images", "value"), tuple((f"c{k}", 20, one) for k, one in enumerate(recalls)))
    parts = {
        "each.recall": Quantity(min(recalls), "fraction", 400),
        "cat.recall@probability=0.3": Quantity(0.4, "fraction", 20),
    }
    evidence = Measurement("classes", 0.6, "fraction", 400, parts=parts, tables={"each.recall": table})
    return decide(demanded(class_request("each", (), "recall")), evidence)


def with_other_notes() -> Verdict:
    own, other = (Quantity(0.4, "fraction", 20, notes=(note,)) for note in ("own note", "another"))
    cat = class_request("cat", (0,), "recall", at=OperatingPoint("probability", 0.3))
    parts = {cat.name: own, "each.recall": other}
    evidence = Measurement("classes", 0.9, "fraction", 40, parts=parts, notes=("a note on all",))
    return decide(demanded(cat), evidence)


def behind(pipeline: str) -> Verdict:
    """The agreement behind a pipeline, of which `app` has steps that change answers."""
    rows = (("phone", "jpeg", 70, 0.035), ("app", "resize", 85, 0.0425), ("app", "jpeg", 12, 0.006))
    note = "answers that one step alone changes, of 2,000"
    request = served(pipeline, "agreement")
    parts = {request.name: Quantity(0.4, "fraction", 2000)}
    tables = {"steps": Table(("pipeline", "step", "images", "share"), rows, note)}
    return decide(demanded(request), Measurement("parity", 0.4, "fraction", 2000, parts=parts, tables=tables))


def advised(value: float, note: str = "", interval: tuple[float | str, ...] = (0.006, 0.009)) -> Measurement:
    """Return a calibration error of 0.02 that is `value` on held-out halves, or a reason for no advice."""
    rows = (("calibration_error", value, *interval), ("ece", 0.0125, "", ""))
    tables = {"temperature": Table(("temperature",), () if note else ((2.71828,),), note)}
    if not note:
        tables["held_out"] = Table(("name", "value", "lower", "upper"), rows)
    parts = {"ece": Quantity(0.02, "fraction", 100)}
    return Measurement("calibration_error", 0.02, "fraction", 100, parts=parts, tables=tables)


ECE = replace(CALIBRATION, request=value("calibration_error", "ece", better="low"))
CONFUSIONS = Table(
    ("label", "predicted", "images", "share"),
    (
        ("shirt", "t-shirt", 31, 31 / 120),
        ("shirt", "coat", 9, 9 / 120),
        ("coat", "shirt", 5, 5 / 1100),
        ("t-shirt", "shirt", 2, 2 / 90),
    ),
)


def confused(request: Request, table: Table = CONFUSIONS) -> Verdict:
    """A failure of a number, with the confusions of all clean images."""
    parts = {request.name: Quantity(0.1, "fraction", 10)}
    return decide(
        demanded(request),
        Measurement(request.dimension, 0.4, "ratio", 10, parts=parts, tables={"confusions": table}),
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
GAINED = {
    "flips_by_class": replace(FLIPS["flips_by_class"], rows=(("bee", 90, 0, 1, 0),)),
    "flipped_images": replace(FLIPS["flipped_images"], rows=FLIPS["flipped_images"].rows[1:]),
}


def of_parity(metric: str, *, on: str = "clean", tables: dict[str, Table] = FLIPS) -> Verdict:
    request = parity_request(metric, on)
    parts = {request.name: Quantity(0.1, "fraction", 390)}
    return decide(demanded(request), Measurement("parity", 0.1, "fraction", 390, parts=parts, tables=tables))


CASES = {
    "a lower bound that is met": decide(CORRUPTION, corruption(0.5)),
    "an upper bound that is met": decide(PARAMETERS, parameters(5.3)),
    "a letter that is reached": decide(LETTER, replace(GRADE, letter="B")),
    "an equal part and a foreign one are not worse": decide(
        CORRUPTION, corruption(0.412, fog=0.412, snow=0.3, frost=0.41, other=0.1)
    ),
    "a close miss, and the three worst parts": decide(
        CORRUPTION, corruption(0.4999996, fog=0.1, snow=0.3, frost=0.41, glass_blur=0.2)
    ),
    "an upper bound that is missed": decide(PARAMETERS, parameters(25.557)),
    "a file is no worse part": decide(WEIGHTS, SIZE),
    "five classes hold the label at least as often as one": decide(TOP5, FIVE),
    "a part": decide(FOG, corruption(0.6, fog=0.4, snow=0.1)),
    "a worsening": decide(replace(CALIBRATION, key="max_drop", bound=0.01), LOST),
    "a letter that is missed": decide(LETTER, replace(GRADE, notes=("cross-protocol: flops",))),
    "a score": decide(SCORE, GRADE),
    "optional is about missing data alone": decide(
        replace(CORRUPTION, optional=True),
        Unmeasurable("corruption_robustness", "no image is right when clean"),
    ),
    "a value with an interval that is too high": decide(
        replace(CALIBRATION, parts=CALIBRATION_PARTS), TOO_HIGH
    ),
    "a temperature that passes": decide(CALIBRATION, advised(0.0075)),
    "a temperature that is not enough": decide(CALIBRATION, advised(0.0175, interval=("", ""))),
    "a temperature that is not shown to be enough": replace(
        decide(CALIBRATION, advised(0.0075, interval=(0.006, 0.011)), Policy("fail")), outcome="fail"
    ),
    "a temperature for a part": decide(ECE, advised(0.0075)),
    "no temperature": decide(CALIBRATION, advised(0, "all are right")),
    "no temperature for a pass": replace(decide(CALIBRATION, advised(0.0075)), outcome="pass"),
    "the classes that miss a bound": of_each([0.4, 0.9, 0.1]),
    "the worst ten of seventeen": of_each([0.01 * k for k in range(17)]),
    "classes that meet a bound": of_each([0.9, 0.7, 0.6, 0.8]),
    "notes of other numbers are left out": with_other_notes(),
    "the costliest steps of a pipeline": behind("app"),
    "no steps of another pipeline": behind("web"),
    "a part that was not measured": decide(FOG, corruption(0.6, snow=0.9)),
    "no part was measured": decide(FOG, corruption(0.6)),
    "missing data": decide(FOCUS, ABSENT),
    "missing data of an optional demand": decide(replace(FOCUS, optional=True), ABSENT),
    "a grade without a letter": decide(LETTER, replace(GRADE, letter=None, missing=())),
    "no letter": decide(LETTER, UNGRADED),
    "no score": decide(SCORE, UNGRADED),
    "a drop without a baseline": decide(DROP, evidence_of(DROP, corruption(0.6))),
    "an optional one": decide(replace(DROP, optional=True), evidence_of(DROP, corruption(0.6))),
    "a value at the bound": decide(CORRUPTION, noisy(0.5, 0.02), Policy("fail")),
    # A gap of 0.001 with a standard error of 0.02 would take over 1,500 times the images.
    "a value close to the bound": decide(CORRUPTION, noisy(0.501, 0.02), Policy("fail")),
    "an interval of nearly the whole range": decide(CORRUPTION, noisy(0.51, 0.3), Policy("fail")),
    "not shown to be met": decide(CORRUPTION, noisy(0.51, 0.02), Policy("fail", 0.9)),
    "versions of images": decide(
        CORRUPTION, replace(noisy(0.51, 0.02), n=27_900, sample=Sample(372)), Policy("fail", 0.9)
    ),
    "not shown to be missed": decide(CORRUPTION, noisy(0.49, 0.02), Policy("allow")),
    "an upper bound that is not shown to be met": decide(
        CALIBRATION, replace(noisy(0.012, 0.004), dimension="calibration_error"), Policy("fail")
    ),
    "a masked value": decide(CORRUPTION, MASKED),
    "an allowed one": decide(replace(CORRUPTION, allow_masked=True, bound=0.99), MASKED),
    "a letter among models of another suite": decide(LETTER, OTHER_SUITE),
    "a score among models of another suite": decide(SCORE, OTHER_SUITE),
    "the three largest confusions": confused(value("accuracy")),
    "confusions of all classes": confused(class_request("macro", (), "recall")),
    **{
        f"confusions of {metric} of {target}": confused(class_request(target, classes, metric))
        for target, classes, metric in (
            *(("coat", (1,), metric) for metric in ("recall", "npv", "precision", "f1")),
            *(("shirt|t-shirt", (0, 2), metric) for metric in ("recall", "specificity")),
        )
    },
    "changed answers": of_parity("agreement"),
    "lost answers": of_parity("negative_flips"),
    "no lost answer": of_parity("negative_flips", tables=GAINED),
    "waived": decide(WAIVED, corruption(0.45)),
    "worse than a waiver allows": decide(WAIVED, corruption(0.39)),
    "no waiver is needed": decide(WAIVED, corruption(0.55)),
    "waived within the noise": decide(WAIVED, noisy(0.51, 0.02), Policy("fail")),
    "no waiver is needed within the noise": decide(WAIVED, noisy(0.49, 0.02), Policy("allow")),
    "no waiver is needed for a letter": decide(
        replace(LETTER, waiver=WAIVER.model_copy(update={"bound": "F"})), replace(GRADE, letter="B")
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_texts(name: str, snapshot: SnapshotAssertion) -> None:
    assert f"{CASES[name].outcome}: {text_of(CASES[name])}" == snapshot


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_pass(number: float) -> None:
    verdict = decide(CORRUPTION, corruption(number))
    assert verdict.outcome == "unmeasurable"
    assert verdict.reason == f"its value is {number}, which cannot be judged"


@pytest.mark.parametrize("slice_name", ["", "light=day"])
def test_a_drop_behind_a_pipeline_needs_the_value_in_front_of_it(slice_name: str) -> None:
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
    demand = replace(CORRUPTION, request=request, key="max_drop", bound=0.1, optional=True)
    verdict = decide(demand, evidence_of(demand, evidence, lambda _: pytest.fail("there is no drop")))
    assert verdict.outcome == "unmeasurable"
    assert verdict.reason.endswith("no image is called cat")


COAT = class_request("coat", (1,), "recall")
OTHERS = {"set": "fog"}, {"pipeline": "app"}, {"slice": "light=night"}


@pytest.mark.parametrize(
    "request_",
    [
        *(replace(value("accuracy"), **condition) for condition in OTHERS),
        replace(COAT, set="fog"),
        replace(COAT, at=OperatingPoint("probability", 0.3)),
    ],
    ids=lambda request: f"{request.dimension}{request.conditions}{request.slice}",
)
def test_tables_of_clean_images_explain_no_value_under_conditions(request_: Request) -> None:
    assert "most confused" not in text_of(confused(request_))


@pytest.mark.parametrize("condition", OTHERS[:2])
def test_a_temperature_is_not_for_a_value_under_conditions(condition: dict[str, str]) -> None:
    request = replace(value("calibration_error", better="low"), **condition)
    evidence = replace(advised(0.0075), parts={request.name: Quantity(0.02, "fraction", 100)})
    verdict = decide(replace(CALIBRATION, request=request), evidence)
    assert verdict.outcome == "fail"
    assert "temperature" not in text_of(verdict)


def test_other_tables_of_a_name_explain_nothing() -> None:
    assert "most confused" not in text_of(confused(value("mine"), Table(("a",), (("b",),))))
    for verdict in (of_parity("agreement", on="fog"), of_parity("agreement", tables={})):
        assert len(text_of(verdict).splitlines()) == 2


@pytest.mark.parametrize(
    ("metric", "areas", "named"),
    [
        ("", {"near": 0.4}, "near"),  # of one set, whose value is the whole
        ("", {"far": 0.6, "near": 0.2}, "near"),
        ("far_fpr95", {"far": 0.6, "near": 0.2}, "far"),
    ],
)
def test_the_images_of_unknown_detection_are_those_of_a_set(
    metric: str, areas: dict[str, float], named: str
) -> None:
    parts = {name: Quantity(area, "fraction", 10) for name, area in areas.items()}
    parts |= {f"{name}_fpr95": Quantity(0.1, "fraction", 10) for name in areas}
    measured = Measurement("unknown_detection", 0.4, "fraction", 20, parts=parts)
    of_sets = tuple(Part(name, "fraction", "high", "", name) for name in areas)
    request = value("unknown_detection", metric)
    if metric:
        request = replace(request, number=replace(request.number, set="far"))
    demand = replace(demanded(request), parts=() if metric else of_sets)
    assert explanation(decide(demand, measured)).images == {"set": named}
