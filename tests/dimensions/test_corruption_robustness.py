from dataclasses import replace

import pytest
from support.answers import bare, facts, first, reason, right_on, values

from quba_check.core.measurement import Quantity, Sample
from quba_check.core.view import CLEAN, CORRUPTIONS, SAMPLED, SEVERITIES, View
from quba_check.dimensions import registry

CORRUPTION = registry["corruption_robustness"]
FOG = facts(corruptions=("fog",))


def table(right, of=20):
    return right_on(first(right, of))


def corrupted(**right):
    """Correctly classified images of 20, by corruption and severity; 10 of 20 clean."""
    return {CLEAN: table(10)} | {
        View("corruptions", corruption=name, severity=severity): table(count)
        for name, counts in right.items()
        for severity, count in zip(SEVERITIES, counts, strict=True)
    }


def test_value_and_parts_by_hand():
    views = corrupted(fog=(10, 8, 6, 4, 2), snow=(5, 4, 3, 2, 1))
    measured = CORRUPTION.measure(views, facts(corruptions=("fog", "snow")))
    assert measured.value == pytest.approx(0.45)
    assert (measured.unit, measured.n, measured.sample.images) == ("ratio", 200, 20)
    assert values(measured) == pytest.approx(
        {
            "fog": 0.6,
            "snow": 0.3,
            "severity_1": 0.75,
            "severity_2": 0.6,
            "severity_3": 0.45,
            "severity_4": 0.3,
            "severity_5": 0.15,
        }
    )
    assert bare(measured.parts)["fog"] == Quantity(pytest.approx(0.6), "ratio", 100, sample=Sample(20))
    assert bare(measured.parts)["severity_5"] == Quantity(pytest.approx(0.15), "ratio", 40, sample=Sample(20))


def test_extra_corruptions_are_parts_outside_of_the_value():
    views = corrupted(fog=(10, 8, 6, 4, 2), low_light=(1, 1, 1, 1, 1))
    known = facts(corruptions=("fog",), extra_corruptions=("low_light",))
    with_extra = CORRUPTION.measure(views, known)
    suite = known.suite
    without = CORRUPTION.measure(corrupted(fog=(10, 8, 6, 4, 2)), FOG)
    assert bare(with_extra.parts)["low_light"] == Quantity(
        pytest.approx(0.1), "ratio", 100, sample=Sample(20)
    )
    assert with_extra.tables["severities"].rows[1] == ("low_light", *[pytest.approx(0.1)] * 5)
    parts = {name: part for name, part in with_extra.parts.items() if name != "low_light"}
    assert replace(with_extra, parts=parts, tables=without.tables) == without
    assert with_extra.influences.keys() == without.influences.keys()
    assert set(CORRUPTION.views(suite)) == set(views)
    assert [part.name for part in CORRUPTION.parts(suite)][-1] == "low_light"


def test_the_fifteen_corruptions_need_76_views_and_have_20_parts():
    suite = facts(corruptions=CORRUPTIONS).suite
    assert len(set(CORRUPTION.views(suite))) == 1 + 15 * 5
    assert [part.name for part in CORRUPTION.parts(suite)] == [
        *CORRUPTIONS,
        *(f"severity_{severity}" for severity in SEVERITIES),
    ]


def test_a_suite_without_corruptions_lacks_data():
    text = "the suite has no corruptions; declare the set 'corruptions'"
    assert reason(CORRUPTION, {CLEAN: table(10)}, facts()) == (text, True)


def test_sampled_corruptions_are_paired_with_their_clean_images():
    known = facts(corruptions=("fog", "snow"), samples_corruptions=True)
    assert CORRUPTION.views(known.suite) == (CLEAN, SAMPLED)
    assert CORRUPTION.parts(known.suite) == ()
    measured = CORRUPTION.measure({CLEAN: table(40, 50), SAMPLED: table(20, 50)}, known)
    assert (measured.value, measured.n, measured.parts, measured.tables) == (0.5, 50, {}, {})
    assert list(measured.influences) == [CLEAN]
    assert measured.notes == (
        "sampled: each image under one of the 75 corruptions and severities, all equally often; "
        "sample: all in the manifest shows each under all",
    )
