"""parity: equal answers, flips and changes of probabilities, with their intervals and tables."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.answers import answers as table
from support.answers import facts, reasons, values
from support.requests import parity_request, served, value
from support.runs_compared import dropped_from

from quba_check.comparison.baseline import OwnPreprocessing
from quba_check.comparison.difference import RunValue
from quba_check.core.measurement import Drop, Table
from quba_check.core.serving import Resize, ServingPipeline
from quba_check.core.view import CLEAN, REFERENCE, SEVERITIES, View
from quba_check.dimensions import measure_dimension, registry
from quba_check.errors import UnmeasurableError
from quba_check.records.per_image import PerImage
from quba_check.stats.intervals import share_limits

PARITY = registry["parity"]
FACTS = facts(3, shifts=("night",), corruptions=("fog",), class_names=("cat", "dog", "owl"))
LABEL = [0, 0, 1, 1, 2]
BEFORE = [0, 0, 1, 0, 1]
AFTER = [0, 1, 1, 1, 0]
"""Equal twice, one lost, one gained, one wrong to wrong."""
ALL = tuple(parity_request(metric) for metric in ("agreement", "negative_flips", "probability_change"))


def of_reference(view):
    return replace(view, variant=REFERENCE)


def answers(label, predicted, confidence=0.75, with_probabilities=True, **more):
    p = np.full((len(predicted), 3), (1 - confidence) / 2, np.float32)
    p[np.arange(len(p)), predicted] = confidence
    return table(label, predicted, p if with_probabilities else None, **more)


def asking(*requests):
    return replace(FACTS, suite=replace(FACTS.suite, requests=requests))


def measured(before, after, *requests, others=()):
    tables = {CLEAN: after, of_reference(CLEAN): before, **dict(others)}
    return measure_dimension(PARITY, tables, asking(*requests))


def rows(measurement, name):
    return measurement.tables[name].rows


def test_numbers_by_hand():
    outcome = measured(answers(LABEL, BEFORE), answers(LABEL, AFTER), *ALL)
    numbers = {"agreement": 2 / 5, "negative_flips": 1 / 5, "probability_change": pytest.approx(0.625)}
    assert (outcome.value, values(outcome)) == (2 / 5, numbers)
    z = np.array([-2.0, 2.0])
    curve = outcome.parts["negative_flips"].curve
    assert [curve.at(-2), curve.at(2)] == pytest.approx(share_limits(1, 5, z))


def test_tables_by_hand():
    outcome = measured(answers(LABEL, BEFORE), answers(LABEL, AFTER, 0.5), *ALL)
    assert rows(outcome, "flips") == (("lost", 1, 0.2), ("gained", 1, 0.2), ("wrong to wrong", 1, 0.2))
    assert rows(outcome, "flips_by_class") == (("cat", 2, 1, 0, 0), ("dog", 2, 0, 1, 0), ("owl", 1, 0, 0, 1))
    assert sorted(rows(outcome, "changed_answers")) == [("cat", "dog", 2), ("dog", "cat", 1)]
    assert rows(outcome, "reference") == ((3, 0.6),)
    images = [row[:-1] for row in rows(outcome, "flipped_images")]
    assert images == [
        ("1", "lost", "cat", "cat", "dog"),
        ("3", "gained", "dog", "cat", "dog"),
        ("4", "wrong to wrong", "owl", "dog", "cat"),
    ]
    assert sum(row[2] for row in rows(outcome, "probability_changes")) == 5


def test_the_same_outputs_have_exact_numbers():
    """Five images prove an agreement of 1 if every bit is the same, as for one model in two files."""
    outcome = measured(answers(LABEL, BEFORE), answers(LABEL, BEFORE), *ALL)
    assert outcome.notes == ("the same predictions as the reference",)
    assert {name: part.interval for name, part in outcome.parts.items()} == {
        "agreement": (1, 1),
        "negative_flips": (0, 0),
        "probability_change": (0, 0),
    }
    other = measured(answers(LABEL, BEFORE), answers(LABEL, BEFORE, np.float32(0.7500001)), *ALL)
    assert other.notes == ()
    assert other.parts["agreement"].interval[0] < 1


def test_each_group_of_images_is_one_observation():
    label, before, after = (np.repeat(column, 40) for column in (LABEL, BEFORE, AFTER))
    single = measured(answers(label, before), answers(label, after), *ALL)
    group = np.repeat(np.arange(50), 4)
    tables = (answers(label, before, group=group), answers(label, after, group=group))
    grouped = measured(*tables, *ALL)
    for name in ("agreement", "negative_flips"):
        assert grouped.parts[name].value == single.parts[name].value
        assert np.ptp(grouped.parts[name].interval) > 1.5 * np.ptp(single.parts[name].interval)
    assert grouped.parts["agreement"].sample.groups == 50


def test_a_corruption_is_judged_at_all_severities():
    views = [View("corruptions", "fog", severity) for severity in SEVERITIES]
    fog = {view: answers(LABEL, AFTER, with_probabilities=False) for view in views}
    fog |= {of_reference(view): answers(LABEL, BEFORE, with_probabilities=False) for view in views[:4]}
    fog[of_reference(views[4])] = answers(LABEL, AFTER, with_probabilities=False)
    request = parity_request("agreement", "fog")
    part = measured(answers(LABEL, BEFORE), answers(LABEL, AFTER), request, others=fog).parts[request.name]
    assert (request.name, part.value, part.n, part.sample.images) == (
        "agreement@set=fog",
        (4 * 2 + 5) / 25,
        25,
        5,
    )


def test_views_have_probabilities_only_if_they_are_needed():
    known = asking(parity_request("probability_change", "night"), parity_request("agreement", "fog"))
    shown = {(str(view.images), view.columns, view.variant) for view in PARITY.views(known.suite)}
    fog = {(f"corruptions/fog/{severity}", "top1") for severity in SEVERITIES}
    views = {("clean", "probabilities"), ("night", "probabilities"), *fog}
    assert shown == {(*view, variant) for view in views for variant in ("", REFERENCE)}


def test_a_record_has_answers_to_clean_images_without_probabilities():
    before = answers(LABEL, BEFORE, with_probabilities=False)
    outcome = measured(
        before,
        answers(LABEL, AFTER),
        *ALL,
        parity_request("agreement", "night"),
        others={View("night"): answers(LABEL, AFTER)},
    )
    assert list(outcome.parts) == ["agreement", "negative_flips"]
    assert reasons(outcome) == {
        "probability_change": "the baseline's record keeps no probabilities. Give the model itself: "
        "--quba-reference MODEL",
        "agreement@set=night": "the baseline's record keeps no answers to night. Give the model itself: "
        "--quba-reference MODEL",
    }
    assert not any(one.missing_data for one in outcome.unmeasured.values())


def test_a_reference_that_is_right_on_no_image_loses_none():
    for after in ([1, 1, 0, 0, 0], LABEL):  # the same answers, and others
        outcome = measured(answers(LABEL, [1, 1, 0, 0, 0]), answers(LABEL, after), *ALL)
        assert list(outcome.parts) == ["agreement", "probability_change"]
        (missing,) = outcome.unmeasured.values()
        assert (missing.reason, missing.missing_data) == (
            "no answer can be lost: those before are right on no image. Check the classes and the "
            "preprocessing of that model",
            False,
        )


def test_other_images_are_refused():
    with pytest.raises(UnmeasurableError, match=r"^the reference was shown other images of the set clean$"):
        measured(answers([0, 0, 1, 1, 1], BEFORE), answers(LABEL, AFTER))


def test_answers_and_labels_of_no_class_have_a_name():
    """As in a label space that lacks some of the model's classes."""
    outcome = measured(answers([0, -1, 2], [0, 1, 2]), answers([0, -1, 2], [-1, 1, 1]), *ALL)
    assert rows(outcome, "changed_answers") == (("cat", "no class", 1), ("owl", "dog", 1))
    assert rows(outcome, "flips_by_class") == (("cat", 1, 1, 0, 0), ("owl", 1, 1, 0, 0))
    outcome = measured(answers([0, -1], [0, 1]), answers([0, -1], [0, 2]), *ALL)
    assert rows(outcome, "flips_by_class") == (("no class", 1, 0, 0, 1),)


def test_tables_have_at_most_a_hundred_rows():
    n = 150
    names = tuple(f"class {k:03}" for k in range(150))
    label = np.arange(n)
    tables = {CLEAN: table(label, (label + 1) % n), of_reference(CLEAN): table(label, label)}
    outcome = measure_dimension(PARITY, tables, facts(n, class_names=names))
    assert outcome.value == 0
    assert {name: len(one.rows) for name, one in outcome.tables.items()} == {
        "flips": 3,
        "flips_by_class": 100,
        "reference": 1,
        "changed_answers": 100,
        "flipped_images": 100,
    }


PIPELINES = {"app": ServingPipeline(jpeg=30, resize=Resize("opencv")), "phone": ServingPipeline(jpeg=85)}
METRICS = ("agreement", "negative_flips", "probability_change", "accuracy")
OWN = [0, 0, 0, 0, 0, 1, 1, 1, 1, 0]
OWN_LABEL = [0] * 6 + [1] * 4
"""Eight of ten are right."""


def behind(name, of=CLEAN):
    return replace(of, columns="top1" if "/" in name else of.columns, variant=f"serving/{name}")


def changed(*images, **columns):
    """The answers of the own preprocessing, other ones for some images."""
    return answers(OWN_LABEL, [1 - k if i in images else k for i, k in enumerate(OWN)], **columns)


class Run:
    """A run of one model, with what it measured."""

    file = "a run"

    def __init__(self, *outcomes, keeps_images=True):
        self.images = PerImage.of if keeps_images else lambda _: PerImage()
        self.outcomes = {one.dimension: one for one in outcomes}

    def value_of(self, dimension, part=None):
        one = self.outcomes[dimension]
        return RunValue.of(one, dimension, part, self.images(one), "the same model")


def at_pipelines(tables, *requests, name="parity"):
    known = facts(3, spaces={"clean": None}, serving=PIPELINES, requests=requests)
    shown = {CLEAN: changed(), **{behind(one): table for one, table in tables.items()}}
    return measure_dimension(registry[name], shown, known)


STEPS = {"app/jpeg": changed(1), "app/resize": changed(0, 1, 9)}


def test_a_pipeline_is_compared_with_the_own_preprocessing():
    """Image 0 is lost, 5 and 9 are gained."""
    requests = [served("app", metric) for metric in METRICS[:3]]
    outcome = at_pipelines({"app": changed(0, 5, 9), **STEPS}, *requests)
    assert values(outcome) == {
        "agreement@pipeline=app": 0.7,
        "negative_flips@pipeline=app": 0.1,
        "probability_change@pipeline=app": pytest.approx(0.625),
    }
    assert outcome.value == 0.7
    assert reasons(outcome)[""].startswith("parity needs another model.")
    assert outcome.tables == {
        "steps": Table(
            ("pipeline", "step", "images", "share"),
            (("app", "resize", 3, 0.3), ("app", "jpeg", 1, 0.1)),
            "answers that one step alone changes, of 10",
        )
    }
    both = (served("app", "agreement"), served("phone", "agreement"))
    outcome = at_pipelines({"app": changed(0, 5), "phone": changed(3), **STEPS}, *both)
    assert (outcome.value, values(outcome)["agreement@pipeline=phone"]) == (0.8, 0.9)
    exact = at_pipelines({"phone": changed()}, served("phone", "agreement"))
    assert exact.parts["agreement@pipeline=phone"].interval == (1, 1)


def test_views_are_of_demanded_pipelines_and_their_steps():
    known = facts(spaces={"clean": None}, serving=PIPELINES, requests=(served("phone", "agreement"),)).suite
    assert PARITY.views(known) == (CLEAN, behind("phone"))
    both = replace(known, requests=(served("app", "agreement"), parity_request("agreement")))
    views = (of_reference(CLEAN), behind("app"), behind("app/jpeg"), behind("app/resize"))
    assert PARITY.views(both) == (CLEAN, *views)


def drop_behind(own: list[bool], at: list[bool], group=None, *, keeps_images: bool = True) -> Drop:
    """The drop of the accuracy behind a pipeline from the own preprocessing."""
    label = np.zeros(len(own), np.int64)
    shown = {CLEAN: table(label, ~np.array(own), np.full((len(own), 2), 0.5), group=group)}
    shown[behind("app")] = table(label, ~np.array(at), group=group)
    request = replace(value("accuracy"), pipeline="app")
    known = facts(2, spaces={"clean": None}, serving=PIPELINES, requests=(request,))
    run = Run(measure_dimension(registry["accuracy"], shown, known), keeps_images=keeps_images)
    after = run.value_of("accuracy", request.part)
    loss = dropped_from(OwnPreprocessing(run, request), request, after, relative=False)
    assert (loss.paired, loss.baseline) == (keeps_images, "the model's own preprocessing")
    assert loss.value == pytest.approx(np.mean(own) - np.mean(at))
    assert after.value == pytest.approx(np.mean(at))
    return loss


def test_the_interval_of_a_drop_behind_a_pipeline_is_paired():
    """The standard error of paired shares is that of McNemar's counts: sqrt(b + c - (b - c)² / n) / n."""
    n = 1000
    lost = 20
    gained = 10
    own = np.arange(n) < 900
    at = own.copy()
    at[:lost] = False
    at[-gained:] = True
    error = np.sqrt(lost + gained - (lost - gained) ** 2 / n) / n
    interval = drop_behind(own, at).curve.interval(0.95)
    assert interval == pytest.approx((0.01 - 1.96 * error, 0.01 + 1.96 * error), abs=0.0015)
    grouped = drop_behind(own, at, np.arange(n) // 5)
    assert grouped.sample.groups == 200
    assert np.ptp(grouped.curve.interval(0.95)) > 1.5 * np.ptp(interval)


def test_equal_accuracies_behind_a_pipeline_are_not_the_same_predictions():
    """One is lost and one is gained: the digest of the run is that of both."""
    own = np.arange(100) < 50
    at = own.copy()
    at[0] = False
    at[-1] = True
    for keeps_images in (True, False):
        low, high = drop_behind(own, at, keeps_images=keeps_images).curve.interval(0.95)
        assert low < -0.01 < 0.01 < high


@given(st.lists(st.integers(0, 1), min_size=len(OWN), max_size=len(OWN)))
def test_the_drop_is_that_of_lost_and_gained_answers(at):
    requests = [served("phone", metric) for metric in METRICS[:2]]
    agreement, lost = values(at_pipelines({"phone": answers(OWN_LABEL, at)}, *requests)).values()
    gained = np.mean((np.array(OWN) != OWN_LABEL) & (np.array(at) == OWN_LABEL))
    assert lost + gained == pytest.approx(1 - agreement)  # with two classes no error becomes another one
    own, now = (np.equal(one, OWN_LABEL) for one in (OWN, at))
    assert drop_behind(own, now).value == pytest.approx(lost - gained, abs=1e-12)
