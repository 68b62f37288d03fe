"""The sections of a threshold file: what their entries ask for; see test_faults for what is refused."""

from dataclasses import replace

import pytest
from demands.test_faults import SUITE
from support.gate import thresholds
from support.requests import answer_request, class_request, confusion, parity_request, served
from syrupy.assertion import SnapshotAssertion

from quba_check.core.facts import SuiteFacts
from quba_check.core.request import MACRO, OperatingPoint
from quba_check.demands import Demand

NAMES = ("melanoma, malignant", "nevus", "benign", "wart")
SKIN = replace(SUITE, name="skin", class_count=4, class_names=NAMES, slices=())
UNKNOWN = SuiteFacts("toys", 4, (), (), {})
"""Facts from a record, which knows neither all classes nor all sets."""


def read(text: str, suite: SuiteFacts = SUITE, **others: str) -> tuple[Demand, ...]:
    return thresholds(text, suite, **others).demands


def shown(demands: tuple[Demand, ...]) -> str:
    """Return a line on each demand: its name, threshold, settings and place."""
    rows = []
    for one in demands:
        optional = " optional" if one.optional else ""
        least = f", {one.min_images} images or {one.min_groups} groups" if one.request.slice else ""
        rows.append(f"{one.line}: {one.name} {one.bound} {one.tier}{optional}, {one.better}{least}")
    return "\n".join(rows)


SLICES = """\
dimensions:
  accuracy:
    tier: warn
    slices:
      light: {worst: {min: 0.8}, gap: {max: 0.05, tier: info}, min_images: 20}
      top5: {worst: {min: 0.5}}
      light=night: {min: 0.75, max_drop: 2e-2, optional: true, min_groups: 3}
      light=night,camera=a.worst: {min: 0.5}
  calibration_error: {slices: {light: {worst: {max: 0.1}}, light=day: {max: 0.2}}}
"""
CLASSES = """\
classes:
  each: {recall: {min: 0.5}, tier: warn}
  melanoma:
    recall: {min: 0.95, max_drop: 0.01}
    auroc: {min: 0.93}
    precision: {min: 0.2, tier: info}
    at: {probability: 0.30}
    prevalence: 0.02
    set: fog
    optional: true
  "benign|nevus": {f1: {min: 0.9}, at: {specificity: 0.9, from: night}}
  macro: {f1: {min: 0.8}, set: night}
  not_as: {melanoma: {nevus: {max: 0.02}}}
"""
ANSWERS = """\
answers:
  at: {probability: 0.9}
  tier: warn
  share: {min: 0.75, max_drop: 0.05}
  accuracy: {min: 99e-2, tier: block, optional: true}
  aurc: {max: 0.02}
"""
PARITY = """\
parity:
  agreement: {min: 0.98}
  negative_flips: {max: 0.005, tier: warn}
  set: [clean, fog]
"""
PIPELINE = """\
dimensions:
  accuracy:
    - {min: 0.8}
    - {pipeline: app, min: 0.8, max_drop: 0.01, slices: {light: {worst: {min: 0.7}}}}
parity: {pipeline: app, tier: warn, agreement: {min: 0.98}}
"""


ENTRIES = {"slices": SLICES, "classes": CLASSES, "answers": ANSWERS, "parity": PARITY, "pipeline": PIPELINE}


@pytest.mark.parametrize("name", ENTRIES)
def test_what_entries_ask_for(name: str, snapshot: SnapshotAssertion) -> None:
    assert shown(read(ENTRIES[name], SKIN if name == "classes" else SUITE)) == snapshot


def test_slices_of_an_extended_file() -> None:
    base = "dimensions: {accuracy: {slices: {light: {worst: {min: 0.8}, gap: {max: 0.1}}}}}"
    (merged,) = read(
        "extends: base.yaml\ndimensions: {accuracy: {slices: {light: {gap: null, min_images: 9}}}}", base=base
    )
    assert (merged.name, merged.min_images) == ("accuracy@slice=light:worst[min]", 9)


def test_requests_of_classes() -> None:
    at = OperatingPoint("probability", 0.3)
    requests = [demand.request for demand in read(CLASSES, SKIN)]
    assert requests[2:] == [
        class_request("melanoma", (0,), "recall", "fog", at),
        class_request("melanoma", (0,), "precision", "fog", at, 0.02),
        class_request("melanoma", (0,), "auroc", "fog"),
        class_request("nevus|benign", (1, 2), "f1", at=OperatingPoint("specificity", 0.9, "night")),
        class_request(MACRO, (), "f1", "night"),
        confusion("melanoma", (0,), "nevus", (1,)),
    ]
    base = "classes: {melanoma: {recall: {min: 0.9}, at: {probability: 0.3}, tier: warn}}"
    (demand,) = read("extends: base.yaml\nclasses: {melanoma: {recall: {min: 0.95}}}", SKIN, base=base)
    assert (demand.request.at, demand.bound, demand.tier) == (at, 0.95, "warn")


def test_classes_with_the_names_of_keys():
    """Entries of them are demands like others; under `not_as` they are classes, not settings."""
    demands = read(
        """\
classes:
  slices: {recall: {min: 0.5}}
  copy: {recall: {min: 0.5}}
  not_as: {copy: {tier: {max: 0.1}}, tier: {slices: {max: 0.1, optional: true}}}
""",
        replace(SKIN, class_names=("slices", "tier", "copy", "wart")),
    )
    assert [(one.request.slice, one.tier, one.optional) for one in demands] == [
        *[("", "block", False)] * 3,
        ("", "block", True),
    ]
    names = ("macro|", "each|", "macro|not_as", "wart")
    demands = read(
        "classes:\n" + "\n".join(f"  {name}: {{recall: {{min: 0.5}}}}" for name in names),
        replace(SKIN, class_names=("macro, mean", "each", "not_as", "wart")),
    )
    assert [demand.request.classes for demand in demands] == [(0,), (1,), (0, 2), (3,)]
    assert demands[0].name == "classes.macro|.recall[min]"


def test_unknown_facts_are_not_checked():
    (demand,) = read("classes: {melanom: {recall: {min: 0.9}, set: day}}", UNKNOWN)
    assert (demand.part, demand.request.classes) == ("melanom.recall@set=day", ())
    (demand,) = read("parity: {agreement: {min: 0.9}, pipeline: phone}", UNKNOWN)
    assert demand.name == "parity.agreement@pipeline=phone[min]"
    (demand,) = read(
        "classes: {'nevus, blue|wart': {recall: {min: 0.9}}}",
        replace(UNKNOWN, class_names=("melanoma", "nevus", "benign", "wart")),
    )
    assert demand.request.classes == (1, 3), "records have short names only"


def test_the_area_under_the_curve_needs_no_rule() -> None:
    assert [one.part for one in read("answers: {aurc: {max: 0.02}}")] == ["aurc"]
    assert read(ANSWERS)[2].request == answer_request("accuracy", "max_probability", 0.9)


@pytest.mark.parametrize(
    ("rule", "names", "request_"),
    [
        ("energy: 10", ["share@energy=10", "aurc@score=energy"], answer_request("share", "energy", 10)),
        ("error: 0.01", ["share@error=0.01,confidence=0.95", "aurc"], answer_request("share", error=0.01)),
        (
            "error: 0.05, confidence: 0.9, score: margin",
            ["share@error=0.05,confidence=0.9,score=margin", "aurc@score=margin"],
            answer_request("share", "margin", None, 0.05, 0.9),
        ),
    ],
)
def test_rules_of_answering(rule, names, request_):
    demands = read(f"answers: {{at: {{{rule}}}, share: {{min: 0.5}}, aurc: {{max: 0.1}}}}\n")
    assert [one.part for one in demands] == names
    assert demands[0].request == request_


def test_thresholds_of_classes_have_the_order_of_the_suite():
    numbered = replace(SUITE, class_count=3, class_names=())
    levels = "{class 2: 0.9, default: 0.5, class 0: 0.3}"
    (demand,) = read(f"answers: {{at: {{probability: {levels}}}, share: {{min: 0.5}}}}", numbered)
    assert demand.request.at == OperatingPoint(
        "probability", 0.3, by_class=(("class 0", 0.3), ("class 1", 0.5), ("class 2", 0.9))
    )


def test_two_numbers_may_have_other_thresholds_of_classes():
    entries = "{at: {probability: {default: 0.3}}, share: {min: 0.5}}, {at: {probability: {default: 0.5}}, "
    demands = read(f"answers: [{entries}accuracy: {{min: 0.5}}}}]")
    assert [one.part for one in demands] == ["share@probability=per_class", "accuracy@probability=per_class"]
    assert [one.request.levels["dog"] for one in demands] == [0.3, 0.5]


def test_shares_of_unknown_sets_are_better_if_lower():
    text = "answers: {at: {probability: 0.5}, share: {max: 0.1}, set: SET}"
    for name, suite in (("birds", SUITE), ("flocks", SUITE), ("anything", UNKNOWN)):
        (demand,) = read(text.replace("SET", name), suite)
        assert (demand.better, demand.name) == ("low", f"answers.share@probability=0.5,set={name}[max]")


def test_an_extended_file_has_the_rule():
    base = "answers: {at: {probability: 0.9}, share: {min: 0.5}, accuracy: {min: 0.9}}"
    demands = read("extends: base.yaml\nanswers: {share: {min: 0.6}, accuracy: null}", base=base)
    assert [(one.name, one.bound) for one in demands] == [("answers.share@probability=0.9[min]", 0.6)]
    without = read("extends: base.yaml\nanswers: null\ndimensions: {accuracy: {min: 0.5}}", base=base)
    assert [one.name for one in without] == ["accuracy[min]"]
    other = "extends: base.yaml\nanswers: [{at: {energy: 0.5}, share: {min: 0.5}}]"
    assert [one.part for one in read(other, base=base)] == ["share@energy=0.5"]


def test_parity() -> None:
    assert read(PARITY)[1].request == parity_request("agreement", "fog")
    (clean,) = read("parity: {probability_change: {max: 0.05}, optional: true}")
    assert (clean.name, clean.optional) == ("parity.probability_change[max]", True)


def test_a_pipeline_in_front_of_the_model() -> None:
    demands = read(PIPELINE)
    assert not any(one.is_comparative for one in demands)
    assert demands[2].location == ("dimensions", "accuracy", 1, "max_drop")
    assert demands[2].request.on_own_preprocessing == demands[0].request
    assert demands[4].request == served("app", "agreement")
