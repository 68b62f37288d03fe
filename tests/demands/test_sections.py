"""The sections of a threshold file: what their entries ask for; see test_faults for what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from demands.test_faults import SUITE
from support.gate import threshold_error, thresholds
from support.requests import answer_request, class_request, confusion, parity_request, served

from quba_check.core.facts import SuiteFacts
from quba_check.core.request import EACH, MACRO, OperatingPoint
from quba_check.demands import Demand

NAMES = ("melanoma, malignant", "nevus", "benign", "wart")
SKIN = replace(SUITE, name="skin", class_count=4, class_names=NAMES, slices=())
UNKNOWN = SuiteFacts("toys", 4, (), (), {})
"""Facts from a record, which knows neither all classes nor all sets."""


def read(text: str, suite: SuiteFacts = SUITE, **others: str) -> tuple[Demand, ...]:
    return thresholds(text, suite, **others).demands


def test_slices():
    demands = read("""\
dimensions:
  accuracy:
    tier: warn
    slices:
      light: {worst: {min: 0.8}, gap: {max: 0.05, tier: info}, min_images: 20}
      top5: {worst: {min: 0.5}}
      light=night: {min: 0.75, max_drop: 2e-2, optional: true, min_groups: 3}
      light=night,camera=a.worst: {min: 0.5}
  calibration_error: {slices: {light: {worst: {max: 0.1}}, light=day: {max: 0.2}}}
""")
    assert [
        (one.name, one.request.slice, one.tier, one.better, one.min_images, one.min_groups) for one in demands
    ] == [
        ("accuracy@slice=light:worst[min]", "light", "warn", "high", 20, 10),
        ("accuracy@slice=light:gap[max]", "light", "info", "low", 20, 10),
        ("accuracy@slice=top5:worst[min]", "top5", "warn", "high", 50, 10),
        ("accuracy@slice=light=night[min]", "light=night", "warn", "high", 50, 3),
        ("accuracy@slice=light=night[max_drop]", "light=night", "warn", "high", 50, 3),
        (
            *("accuracy@slice=light=night,camera=a.worst[min]", "light=night,camera=a.worst"),
            *("warn", "high", 50, 10),
        ),
        ("calibration_error@slice=light:worst[max]", "light", "block", "low", 500, 10),
        ("calibration_error@slice=light=day[max]", "light=day", "block", "low", 500, 10),
    ]
    assert [one.request.kind for one in demands] == [
        "worst",
        "gap",
        "worst",
        *["value"] * 3,
        "worst",
        "value",
    ]
    assert [one.optional for one in demands] == [False] * 3 + [True] * 2 + [False] * 3
    base = "dimensions: {accuracy: {slices: {light: {worst: {min: 0.8}, gap: {max: 0.1}}}}}"
    (merged,) = read(
        "extends: base.yaml\ndimensions: {accuracy: {slices: {light: {gap: null, min_images: 9}}}}", base=base
    )
    assert (merged.name, merged.min_images) == ("accuracy@slice=light:worst[min]", 9)


def test_classes():
    demands = read(
        """\
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
""",
        SKIN,
    )
    at = OperatingPoint("probability", 0.3)
    assert [(one.request, one.tier, one.optional, one.better, one.line) for one in demands] == [
        (class_request(EACH, (), "recall"), "warn", False, "high", 3),
        (class_request("melanoma", (0,), "recall", "fog", at), "block", True, "high", 5),
        (class_request("melanoma", (0,), "recall", "fog", at), "block", True, "high", 5),
        (class_request("melanoma", (0,), "precision", "fog", at, 0.02), "info", True, "high", 7),
        (class_request("melanoma", (0,), "auroc", "fog"), "block", True, "high", 6),
        (
            class_request("nevus|benign", (1, 2), "f1", at=OperatingPoint("specificity", 0.9, "night")),
            *("block", False, "high", 12),
        ),
        (class_request(MACRO, (), "f1", "night"), "block", False, "high", 13),
        (confusion("melanoma", (0,), "nevus", (1,)), "block", False, "low", 14),
    ]
    assert [demand.target for demand in demands][-3:] == [
        "classes.nevus|benign.f1@specificity=0.9,from=night",
        "classes.macro.f1@set=night",
        "classes.not_as.melanoma.nevus",
    ]
    base = "classes: {melanoma: {recall: {min: 0.9}, at: {probability: 0.3}, tier: warn}}"
    (demand,) = read("extends: base.yaml\nclasses: {melanoma: {recall: {min: 0.95}}}", SKIN, base=base)
    assert (demand.request.at, demand.threshold, demand.tier) == (at, 0.95, "warn")


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


def test_answers():
    demands = read("""\
answers:
  at: {probability: 0.9}
  tier: warn
  share: {min: 0.75, max_drop: 0.05}
  accuracy: {min: 99e-2, tier: block, optional: true}
  aurc: {max: 0.02}
""")
    assert [(one.name, one.threshold, one.better, one.tier, one.optional, one.line) for one in demands] == [
        ("answers.share@probability=0.9[min]", 0.75, "high", "warn", False, 5),
        ("answers.share@probability=0.9[max_drop]", 0.05, "high", "warn", False, 5),
        ("answers.accuracy@probability=0.9[min]", 0.99, "high", "block", True, 6),
        ("answers.aurc[max]", 0.02, "low", "warn", False, 7),
    ]
    assert demands[2].request == answer_request("accuracy", "max_probability", 0.9)
    assert [one.part for one in read("answers: {aurc: {max: 0.02}}")] == ["aurc"], "it needs no rule"


@pytest.mark.parametrize(
    ("rule", "names", "request_"),
    [
        ("margin: 0.5", ["share@margin=0.5", "aurc@score=margin"], answer_request("share", "margin", 0.5)),
        ("energy: 10", ["share@energy=10", "aurc@score=energy"], answer_request("share", "energy", 10)),
        ("error: 0.01", ["share@error=0.01,confidence=0.95", "aurc"], answer_request("share", error=0.01)),
        (
            "error: 0.05, confidence: 0.9, score: max_logit",
            ["share@error=0.05,confidence=0.9,score=max_logit", "aurc@score=max_logit"],
            answer_request("share", "max_logit", None, 0.05, 0.9),
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


def test_shares_of_unknown_sets_are_better_if_lower():
    text = "answers: {at: {margin: 0.5}, share: {max: 0.1}, set: SET}"
    for name, suite in (("birds", SUITE), ("flocks", SUITE), ("anything", UNKNOWN)):
        (demand,) = read(text.replace("SET", name), suite)
        assert (demand.better, demand.name) == ("low", f"answers.share@margin=0.5,set={name}[max]")


def test_an_extended_file_has_the_rule():
    base = "answers: {at: {probability: 0.9}, share: {min: 0.5}, accuracy: {min: 0.9}}"
    demands = read("extends: base.yaml\nanswers: {share: {min: 0.6}, accuracy: null}", base=base)
    assert [(one.name, one.threshold) for one in demands] == [("answers.share@probability=0.9[min]", 0.6)]
    without = read("extends: base.yaml\nanswers: null\ndimensions: {accuracy: {min: 0.5}}", base=base)
    assert [one.name for one in without] == ["accuracy[min]"]
    other = "extends: base.yaml\nanswers: {at: {margin: 0.5, probability: null}, accuracy: null}"
    assert [one.part for one in read(other, base=base)] == ["share@margin=0.5"]
    assert threshold_error(other.replace(", probability: null", ""), SUITE, base=base) == (
        "x.yaml:3: answers.at: one rule is needed, got probability and margin. "
        "Allowed: one of probability, margin, max_logit, energy, error, accuracy, share."
    )


def test_parity():
    demands = read("""\
parity:
  agreement: {min: 0.98}
  negative_flips: {max: 0.005, tier: warn}
  set: [clean, fog]""")
    assert [(one.name, one.threshold, one.better, one.tier, one.line) for one in demands] == [
        ("parity.agreement[min]", 0.98, "high", "block", 3),
        ("parity.agreement@set=fog[min]", 0.98, "high", "block", 3),
        ("parity.negative_flips[max]", 0.005, "low", "warn", 4),
        ("parity.negative_flips@set=fog[max]", 0.005, "low", "warn", 4),
    ]
    assert demands[1].request == parity_request("agreement", "fog")
    (clean,) = read("parity: {probability_change: {max: 0.05}, optional: true}")
    assert (clean.name, clean.optional) == ("parity.probability_change[max]", True)


def test_a_pipeline_in_front_of_the_model():
    demands = read("""\
dimensions:
  accuracy:
    - {min: 0.8}
    - {pipeline: app, min: 0.8, max_drop: 0.01, slices: {light: {worst: {min: 0.7}}}}
parity: {pipeline: app, tier: warn, agreement: {min: 0.98, max_drop: 0.01}}
""")
    assert [(one.name, one.threshold, one.tier, one.line, one.is_comparative) for one in demands] == [
        ("accuracy[min]", 0.8, "block", 4, False),
        ("accuracy@pipeline=app[min]", 0.8, "block", 5, False),
        ("accuracy@pipeline=app[max_drop]", 0.01, "block", 5, False),
        ("accuracy@pipeline=app,slice=light:worst[min]", 0.7, "block", 5, False),
        ("parity.agreement@pipeline=app[min]", 0.98, "warn", 6, False),
        ("parity.agreement@pipeline=app[max_drop]", 0.01, "warn", 6, False),
    ]
    assert demands[2].location == ("dimensions", "accuracy", 1, "max_drop")
    assert demands[2].request.on_own_preprocessing == demands[0].request
    assert demands[4].request == served("app", "agreement")
