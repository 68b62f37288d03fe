"""classes: numbers of single classes, of the worst one and of all, and the reasons for no value."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from support.answers import answers, facts, reasons, values
from support.requests import class_request, confusion

from quba_check.core.measurement import Table
from quba_check.core.predictions import NO_CLASS, SliceColumn
from quba_check.core.request import CLASS_NUMBERS, EACH, MACRO, OperatingPoint
from quba_check.core.view import CLEAN, SEVERITIES, View
from quba_check.dimensions import measure_dimension, measure_slices, registry
from quba_check.stats.intervals import share_limits

CLASSES = registry["classes"]
NAMES = ("cat", "dog", "owl", "yak")
FACTS = facts(4, shifts=("night",), corruptions=("fog",), class_names=NAMES)
NIGHT = View("night", columns="probabilities")
AT = OperatingPoint("probability", 0.3)


def asking(*requests):
    return replace(FACTS, suite=replace(FACTS.suite, requests=requests))


def measured(label, predicted, *requests, probabilities=None, others=(), **more):
    tables = {CLEAN: answers(label, predicted, probabilities, **more), **dict(others)}
    return measure_dimension(CLASSES, tables, asking(*requests))


def test_rates_by_hand():
    """2 cats, one called dog; 2 dogs, one called owl; an owl called dog."""
    dog = [class_request("dog", (1,), metric) for metric in {*CLASS_NUMBERS} - {"confusion", "auroc"}]
    both = class_request("cat|dog", (0, 1), "recall")
    mistaken = confusion("cat", (0,), "dog|owl", (1, 2))
    outcome = measured([0, 0, 1, 1, 2], [0, 1, 1, 2, 1], *dog, both, mistaken)
    assert values(outcome) == {
        "dog.recall": 1 / 2,
        "dog.specificity": 1 / 3,
        "dog.precision": 1 / 3,
        "dog.npv": 1 / 2,
        "dog.f1": 2 / 5,
        "cat|dog.recall": 3 / 4,
        "not_as.cat.dog|owl": 1 / 2,
    }
    images = {"recall": 2, "specificity": 3, "precision": 3, "npv": 2, "f1": 4}
    assert {name: outcome.parts[f"dog.{name}"].n for name in images} == images
    assert [outcome.parts[request.name].n for request in (both, mistaken)] == [4, 2]


def test_names_of_parts():
    night = OperatingPoint("specificity", 0.9, "night")
    requests = (
        class_request("dog", (1,), "recall", at=AT),
        class_request("dog", (1,), "recall", "fog"),
        class_request("dog", (1,), "precision", prevalence=0.02),
        class_request("dog", (1,), "recall", "fog", night),
        class_request(EACH, (), "recall"),
        confusion("cat", (0,), "dog", (1,)),
    )
    parts = CLASSES.parts(asking(*requests).suite)
    assert [(part.name, part.better) for part in parts] == [
        ("dog.recall@probability=0.3", "high"),
        ("dog.recall@set=fog", "high"),
        ("dog.precision@prevalence=0.02", "high"),
        ("dog.recall@specificity=0.9,from=night,set=fog", "high"),
        ("each.recall", "high"),
        ("not_as.cat.dog", "low"),
    ]


def test_value_is_the_mean_recall_of_the_classes_with_images():
    outcome = measured([0, 0, 1, NO_CLASS], [0, 1, 1, 0])
    assert outcome.value == (1 / 2 + 1) / 2
    assert outcome.interval[0] < outcome.value < outcome.interval[1]


def test_few_failures_have_exact_limits():
    """49 of 50 cats are called cat."""
    outcome = measured([0] * 50 + [1], [0] * 49 + [1, 1], class_request("cat", (0,), "recall"))
    part = outcome.parts["cat.recall"]
    assert part.value == 49 / 50
    low, high = share_limits(49, 50, np.array([-2.0, 2.0]))
    assert (part.curve.at(-2), part.curve.at(2)) == pytest.approx((low, high))


def test_a_class_without_images_has_a_reason():
    requests = [class_request("yak", (3,), metric) for metric in ("recall", "precision", "f1", "auroc")]
    requests += [class_request("yak", (3,), "precision", prevalence=0.1)]
    outcome = measured([0, 1], [0, 1], *requests)
    assert outcome.parts == {}
    assert reasons(outcome) == {
        "yak.recall": "no image of the set clean is of yak",
        "yak.precision": "no image of the set clean is called yak",
        "yak.f1": "no image of the set clean is of yak",
        "yak.auroc": "no image of the set clean is of yak",
        "yak.precision@prevalence=0.1": "no image of the set clean is of yak",
    }
    assert all(one.missing_data for one in outcome.unmeasured.values())


def test_a_class_that_is_never_predicted_is_no_lack_of_data():
    """Else an optional demand on its precision, or on a drop of it, would be skipped."""
    requests = [class_request("dog", (1,), "precision", prevalence=one) for one in (None, 0.1)]
    outcome = measured([0, 1, 1], [0, 0, 2], *requests)
    assert [(one.reason, one.missing_data) for one in outcome.unmeasured.values()] == [
        ("no image of the set clean is called dog", False)
    ] * 2


DOGS = [0.9, 0.4, 0.3, 0.1]
"""Probability of a dog: two dogs, then two cats."""
TABLE = [[1 - p - 0.01, p, 0.01, 0] for p in DOGS]


def test_an_image_is_called_a_class_from_a_probability_on():
    requests = [class_request("dog", (1,), metric, at=AT) for metric in ("recall", "specificity", "f1")]
    requests += [class_request("dog|owl", (1, 2), "specificity", at=OperatingPoint("probability", 0.31))]
    outcome = measured([1, 1, 0, 0], [1, 0, 0, 0], *requests, probabilities=TABLE)
    assert [part.value for part in outcome.parts.values()] == [1, 1 / 2, 4 / 5, 1 / 2]
    assert outcome.tables["operating_points"].rows == (
        ("dog", "clean", "probability 0.3", 0.3, 1.0, 0.5),
        ("dog|owl", "clean", "probability 0.31", 0.31, 1.0, 0.5),
    )
    assert len(outcome.tables["roc.dog"].rows) == 4


def test_auroc():
    request = class_request("dog", (1,), "auroc")
    part = measured([1, 0, 1, 0], [1, 0, 0, 0], request, probabilities=TABLE).parts["dog.auroc"]
    assert (part.value, part.n) == (3 / 4, 4)


def test_an_image_with_several_right_classes():
    """It counts as the predicted one if that is right, else as the first one."""
    acceptable = np.array([[0, 1], [0, NO_CLASS], [1, NO_CLASS]])
    requests = [class_request("dog", (1,), "recall"), class_request("dog", (1,), "recall", at=AT)]
    requests += [class_request("cat", (0,), "recall")]
    parts = measured([0, 0, 1], [1, 0, 0], *requests, probabilities=TABLE[1:], acceptable=acceptable).parts
    assert [part.value for part in parts.values()] == [1 / 2, 1 / 2, 1]
    assert [part.n for part in parts.values()] == [2, 2, 1]


def night(**more):
    """Two dogs and two cats; half of the cats have a probability below 0.3 of a dog."""
    return answers([1, 1, 0, 0], [1, 1, 0, 1], [[1 - p, p, 0, 0] for p in (0.95, 0.4, 0.2, 0.6)], **more)


@pytest.mark.parametrize(("rule", "level", "threshold"), [("specificity", 0.5, 0.4), ("recall", 0.5, 0.95)])
def test_a_threshold_chosen_on_another_set(rule, level, threshold):
    request = class_request("dog", (1,), "recall", at=OperatingPoint(rule, level, "night"))
    outcome = measured([1, 1, 0, 0], [1] * 4, request, probabilities=TABLE, others={NIGHT: night()})
    assert outcome.parts[request.name].value == np.mean(np.array(DOGS[:2]) >= threshold)
    ((*_, rule_text, stored, _, _),) = outcome.tables["operating_points"].rows
    assert (rule_text, stored) == (f"{rule} {level:g} on night", pytest.approx(threshold))
    note = f"dog@{rule}=0.5,from=night: the chosen threshold is a probability of {threshold:g}"
    assert outcome.parts[request.name].notes == (note,)


def test_thresholds_that_cannot_be_chosen():
    missing = class_request("owl", (2,), "precision", at=OperatingPoint("recall", 0.9, "night"))
    unreached = class_request("cat", (0,), "precision", at=OperatingPoint("specificity", 1, "night"))
    shared = class_request("dog", (1,), "precision", at=OperatingPoint("recall", 0.9, "night"))
    best_dog = answers([1, 0], [1, 0], [[1, 0, 0, 0], [0.2, 0.8, 0, 0]])
    outcome = measured([1, 0], [1, 0], missing, unreached, probabilities=TABLE[:2], others={NIGHT: best_dog})
    assert reasons(outcome) == {
        missing.name: "no image of the set night is of owl",
        unreached.name: "no probability of cat on the set night has a specificity of 1",
    }
    group = np.array([1, 2, 3, 4])
    others = {NIGHT: night(group=group + 3)}
    outcome = measured([1, 1, 0, 0], [1] * 4, shared, probabilities=TABLE, others=others, group=group)
    assert reasons(outcome) == {
        shared.name: "its threshold would be chosen on the set night, which has images of the same groups"
    }


def test_precision_for_a_prevalence():
    """Recall 1/2, and 1/3 of the others are called dog."""
    precision = class_request("dog", (1,), "precision", prevalence=0.1)
    npv = class_request("dog", (1,), "npv", prevalence=0.1)
    parts = measured([0, 0, 1, 1, 2], [0, 1, 1, 2, 0], precision, npv).parts
    assert parts[precision.name].value == pytest.approx(0.05 / (0.05 + 0.3))
    assert parts[npv.name].value == pytest.approx(0.6 / (0.6 + 0.05))
    assert all(part.interval[0] < part.value < part.interval[1] for part in parts.values())


def test_each_is_the_worst_class():
    """Recall 3/4, 1/2, 1, 1 of four images each; the curve has the worst value at the score 0."""
    label = np.repeat(range(4), 4)
    predicted = [0, 0, 0, 1, 1, 1, 2, 2, *[2] * 4, *[3] * 4]
    requests = [class_request(EACH, (), metric) for metric in ("recall", "precision", "f1", "specificity")]
    outcome = measured(label, predicted, *requests)
    worst = {"each.recall": 1 / 2, "each.precision": 2 / 3, "each.f1": 4 / 7, "each.specificity": 10 / 12}
    assert values(outcome) == worst
    assert {name: part.curve.at(0) for name, part in outcome.parts.items()} == pytest.approx(worst, abs=1e-15)
    assert outcome.tables["each.recall"] == Table(
        ("class", "images", "value"), (("cat", 4, 0.75), ("dog", 4, 0.5), ("owl", 4, 1.0), ("yak", 4, 1.0))
    )


def test_limits_of_each_hold_for_all_classes():
    label = np.repeat(range(4), 50)
    predicted = np.where(np.arange(200) % 50 < 40, label, (label + 1) % 4)
    curve = measured(label, predicted, class_request(EACH, (), "recall")).parts["each.recall"].curve
    alone = share_limits(40, 50, np.array([-2.0, 2.0, 2.5308]))  # the tail of 2, divided by 4
    assert curve.at(-2) == pytest.approx(alone[0])
    assert curve.at(2) == pytest.approx(alone[2], abs=1e-4)


def test_a_class_without_images_makes_all_unmeasurable():
    each = class_request(EACH, (), "precision")
    mean = class_request(MACRO, (), "recall")
    outcome = measured([0, 1], [0, 1], each, mean)
    reason = "no image of the set clean is of owl, yak"
    assert reasons(outcome) == {"each.precision": reason, "macro.recall": reason}


def test_a_class_that_is_never_predicted_counts_as_zero():
    each = class_request(EACH, (), "precision")
    mean = class_request(MACRO, (), "f1")
    outcome = measured([0, 1, 2, 3], [0, 1, 2, 2], each, mean)
    assert outcome.parts["each.precision"].value == 0
    assert outcome.parts["each.precision"].interval == pytest.approx((0, 0.989), abs=0.01)
    assert outcome.parts["macro.f1"].value == pytest.approx((1 + 1 + 2 / 3) / 4)
    assert [part.notes for part in outcome.parts.values()] == [
        ("each.precision: classes that are never predicted count as 0: yak",),
        ("macro.f1: classes that are never predicted count as 0: yak",),
    ]


def test_groups_of_images():
    """All images of a group have the same answer: 20 groups of 10 images in each class."""
    label = np.repeat([0, 1, 2, 3], 200)
    group = np.arange(800) // 10
    predicted = np.where(group % 10 < 8, label, (label + 1) % 4)
    requests = (
        class_request(EACH, (), "recall"),
        class_request(MACRO, (), "recall"),
        class_request("cat", (0,), "f1"),
    )
    once = measured(label, predicted, *requests)
    grouped = measured(label, predicted, *requests, group=group)
    for name, part in grouped.parts.items():
        assert part.curve.interval(0.8)[0] < once.parts[name].curve.interval(0.8)[0]
    low = share_limits(16, 20, np.array([-2.0]))
    assert grouped.parts["each.recall"].curve.at(-2) == pytest.approx(low[0], abs=0.03)
    assert grouped.parts["each.recall"].sample.groups == 20
    assert grouped.parts["macro.recall"].sample.groups == 80
    few = measured(label, predicted, class_request(EACH, (), "recall"), group=np.arange(800) // 50)
    assert (few.parts["each.recall"].sample.groups, few.parts["each.recall"].curve) == (4, None)


@pytest.mark.parametrize("right", [0.8, 1.0])
def test_a_class_of_few_groups_has_no_interval(right):
    """Of 30 patients, five have images of the class; AUROC needs groups of both sides."""
    group = np.arange(600) // 20
    label = np.repeat([0, 1], [100, 500])
    predicted = np.where(np.arange(600) % 20 < 20 * right, label, 1 - label)
    table = np.stack([predicted == 0, predicted == 1, *np.zeros((2, 600))], axis=1)
    requests = [class_request("cat", (0,), metric) for metric in ("recall", "specificity", "auroc")]
    parts = measured(label, predicted, *requests, probabilities=table, group=group).parts
    assert [part.sample.groups for part in parts.values()] == [5, 25, 5]
    assert [part.curve is None for part in parts.values()] == [True, False, True]
    of_all = measured(label, predicted, *requests, probabilities=table, group=np.arange(600) // 10).parts
    assert [part.sample.groups for part in of_all.values()] == [10, 50, 10]
    assert all(part.curve is not None for part in of_all.values())


def test_the_table_of_classes_has_the_limits_of_the_demands():
    group = np.arange(800) // 10
    label = np.repeat([0, 1, 2, 3], [240, 240, 240, 80])
    predicted = np.where(group % 10 < 8, label, (label + 1) % 4)
    requests = [
        class_request(name, (k,), rate) for k, name in enumerate(NAMES) for rate in ("recall", "precision")
    ]
    outcome = measured(label, predicted, *requests, group=group)
    for name, _, *rates, _ in outcome.tables["classes"].rows:
        for metric, (value, low, high) in zip(("recall", "precision"), (rates[:3], rates[3:]), strict=True):
            part = outcome.parts[f"{name}.{metric}"]
            assert value == part.value
            if part.interval is None:
                assert (part.sample.groups, low, high) == (8, "", "")
            else:
                assert (low, high) == pytest.approx(part.interval, abs=1e-3)
    once = measured(label, predicted).tables["classes"].rows[0]
    assert outcome.tables["classes"].rows[0][3] < once[3] - 0.02
    assert outcome.tables["classes"].rows[3][3:5] == ("", "")


@pytest.mark.parametrize("metric", ["recall", "precision", "f1", "specificity"])
def test_each_class_counts_groups_as_the_class_alone(metric):
    rng = np.random.default_rng(0)
    group = np.arange(400) // 4
    label = np.repeat(rng.integers(0, 4, 100), 4)
    predicted = np.where(np.repeat(rng.random(100) < 0.6, 4), label, rng.integers(0, 4, 400))
    one = [class_request(name, (k,), metric) for k, name in enumerate(NAMES)]
    parts = measured(label, predicted, class_request(EACH, (), metric), *one, group=group).parts
    lowest = min(parts[request.name].curve.at(-2) for request in one)
    assert parts[f"each.{metric}"].curve.at(-2) == pytest.approx(lowest, abs=0.02)


def test_memory_does_not_grow_with_images_times_classes():
    """2,000 classes and 10,000 images: a number for each pair would take 160 MB."""
    label = np.arange(10_000) % 2_000
    predicted = np.where(np.arange(10_000) % 7, label, (label + 1) % 2_000)
    requests = [class_request(EACH, (), metric) for metric in ("recall", "specificity", "precision", "f1")]
    requests += [class_request(MACRO, (), metric) for metric in ("recall", "precision", "f1")]
    tables = {CLEAN: answers(label, predicted)}
    known = facts(2_000, requests=tuple(requests))
    tracemalloc.start()
    try:
        CLASSES.measure(tables, known)
        assert tracemalloc.get_traced_memory()[1] < 2e7
    finally:
        tracemalloc.stop()


def test_the_largest_confusions_of_many_classes():
    label = np.arange(600) % 60
    table = answers(label, (label + 1 + np.arange(600) // 60) % 60)
    outcome = CLASSES.measure({CLEAN: table}, facts(60))
    assert len(outcome.tables["confusions"].rows) == 100


def test_views_ask_for_probabilities_where_they_are_needed():
    on_fog = class_request("dog", (1,), "recall", "fog")
    chosen = class_request("dog", (1,), "recall", at=OperatingPoint("recall", 0.9, "night"))
    views = CLASSES.views(asking(on_fog, chosen).suite)
    assert views == (CLEAN, *(View("corruptions", "fog", severity) for severity in SEVERITIES), NIGHT)
    assert CLASSES.views(asking(replace(chosen, at=None, set="night")).suite)[1] == View("night")


def test_slices_are_of_the_value_alone():
    """A requested set without slices, and a reason for a missing class, do no harm."""
    known = asking(class_request("dog", (1,), "recall", "night"), class_request("yak", (3,), "recall"))
    tables = {CLEAN: answers([0, 0, 1, 1], [0, 0, 1, 0]), View("night"): night()}
    column = SliceColumn(("day", "dusk"), np.array([0, 1, 0, 1]))
    slices = {CLEAN: {"light": column}, View("night"): {}}
    whole = measure_dimension(CLASSES, tables, known)
    outcome = measure_slices(CLASSES, whole, tables, slices, known)
    assert [one.value for one in outcome.slices["light"].values.values()] == [1, 1 / 2]
    assert reasons(outcome) == {"yak.recall": "no image of the set clean is of yak"}
