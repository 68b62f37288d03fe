"""The section `classes` of a threshold file: its demands, and a message for each mistake."""

from dataclasses import replace

import pytest
from support.requests import class_request, confusion

from quba_check.core.facts import SuiteFacts
from quba_check.core.request import EACH, MACRO, OperatingPoint
from quba_check.core.view import CORRUPTIONS
from quba_check.demands import read_thresholds
from quba_check.errors import ThresholdError

NAMES = ("melanoma, malignant", "nevus", "benign", "wart")
SPACES = {"clean": None, "corruptions": None, "night": None, "sketch": "fewer"}
SKIN = SuiteFacts(
    "skin", 4, ("night", "sketch"), CORRUPTIONS, SPACES, class_names=NAMES, unknown=("near",), slices=()
)
ALLOWED = "Allowed: melanoma, nevus, benign, wart"


@pytest.fixture
def read(tmp_path):
    def read(classes, suite=SKIN, **others):
        for name, text in {"gate": classes, **others}.items():
            head = "schema: 1\n" if name != "gate" or not others else "schema: 1\nextends: base.yaml\n"
            (tmp_path / f"{name}.yaml").write_text(f"{head}classes:\n  {text}\n")
        return read_thresholds(tmp_path / "gate.yaml", label="gate.yaml", suite=suite).demands

    return read


def test_the_whole_section(read):
    demands = read("""\
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
""")
    at, together = OperatingPoint("probability", 0.3), (2, 1)
    expected = [
        class_request(EACH, (), "recall"),
        class_request("melanoma", (0,), "recall", "fog", at),
        class_request("melanoma", (0,), "recall", "fog", at),
        class_request("melanoma", (0,), "precision", "fog", at, 0.02),
        class_request("melanoma", (0,), "auroc", "fog"),
        class_request("benign|nevus", together, "f1", at=OperatingPoint("specificity", 0.9, "night")),
        class_request(MACRO, (), "f1", "night"),
        confusion("melanoma", (0,), "nevus", (1,)),
    ]
    assert [demand.request for demand in demands] == expected
    assert [demand.target for demand in demands][-3:] == [
        "classes.benign|nevus.f1@specificity=0.9,from=night",
        "classes.macro.f1@set=night",
        "classes.not_as.melanoma.nevus",
    ]
    assert [demand.tier for demand in demands] == ["warn", "block", "block", "info", *["block"] * 4]
    assert [demand.optional for demand in demands] == [False, True, True, True, True, *[False] * 3]
    assert [demand.better for demand in demands] == [*["high"] * 7, "low"]
    assert [demand.line for demand in demands] == [3, 5, 5, 7, 6, 12, 13, 14]


def test_an_extending_file_replaces_single_values(read):
    base = "melanoma: {recall: {min: 0.9}, at: {probability: 0.5}, tier: warn}"
    (demand,) = read("melanoma: {recall: {min: 0.95}}", base=base)
    assert demand.request.at == OperatingPoint("probability", 0.5)
    assert (demand.threshold, demand.tier) == (0.95, "warn")


def test_classes_with_the_names_of_keys(read):
    """Entries of them are demands like others; under `not_as` they are classes, not settings."""
    suite = replace(SKIN, class_names=("slices", "tier", "copy", "wart"))
    demands = read(
        """\
slices: {recall: {min: 0.5}}
  copy: {recall: {min: 0.5}}
  not_as: {copy: {tier: {max: 0.1}}, tier: {slices: {max: 0.1, optional: true}}}
""",
        suite,
    )
    assert [(demand.request.slice, demand.tier) for demand in demands] == [("", "block")] * 4
    assert [demand.optional for demand in demands] == [False, False, False, True]


NAMED_AS_KEYS = replace(SKIN, class_names=("macro, mean", "each", "not_as", "wart"))


def test_classes_named_as_keys_are_written_as_groups(read):
    text = """\
macro|: {recall: {min: 0.5}}
  each|: {recall: {min: 0.5}}
  macro|not_as: {recall: {min: 0.5}}
  wart: {recall: {min: 0.5}}
"""
    demands = read(text, NAMED_AS_KEYS)
    assert [demand.request.classes for demand in demands] == [(0,), (1,), (0, 2), (3,)]
    assert demands[0].name == "classes.macro|.recall[min]"


def test_unknown_facts_are_not_checked(read):
    """Records know neither all classes nor all sets."""
    facts = SuiteFacts("skin", 4, (), CORRUPTIONS, {})
    demands = read("melanom: {recall: {min: 0.9}, set: day}", facts)
    assert demands[0].part == "melanom.recall@set=day"


WIDE = replace(SKIN, class_count=10_000, class_names=tuple(f"c{k}" for k in range(10_000)))
SAMPLED = replace(SKIN, samples_corruptions=True)
SETS = f"Allowed: clean, night, {', '.join(CORRUPTIONS)}."


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (
            "melanom: {recall: {min: 0.9}}",
            f"classes: the suite 'skin' has no class 'melanom'. Did you mean 'melanoma'? {ALLOWED}.",
        ),
        (
            "not_as: {melanoma: {wort: {max: 0.1}}}",
            f"classes.not_as.melanoma: the suite 'skin' has no class 'wort'. Did you mean 'wart'? {ALLOWED}.",
        ),
        (
            "nevus|nevus: {recall: {min: 0.9}}",
            "classes: 'nevus|nevus' names a class twice. Allowed: each class once.",
        ),
        (
            "melanoma|nevus|benign|wart: {recall: {min: 0.9}}",
            "classes: 'melanoma|nevus|benign|wart' is every class. Allowed: all classes but one at most.",
        ),
        (
            "not_as: {melanoma: {nevus|melanoma: {max: 0.1}}}",
            "classes.not_as.melanoma.nevus|melanoma: a class cannot be mistaken for itself, got "
            "'nevus|melanoma'. Allowed: other classes.",
        ),
        (
            "melanoma: {recall: {min: 0.9}, at: {probability: 1.5}}",
            "classes.melanoma.at.probability: got 1.5. Allowed: at most 1.",
        ),
        (
            "melanoma: {precision: {min: 0.9}, prevalence: 0}",
            "classes.melanoma.prevalence: got 0. Allowed: more than 0.",
        ),
        (
            "melanoma: {recal: {min: 0.9}}",
            "classes.melanoma: unknown key 'recal'. Did you mean 'recall'? Allowed: recall, precision, "
            "f1, set, "
            "tier, optional, specificity, npv, auroc, at, prevalence.",
        ),
        (
            "each: {auroc: {min: 0.9}}",
            "classes.each: unknown key 'auroc'. Allowed: recall, precision, f1, set, tier, optional, "
            "specificity.",
        ),
        (
            "macro: {f1: {min: 0.9}, at: {probability: 0.5}}",
            "classes.macro: unknown key 'at'. Allowed: recall, precision, f1, set, tier, optional.",
        ),
        (
            "melanoma: {at: {probability: 0.5}}",
            "classes.melanoma: nothing is demanded, got at. Allowed: recall, specificity, precision, npv, "
            "f1, "
            "auroc, each with min, max_drop or max_relative_drop.",
        ),
        (
            "each: {tier: warn}",
            "classes.each: nothing is demanded, got tier. Allowed: recall, specificity, precision, f1, "
            "each with "
            "min, max_drop or max_relative_drop.",
        ),
        (
            "melanoma: {recall: {}}",
            "classes.melanoma.recall: nothing is demanded. Allowed: min, max, max_drop or max_relative_drop.",
        ),
        (
            "melanoma: {recall: {max: 0.9}}",
            "classes.melanoma.recall max: higher is better here. Allowed: min.",
        ),
        (
            "not_as: {melanoma: {nevus: {min: 0.9}}}",
            "classes.not_as.melanoma.nevus min: lower is better here. Allowed: max.",
        ),
        (
            "melanoma: {auroc: {min: 0.9}, at: {probability: 0.5}}",
            "classes.melanoma.at: it applies to no demand. Allowed: together with recall or specificity or "
            "precision or npv or f1.",
        ),
        (
            "melanoma: {recall: {min: 0.9}, prevalence: 0.5}",
            "classes.melanoma.prevalence: it applies to no demand. Allowed: together with precision or npv.",
        ),
        (
            "melanoma: {recall: {min: 0.9}, at: {specificity: 0.9}}",
            "classes.melanoma.at: got specificity. Allowed: probability, or specificity or recall with from.",
        ),
        (
            "melanoma: {recall: {min: 0.9}, at: {probability: 0.9, from: night}}",
            "classes.melanoma.at: got probability, from. Allowed: probability, or specificity or recall with "
            "from.",
        ),
        (
            "melanoma: {recall: {min: 0.9}, at: {specificity: 0.9, from: clean}}",
            "classes.melanoma.at.from: the threshold would be chosen on the images that it is judged on, got "
            "clean for the set clean. Allowed: night.",
        ),
        (
            "melanoma: {recall: {min: 0.9}, set: frost, at: {specificity: 0.9, from: fog}}",
            "classes.melanoma.at.from: the threshold would be chosen on the images that it is judged on, got "
            "fog for the set frost. Allowed: night.",
        ),
        (
            "melanoma: {recall: {min: 0.9}, set: fogg}",
            f"classes.melanoma.set: the suite 'skin' has no such labelled set, got 'fogg'. "
            f"{SETS} Did you mean 'fog'?",
        ),
        (
            "melanoma: {recall: {min: 0.9}, set: sketch}",
            f"classes.melanoma.set: its labels are not the model's classes, got 'sketch'. {SETS}",
        ),
        (
            "melanoma: {recall: {min: 0.9}, set: unknown/near}",
            f"classes.melanoma.set: the suite 'skin' has no such labelled set, got 'unknown/near'. {SETS}",
        ),
    ],
)
def test_messages(read, classes, message):
    with pytest.raises(ThresholdError) as caught:
        read(classes)
    assert str(caught.value) == f"gate.yaml:3: {message}"


@pytest.mark.parametrize(
    ("suite", "classes", "message"),
    [
        (
            WIDE,
            "melanoma: {recall: {min: 0.9}}",
            "classes: the suite 'skin' has no class 'melanoma'. Allowed: c0, c1, c2, c3, c4, c5, c6, c7, "
            "c8, c9 "
            "and 9990 more.",
        ),
        (
            SAMPLED,
            "nevus: {recall: {min: 0.9}, set: fog}",
            "classes.nevus.set: each image is shown under one of all corruptions, got 'fog'. Allowed: "
            "clean, night.",
        ),
        (
            replace(SKIN, spaces={"clean": None}),
            "nevus: {recall: {min: 0.9}, set: fog}",
            "classes.nevus.set: the suite 'skin' has no such labelled set, got 'fog'. "
            "Allowed: clean, "
            "night, sketch.",
        ),
        *(
            (
                NAMED_AS_KEYS,
                f"{key}: {{recall: {bounds}}}",
                f"classes: '{key}' is a key of this section and a class of the suite 'skin'. Allowed: "
                f"'{key}|' for the class. To use the key, rename the class.",
            )
            for key, bounds in (
                ("macro", "{min: 0.5}"),
                ("each", "{min: 0.5}"),
                ("not_as", "{wart: {max: 1}}"),
            )
        ),
        (SKIN, "nevus||: {recall: {min: 0.9}}", f"classes: the suite 'skin' has no class ''. {ALLOWED}."),
        (
            replace(SKIN, shifts=()),
            "nevus: {recall: {min: 0.9}, at: {recall: 0.9, from: fog}}",
            "classes.nevus.at.from: the threshold would be chosen on the images that it is judged on, got "
            "fog for "
            "the set clean. Allowed: another set, and the suite has none.",
        ),
    ],
)
def test_messages_of_other_suites(read, suite, classes, message):
    with pytest.raises(ThresholdError) as caught:
        read(classes, suite)
    assert str(caught.value) == f"gate.yaml:3: {message}"
