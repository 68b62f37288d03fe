"""parity: equal answers, flips and changes of probabilities, with their intervals and tables."""

from dataclasses import replace

import numpy as np
import pytest
from support.answers import answers as table
from support.answers import facts, reasons, values
from support.requests import parity_request

from quba_check.core.view import CLEAN, REFERENCE, SEVERITIES, View
from quba_check.dimensions import measure_dimension, registry
from quba_check.errors import UnmeasurableError
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
        (1, "lost", "cat", "cat", "dog"),
        (3, "gained", "dog", "cat", "dog"),
        (4, "wrong to wrong", "owl", "dog", "cat"),
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
    assert grouped.parts["agreement"].groups == 50


def test_a_corruption_is_judged_at_all_severities():
    views = [View("corruptions", "fog", severity) for severity in SEVERITIES]
    fog = {view: answers(LABEL, AFTER, with_probabilities=False) for view in views}
    fog |= {of_reference(view): answers(LABEL, BEFORE, with_probabilities=False) for view in views[:4]}
    fog[of_reference(views[4])] = answers(LABEL, AFTER, with_probabilities=False)
    request = parity_request("agreement", "fog")
    part = measured(answers(LABEL, BEFORE), answers(LABEL, AFTER), request, others=fog).parts[request.name]
    assert (request.name, part.value, part.n, part.images) == ("agreement@set=fog", (4 * 2 + 5) / 25, 25, 5)


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
    n, names = 150, tuple(f"class {k:03}" for k in range(150))
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
