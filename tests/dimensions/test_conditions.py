"""Numbers under conditions, next to scikit-learn, pandas and the same dimension on other images."""

from dataclasses import fields, replace
from fractions import Fraction
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn import metrics
from support.answers import answers, column, facts, reason, reasons
from support.requests import OF_THE_NUMBER, answer_request, class_request, parity_request, value

from quba_check.core.facts import DecidedSet
from quba_check.core.measurement import Measurement, Quantity, Sample
from quba_check.core.predictions import Predictions, joined
from quba_check.core.request import ANSWER_NUMBERS, EACH, OperatingPoint, Request, Rule
from quba_check.core.serving import ServingPipeline
from quba_check.core.view import SEVERITIES
from quba_check.demands.schema import CONDITIONS
from quba_check.dimensions import measure_dimension, registry

CLASSES = 4
NAMES = ("cat", "dog", "owl", "yak")
DECIDED = {
    "by_mean": DecidedSet("night", "mean"),
    "by_majority": DecidedSet("night", "majority"),
    "by_any": DecidedSet("night", "any", 1),
    "foggy": DecidedSet("fog", "mean"),
}
SETS: dict[str, Any] = {
    "shifts": ("night",),
    "corruptions": ("fog",),
    "unknown": ("birds",),
    "other": ("tuning",),
    "decided": DECIDED,
    "class_names": NAMES,
}
FOG = [f"corruptions/fog/{severity}" for severity in SEVERITIES]


def images(n: int, seed: int, label: NDArray[np.int64] | None = None, **columns: Any) -> Predictions:
    """Random answers, right for about two thirds."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, CLASSES, n) if label is None else label
    weights = rng.gamma(0.6, size=(n, CLASSES)) + 1.2 * np.eye(CLASSES)[np.maximum(label, 0)]
    return answers(label, None, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32), **columns)


def measured(name: str, tables: dict[str, Predictions], *requests: Request, **known: Any) -> Measurement:
    """Measure a dimension; tables by the names of their views."""
    about = facts(CLASSES, **SETS, **known, requests=requests)
    views = registry[name].views(about.suite)
    return measure_dimension(registry[name], {view: tables[str(view)] for view in views}, about)


def part(name: str, tables: dict[str, Predictions], request: Request) -> Quantity:
    outcome = measured(name, tables, request)
    assert not outcome.unmeasured, reasons(outcome)
    return outcome.parts[request.name]


RATES = {
    "recall": lambda is_of, score, called: metrics.recall_score(is_of, called),
    "specificity": lambda is_of, score, called: metrics.recall_score(~is_of, ~called),
    "precision": lambda is_of, score, called: metrics.precision_score(is_of, called),
    "npv": lambda is_of, score, called: metrics.precision_score(~is_of, ~called),
    "f1": lambda is_of, score, called: metrics.f1_score(is_of, called),
    "auroc": lambda is_of, score, called: metrics.roc_auc_score(is_of, score),
}


UNDER_A_CONDITION: dict[str, Request] = {
    "set": class_request("dog", (1,), "recall", "fog"),
    "pipeline": replace(class_request("dog", (1,), "recall"), pipeline="app"),
    "at": class_request("dog", (1,), "recall", at=OperatingPoint("probability", 0.6)),
    "prevalence": class_request("dog", (1,), "precision", prevalence=0.02),
    "epsilon": replace(value("adversarial_robustness", unit="ratio"), epsilon=Fraction(1, 2)),
}
"""A number under each condition that is a key of threshold files."""


class TablesOfViews(dict[str, Predictions]):
    """Other answers to the same images in each view."""

    def __missing__(self, view: str) -> Predictions:
        label = np.random.default_rng(5).integers(0, CLASSES, 300)
        table = images(300, crc32(view.encode()), label)
        attacked = {"always_right": table.correct, "zero_gradient": np.zeros(300, np.bool_)}
        return self.setdefault(view, replace(table, extra=attacked))


@pytest.mark.parametrize("condition", sorted({*CONDITIONS} - OF_THE_NUMBER))
def test_each_condition_changes_the_value(condition: str) -> None:
    """A condition that nothing reads would judge other images than the demand states."""
    under = UNDER_A_CONDITION[condition]
    default = {field.name: field.default for field in fields(Request)}[condition]
    without = replace(under, **{condition: default})
    outcome = measured(
        under.dimension, TablesOfViews(), under, without, serving={"app": ServingPipeline(jpeg=85)}
    )
    numbers = [outcome.quantity(request.part) for request in (under, without)]
    assert None not in numbers, reasons(outcome)
    first, second = (number.value for number in numbers if number is not None)
    assert first != second


@pytest.mark.parametrize("metric", RATES)
def test_class_slice_and_threshold_as_in_scikit_learn(metric: str) -> None:
    site = np.random.default_rng(1).choice(["a", "b", "c"], 900)
    night = images(900, 2, slices=column("site", site))
    for k, name in enumerate(NAMES):
        for level in (None, 0.2, 0.55):
            at = None if level is None or metric == "auroc" else OperatingPoint("probability", level)
            request = replace(class_request(name, (k,), metric, "night", at), slice="site", kind="gap")
            outcome = measured("classes", {"clean": night, "night": night}, request)
            by_site = outcome.parts[request.on_all_images.name].slices["site"]
            score = night.probabilities[:, k]
            called = night.predicted == k if at is None else score >= np.float32(at.level)
            for one in "abc":
                own, rest = (
                    RATES[metric](night.label[mask] == k, score[mask], called[mask])
                    for mask in (site == one, site != one)
                )
                assert by_site.values[f"site={one}"].value == pytest.approx(own)
                assert by_site.gaps[f"site={one}"].value == pytest.approx(rest - own)


def test_each_class_on_slices_as_in_scikit_learn() -> None:
    site = np.random.default_rng(1).choice(["a", "b"], 400)
    clean = images(400, 2, slices=column("site", site))
    request = replace(class_request(EACH, (), "precision"), slice="site", kind="worst")
    cells = measured("classes", {"clean": clean}, request).parts["each.precision"].slices["site"].values
    assert {name: one.value for name, one in cells.items()} == pytest.approx(
        {
            f"{NAMES[k]}, site={one}": score
            for one in "ab"
            for k, score in enumerate(
                metrics.precision_score(clean.label[site == one], clean.predicted[site == one], average=None)
            )
        }
    )


OF_SETS = [
    value("accuracy"),
    value("accuracy", "top3"),
    value("class_balance"),
    value("calibration_error", better="low"),
    value("calibration_error", "ece", better="low"),
    value("calibration_error", "ace", better="low"),
    value("calibration_error", "nll", unit="nats", better="low"),
    value("calibration_error", "brier", unit="squared error", better="low"),
]


def name_of(request: object) -> str:
    return f"{request.dimension}.{request.name}" if isinstance(request, Request) else str(request)


@pytest.mark.parametrize("request_", OF_SETS, ids=name_of)
@pytest.mark.parametrize("groups", [None, 60])
def test_a_set_is_measured_as_the_clean_one(request_: Request, groups: int | None) -> None:
    night = images(600, 3, group=None if groups is None else np.arange(600) % groups)
    tables = {"clean": images(80, 4), "night": night}
    ours = part(request_.dimension, tables, replace(request_, set="night"))
    theirs = measured(request_.dimension, {"clean": night}).quantity(request_.part)
    assert (ours.value, ours.n, ours.sample.groups) == (theirs.value, theirs.n, theirs.sample.groups)
    assert ours.interval == pytest.approx(theirs.interval)
    (influences,), (others,) = ours.influences.values(), theirs.influences.values()
    assert influences == pytest.approx(others)


@pytest.mark.parametrize(
    "request_", [*OF_SETS, answer_request("aurc"), class_request("dog", (1,), "recall")], ids=name_of
)
def test_a_corruption_has_five_rows_an_image(request_: Request) -> None:
    """Its interval is that of the rows, clustered by their image; some severities have the same answers."""
    label = np.random.default_rng(5).integers(0, CLASSES, 300)
    name = request_.dimension
    tables = {"clean": images(300, 6, label)} | {
        view: images(300, k % 2, label) for k, view in enumerate(FOG)
    }
    ours = part(name, tables, replace(request_, set="fog"))
    rows = joined([tables[view] for view in FOG])
    rows = replace(rows, index=np.arange(1500), group=np.tile(np.arange(300), 5))
    asked = (request_,) if name in ("answers", "classes") else ()
    alone = measured(name, {"clean": rows}, *asked)
    theirs = alone.quantity(request_.part)
    assert (ours.value, ours.n) == (theirs.value, theirs.n)
    assert ours.sample == Sample(images=theirs.sample.groups)
    assert ours.interval == pytest.approx(theirs.interval, abs=2e-3)
    assert {str(view): len(one) for view, one in ours.influences.items()} == {"clean": 300}


def patients(n: int = 120, seed: int = 7, of: int | None = None) -> Predictions:
    """Patients with 1 to 6 images of one class, in any order; with a site, and a camera that may vary."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(n), rng.integers(1, 7, n))) * 3 + 5
    label = (group // 3) % CLASSES
    slices = column("site", group % 2) | column("camera", rng.integers(0, 2, len(group)))
    return images(len(group), seed if of is None else of, label, group=group, slices=slices)


def by_pandas(one: Predictions, rule: str) -> Predictions:
    """The decisions on groups, in the order of their first images."""
    frame = pd.DataFrame(one.probabilities.astype(float))
    by_group = frame.groupby(one.group, sort=False)
    label = pd.Series(one.label).groupby(one.group, sort=False).first().to_numpy()
    means = by_group.mean().to_numpy(np.float32)
    if rule == "mean":
        return answers(label, None, means)
    votes = pd.Series(one.predicted).groupby(one.group, sort=False)
    most = [
        max(own.mode(), key=lambda k, row=row: (means[row, int(k)], -k)) for row, (_, own) in enumerate(votes)
    ]
    return answers(label, most, means)


@pytest.mark.parametrize(
    "request_",
    [
        *OF_SETS,
        class_request("dog", (1,), "recall"),
        class_request("dog", (1,), "precision", at=OperatingPoint("probability", 0.4)),
        class_request("dog", (1,), "auroc"),
        class_request(EACH, (), "recall"),
        answer_request("share", threshold=0.5),
        answer_request("accuracy", threshold=0.5),
        answer_request("aurc", "margin"),
        answer_request("aurc"),
    ],
    ids=name_of,
)
def test_decisions_by_mean_are_a_groupby_of_pandas(request_: Request) -> None:
    """The numbers are those of the decisions as images; n and groups are the number of groups."""
    night = patients()
    name = request_.dimension
    ours = part(name, {"clean": images(40, 8), "night": night}, replace(request_, set="by_mean"))
    alone = measured(name, {"clean": by_pandas(night, "mean")}, request_)
    theirs = alone.quantity(request_.part)
    assert (ours.value, ours.n) == (pytest.approx(theirs.value, abs=1e-6), theirs.n)
    assert ours.interval == pytest.approx(theirs.interval, abs=1e-6)
    assert ours.sample.groups == ours.different_images


def test_decisions_by_majority_and_their_parity() -> None:
    night = patients()
    before = patients(of=9)
    tables = {"clean": images(40, 8), "night": night, "night by reference": before}
    tables["clean by reference"] = tables["clean"]
    now = by_pandas(night, "majority")
    then = by_pandas(before, "majority")
    assert part("accuracy", tables, replace(value("accuracy"), set="by_majority")).value == pytest.approx(
        metrics.accuracy_score(now.label, now.predicted)
    )
    recall = class_request("dog", (1,), "recall", "by_majority")
    assert part("classes", tables, recall).value == pytest.approx(
        metrics.recall_score(now.label == 1, now.predicted == 1)
    )
    agreement = part("parity", tables, parity_request("agreement", "by_majority"))
    assert (agreement.value, agreement.n) == (np.mean(now.predicted == then.predicted), 120)
    other = replace(night, probabilities=np.sqrt(night.probabilities))  # other outputs with the same votes
    same = part("parity", {**tables, "night by reference": other}, parity_request("agreement", "by_majority"))
    assert same.value == 1 > same.interval[0]
    flips = part("parity", tables, parity_request("negative_flips", "by_majority"))
    assert flips.value == np.mean((then.predicted == then.label) & (now.predicted != now.label))


def test_decisions_by_any() -> None:
    """A patient is a dog if one of the images is."""
    night = patients()
    mixed = np.random.default_rng(0).integers(0, CLASSES, len(night))
    night = replace(night, label=mixed)
    tables = {"clean": images(40, 8), "night": night}
    is_of, called, score = (
        pd.Series(one).groupby(night.group, sort=False).max().to_numpy()
        for one in (mixed == 1, night.predicted == 1, night.probabilities[:, 1])
    )
    at = OperatingPoint("probability", 0.6)
    wanted = {
        class_request("dog", (1,), "recall", "by_any"): metrics.recall_score(is_of, called),
        class_request("dog", (1,), "specificity", "by_any", at): metrics.recall_score(~is_of, score < 0.6),
        class_request("dog", (1,), "auroc", "by_any"): metrics.roc_auc_score(is_of, score),
        replace(value("accuracy"), set="by_any"): metrics.accuracy_score(is_of, called),
    }
    for request, expected in wanted.items():
        assert part(request.dimension, tables, request).value == pytest.approx(expected), request.name


def test_slices_of_groups() -> None:
    """A column that is constant in each group has slices of groups; others are refused with an image."""
    tables = {"clean": images(40, 8), "night": patients()}
    request = replace(value("accuracy"), set="by_mean", slice="site", kind="worst")
    camera = replace(request, slice="camera")
    slices = measured("accuracy", tables, request, camera).parts["@set=by_mean"].slices
    decided = by_pandas(tables["night"], "mean")
    site = pd.Series(tables["night"].group).drop_duplicates().to_numpy() % 2
    for one in (0, 1):
        own = slices["site"].values[f"site={one}"]
        assert own.value == pytest.approx(decided.correct[site == one].mean())
        assert (own.n, own.sample.groups, slices["site"].sizes[f"site={one}"]) == ((site == one).sum(),) * 3
    reason = slices["camera"].reason
    assert not reason.missing_data
    numbers = tables["night"].slices["camera"].numbers
    group = tables["night"].group
    varies = pd.Series(numbers).groupby(group).transform("nunique").to_numpy() > 1
    image = int(np.flatnonzero(group == group[varies.argmax()])[0])  # type: ignore[index]
    assert reason.reason == f"the group of image {image} of night is in several slices"


@pytest.mark.parametrize(
    "request_",
    [
        class_request("dog", (1,), "recall"),
        class_request("dog", (1,), "auroc"),
        class_request("dog", (1,), "npv", prevalence=0.1),
    ],
    ids=name_of,
)
def test_gaps_of_decisions_are_those_of_as_many_images(request_: Request) -> None:
    """One site has 28 dogs, and the other two: exact limits need no ten groups."""

    def gaps(tables: dict[str, Predictions], on: str) -> list[Quantity]:
        asked = replace(request_, set=on, slice="site", kind="gap")
        number = measured("classes", tables, asked).parts[asked.on_all_images.name]
        return list(number.slices["site"].gaps.values())

    night = patients()
    night = replace(night, slices=column("site", night.group >= 330))
    decided = by_pandas(night, "mean")
    site = pd.Series(night.group).drop_duplicates().to_numpy() >= 330
    theirs = gaps({"clean": replace(decided, slices=column("site", site))}, "clean")
    ours = gaps({"clean": images(40, 8), "night": night}, "by_mean")
    assert len(ours) == len(theirs) == 2
    for own, other in zip(ours, theirs, strict=True):
        assert own.interval is not None
        assert own.interval == pytest.approx(other.interval, abs=1e-6)
        assert own.sample.groups == own.n == other.n


def test_decisions_of_a_corruption_have_five_rows_a_group() -> None:
    one = patients(60)
    tables = {"clean": one} | {view: patients(60, of=k) for k, view in enumerate(FOG)}
    ours = part("accuracy", tables, replace(value("accuracy"), set="foggy"))
    right = [by_pandas(tables[view], "mean").correct for view in FOG]
    assert (ours.value, ours.n, ours.sample.images, ours.sample.groups) == (np.mean(right), 300, 60, 60)
    # Stored corruptions know copies at most: the groups of the clean images decide.
    copies = {view: replace(table, group=np.arange(len(table))) for view, table in tables.items()}
    again = part("accuracy", copies | {"clean": one}, replace(value("accuracy"), set="foggy"))
    assert (again.value, again.n) == (ours.value, 300)


def test_groups_that_cannot_be_decided_have_a_reason() -> None:
    one = patients(12)
    request = replace(value("accuracy"), set="by_mean")
    outcome = measured("accuracy", {"clean": one, "night": replace(one, group=None)}, request)
    assert reasons(outcome) == {request.name: "by_mean: the set night shows no images with groups"}
    stored = {"clean": one, "clean by reference": one, "night": one}
    stored["night by reference"] = replace(one, probabilities=None)
    outcome = measured("parity", stored, parity_request("agreement", "by_mean"))
    assert "Give the model itself: --quba-reference MODEL" in reasons(outcome)["agreement@set=by_mean"]


def test_answers_behind_thresholds_of_classes() -> None:
    night = images(500, 10)
    levels = {"cat": 0.3, "dog": 0.9, "owl": 0.5, "yak": 1.0}
    at = OperatingPoint("probability", 0.0, by_class=tuple(levels.items()))
    answered = night.confidence >= np.array([*levels.values()], np.float32)[night.predicted]
    share, accuracy = (
        Request("answers", ANSWER_NUMBERS[name], set="night", at=at) for name in ("share", "accuracy")
    )
    tables = {"clean": images(40, 8), "night": night}
    assert part("answers", tables, share).value == pytest.approx(answered.mean())
    own = part("answers", tables, accuracy)
    assert own.value == pytest.approx(night.correct[answered].mean())
    assert (own.n, own.sample.eligible) == (answered.sum(), 500)


@pytest.mark.parametrize(
    ("rule", "level", "confidence"), [("accuracy", 0.85, None), ("share", 0.4, None), ("error", 0.25, 0.9)]
)
def test_thresholds_of_answers_are_chosen_on_another_set(rule: Rule, level: float, confidence: Any) -> None:
    """It is one of the choosing set, whatever the judged answers are."""
    tuning = images(700, 11)
    night = images(500, 10)
    at = OperatingPoint(rule, level, "tuning", confidence)
    request = Request("answers", ANSWER_NUMBERS["share"], set="night", at=at)
    outcome = measured("answers", {"clean": images(40, 8), "tuning": tuning, "night": night}, request)
    own = np.sort(tuning.confidence)[::-1]
    accuracies = np.array([tuning.correct[tuning.confidence >= one].mean() for one in own])
    if rule == "accuracy":  # the last one before the accuracy of 30 answers or more is too low
        threshold = own[29 + np.argmax(accuracies[29:] < level) - 1]
    elif rule == "share":
        threshold = own[int(np.ceil(level * len(own))) - 1]
    else:
        threshold = np.float32(float(outcome.tables["thresholds"].rows[0][4]))
        wrong = 1 - tuning.correct[tuning.confidence >= threshold].mean()
        assert 0.1 < wrong < level
    assert outcome.parts[request.name].value == np.mean(night.confidence >= threshold)
    answered = tuning.confidence >= threshold
    row = ("max_probability", "tuning", "", f"{rule} {level:g}", float(threshold), answered.sum())
    guarantee = ("", "") if confidence is None else (level, confidence)
    assert outcome.tables["thresholds"].rows == ((*row, (answered & ~tuning.correct).sum(), *guarantee),)


def test_a_threshold_chosen_behind_a_pipeline_states_it() -> None:
    at = OperatingPoint("error", 0.25, confidence=0.9)
    request = Request("answers", ANSWER_NUMBERS["share"], at=at, pipeline="app")
    tables = {"clean": images(40, 8), "clean by serving/app": images(700, 11)}
    outcome = measured("answers", tables, request, serving={"app": ServingPipeline(jpeg=85)})
    ((score, in_set, pipeline, rule, *_),) = outcome.tables["thresholds"].rows
    assert (score, in_set, pipeline, rule) == ("max_probability", "clean", "app", "error 0.25")


def test_groups_are_compared_for_each_judged_set() -> None:
    """The threshold is searched once; sets with groups of the choosing one are refused nevertheless."""
    at = OperatingPoint("share", 0.4, "tuning")
    clean, night = (
        Request("answers", ANSWER_NUMBERS["share"], set=name, at=at) for name in ("clean", "night")
    )
    group = np.arange(100)
    tables = {"clean": images(100, 8, group=group), "tuning": images(100, 11, group=group + 500)}
    tables["night"] = images(100, 10, group=group + 599)
    outcome = measured("answers", tables, clean, night)
    assert reasons(outcome) == {
        night.name: "its threshold would be chosen on the set tuning, which has images of the same groups"
    }


def test_a_precision_chosen_on_another_set() -> None:
    tuning = images(900, 11)
    night = images(500, 10)
    at = OperatingPoint("precision", 0.8, "tuning")
    request = class_request("dog", (1,), "recall", "night", at)
    score = np.sort(tuning.probabilities[:, 1])[::-1]
    precision = np.array([(tuning.label[tuning.probabilities[:, 1] >= one] == 1).mean() for one in score])
    threshold = score[29 + np.argmax(precision[29:] < 0.8) - 1]
    called = night.probabilities[:, 1] >= threshold
    ours = part("classes", {"clean": images(40, 8), "tuning": tuning, "night": night}, request)
    assert ours.value == pytest.approx(metrics.recall_score(night.label == 1, called))


def test_answers_to_unknown_images() -> None:
    birds = images(300, 12, np.full(300, -1))
    request = Request(
        "answers",
        replace(ANSWER_NUMBERS["share"], better="low"),
        set="birds",
        at=OperatingPoint("probability", 0.6),
    )
    outcome = measured("answers", {"clean": images(40, 8), "unknown/birds": birds}, request)
    answered = birds.confidence >= np.float32(0.6)
    assert outcome.parts["share@probability=0.6,set=birds"].value == answered.mean()
    (shown,) = registry["answers"].parts(facts(CLASSES, **SETS, requests=(request,)).suite)
    assert shown.better == "low"


@pytest.mark.parametrize("metric", ["auroc", "recall"])
def test_a_gap_counts_the_groups_of_the_class_in_the_slice(metric: str) -> None:
    """Of 40 patients in each slice, five in slice a are dogs: too few for an interval.

    Slice b has enough dogs, so that it is judged.
    """
    group = np.repeat(np.arange(80), 5)
    label = np.where((group < 5) | (group >= 60), 1, 0)
    slices = column("site", np.where(group < 40, "a", "b"))
    clean = images(400, 13, label, group=group, slices=slices)
    request = replace(class_request("dog", (1,), metric), slice="site", kind="gap")
    site = measured("classes", {"clean": clean}, request).parts[f"dog.{metric}"].slices["site"]
    for by_site in (site.values, site.gaps):
        assert (by_site["site=a"].sample.groups, by_site["site=a"].curve) == (5, None)
    assert (site.values["site=b"].sample.groups, site.gaps["site=b"].sample.groups) == (20, 5)
    assert [site.gaps[f"site={one}"].sample.eligible_groups for one in "ab"] == [5, 20]


@pytest.mark.parametrize("metric", ["auroc", "precision", "npv"])
@pytest.mark.parametrize("on", ["clean", "fog"])
def test_the_rarer_side_has_the_fewest_groups_or_images(metric: str, on: str) -> None:
    """Twelve images of dogs show three of them, and eight others one animal each."""
    label = np.repeat([1, 0], [12, 8])
    group = np.array([*np.arange(12) % 3, *range(3, 11)])
    request = class_request("dog", (1,), metric, on, prevalence=None if metric == "auroc" else 0.1)
    score = np.where(np.arange(20) % 2, 0.9, 0.1)
    table = np.stack([1 - score, score, 0 * score, 0 * score], axis=1)
    for animals, rarer in ((None, (8, None, "another class")), (group, (12, 3, "the class"))):
        tables = {view: answers(label, None, table, group=animals) for view in ("clean", *FOG)}
        own = part("classes", tables, request)
        assert (own.sample.eligible, own.sample.eligible_groups, own.sample.eligible_of) == rarer


def test_a_pipeline_without_a_value_leaves_those_of_others() -> None:
    app = ServingPipeline(jpeg=85)
    requests = [replace(parity_request("agreement", on), pipeline="app") for on in ("clean", "by_mean")]
    one = images(50, 1)
    two = images(50, 2, one.label)
    tables = {"clean": one, "night": one, "clean by serving/app": two, "night by serving/app": two}
    outcome = measured("parity", tables, *requests, serving={"app": app})
    assert (
        outcome.value
        == outcome.parts["agreement@pipeline=app"].value
        == np.mean(one.predicted == two.predicted)
    )
    assert "agreement@set=by_mean,pipeline=app" in outcome.unmeasured
    about = facts(CLASSES, **SETS, serving={"app": app}, requests=tuple(requests[1:]))
    views = {view: tables[str(view)] for view in registry["parity"].views(about.suite)}
    assert reason(registry["parity"], views, about)[0].startswith("by_mean: ")


@pytest.mark.parametrize(
    "request_",
    [
        replace(value("accuracy"), set="night", pipeline="app"),
        class_request(EACH, (), "recall", "night"),
        parity_request("probability_change", "night"),
    ],
    ids=lambda one: one.name,
)
@pytest.mark.parametrize("groups", [4, 40])
def test_groups_of_the_clean_set_are_none_of_another_set(request_: Request, groups: int) -> None:
    """Only the groups of the judged images count each group as one observation."""
    clean = images(400, 1)
    night = images(300, 2)
    shown = {"night": night, "clean by reference": images(400, 4, clean.label)}
    for variant in ("reference", "serving/app"):
        shown[f"night by {variant}"] = images(300, 3, night.label)
    grouped = replace(clean, group=np.arange(400) % groups)
    serving = {"app": ServingPipeline(jpeg=85)}
    single, of_groups = (
        measured(request_.dimension, {**shown, "clean": one}, request_, serving=serving).parts[request_.name]
        for one in (clean, grouped)
    )
    assert of_groups == single
    assert single.curve is not None
