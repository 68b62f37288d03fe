"""The sections `answers`, `parity` and `serving`: their demands, and the exact text for each mistake."""

from __future__ import annotations

import pytest
from support.requests import answer_request, parity_request, serving_request

from quba_check.core.facts import SuiteFacts
from quba_check.core.serving import ServingPipeline
from quba_check.demands import read_thresholds
from quba_check.errors import ThresholdError

SUITE = SuiteFacts(
    "toys", 10, ("night",), ("fog",), {"clean": None, "night": None, "corruptions": None}, slices=()
)
SHOP = SuiteFacts("shop", 2, (), (), {"clean": None}, slices=(), serving={"app": ServingPipeline(jpeg=85)})


@pytest.fixture
def read(tmp_path):
    def read(text, suite=SUITE, **others):
        for name, content in {"gate": text, **others}.items():
            (tmp_path / f"{name}.yaml").write_text(f"schema: 1\n{content}")
        return read_thresholds(tmp_path / "gate.yaml", label="gate.yaml", suite=suite).demands

    return read


def test_numbers_at_a_threshold(read):
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
def test_rules(read, rule, names, request_):
    demands = read(f"answers: {{at: {{{rule}}}, share: {{min: 0.5}}, aurc: {{max: 0.1}}}}\n")
    assert [one.part for one in demands] == names
    assert demands[0].request == request_


def test_the_area_needs_no_rule(read):
    assert [one.part for one in read("answers: {aurc: {max: 0.02}}\n")] == ["aurc"]


def test_an_extended_file_has_the_rule(read):
    base = "answers: {at: {probability: 0.9}, share: {min: 0.5}, accuracy: {min: 0.9}}\n"
    demands = read("extends: base.yaml\nanswers: {share: {min: 0.6}, accuracy: null}\n", base=base)
    assert [(one.name, one.threshold, one.line) for one in demands] == [
        ("answers.share@probability=0.9[min]", 0.6, 3)
    ]
    without = read("extends: base.yaml\nanswers: null\ndimensions: {accuracy: {min: 0.5}}\n", base=base)
    assert [one.name for one in without] == ["accuracy[min]"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "answers: {share: {min: 0.75}}\n",
            "2: answers.at: one rule is needed, got none. "
            "Allowed: one of probability, margin, max_logit, energy, error.",
        ),
        (
            "answers:\n  at: {probability: 0.9, error: 0.01}\n  share: {min: 0.75}\n",
            "3: answers.at: one rule is needed, got probability and error. "
            "Allowed: one of probability, margin, max_logit, energy, error.",
        ),
        (
            "answers:\n  at: {score: margin}\n  share: {min: 0.75}\n",
            "3: answers.at: one rule is needed, got none. "
            "Allowed: one of probability, margin, max_logit, energy, error.",
        ),
        (
            "answers:\n  at:\n    probability: 0.9\n    score: margin\n  share: {min: 0.75}\n",
            "5: answers.at.score: it applies to 'error' only, got probability. "
            "Allowed: probability alone, or error, confidence and score.",
        ),
        (
            "answers:\n  at: {probability: 0.9}\n",
            "2: answers: nothing is demanded, got at. "
            "Allowed: share, accuracy, aurc, each with min or max, max_drop or max_relative_drop.",
        ),
        (
            "answers: {at: {probability: 1.5}, share: {min: 0.75}}\n",
            "2: answers.at.probability: got 1.5. Allowed: at most 1.",
        ),
        (
            "answers: {at: {error: 0}, share: {min: 0.75}}\n",
            "2: answers.at.error: got 0. Allowed: more than 0.",
        ),
        (
            "answers: {at: {error: 1}, share: {min: 0.75}}\n",
            "2: answers.at.error: got 1. Allowed: less than 1.",
        ),
        (
            "answers: {at: {error: 0.1, confidence: 95}, share: {min: 0.75}}\n",
            "2: answers.at.confidence: got 95. Allowed: at most 0.9999.",
        ),
        (
            "answers: {at: {error: 0.1, score: logit}, share: {min: 0.75}}\n",
            "2: answers.at.score: got text 'logit'. Allowed: max_probability, margin, max_logit, energy. "
            "Did you mean 'max_logit'?",
        ),
        (
            "answers: {at: {probability: 0.9}, share: {max: 0.75}}\n",
            "2: answers.share max: higher is better here. Allowed: min.",
        ),
        (
            "answers: {at: {probability: 0.9}, share: {min: 75}}\n",
            "2: answers.share min 75 can never be met: fractions end at 1. Did you mean 0.75?",
        ),
        (
            "answers: {at: {probability: 0.9}, share: {min: 0.7, slices: {a: {}}}}\n",
            "2: answers.share: unknown key 'slices'. "
            "Allowed: min, max, max_drop, max_relative_drop, tier, optional, waive.",
        ),
    ],
)
def test_errors_of_answers(read, text, message):
    with pytest.raises(ThresholdError) as caught:
        read(text)
    assert str(caught.value) == f"gate.yaml:{message}"


def test_two_rules_of_two_files(read):
    base = "answers: {at: {probability: 0.9}, share: {min: 0.5}}\n"
    with pytest.raises(ThresholdError) as caught:
        read("extends: base.yaml\nanswers: {at: {margin: 0.5}}\n", base=base)
    assert str(caught.value) == (
        "gate.yaml:3: answers.at: one rule is needed, got probability and margin. "
        "Allowed: one of probability, margin, max_logit, energy, error."
    )
    demands = read("extends: base.yaml\nanswers: {at: {margin: 0.5, probability: null}}\n", base=base)
    assert [one.part for one in demands] == ["share@margin=0.5"]


def test_each_set_is_judged_by_each_demand(read):
    demands = read("""\
parity:
  agreement: {min: 0.98}
  negative_flips: {max: 0.005, tier: warn}
  sets: [clean, fog]""")
    assert [(one.name, one.threshold, one.better, one.tier, one.line) for one in demands] == [
        ("parity.agreement[min]", 0.98, "high", "block", 3),
        ("parity.negative_flips[max]", 0.005, "low", "warn", 4),
        ("parity.agreement@set=fog[min]", 0.98, "high", "block", 3),
        ("parity.negative_flips@set=fog[max]", 0.005, "low", "warn", 4),
    ]
    assert demands[2].request == parity_request("agreement", "fog")


def test_the_default_is_the_clean_set(read):
    (demand,) = read("parity: {probability_change: {max: 0.05}, optional: true}")
    assert (demand.name, demand.optional) == ("parity.probability_change[max]", True)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "sets: [clean]",
            "2: parity: nothing is demanded, got sets. Allowed: agreement, negative_flips, "
            "probability_change, each with min or max, and sets.",
        ),
        (
            "agreement: {min: 1}, sets: []",
            "2: parity: nothing is demanded, got no sets. Allowed: agreement, negative_flips, "
            "probability_change, each with min or max, and sets.",
        ),
        (
            "agreement: {min: 1}, sets: [nigt]",
            "2: parity.sets: the suite 'toys' has no such labelled set, got 'nigt'. "
            "Allowed: clean, night, fog. Did you mean 'night'?",
        ),
        ("agreement: {max: 1}", "2: parity.agreement max: higher is better here. Allowed: min."),
        (
            "negative_flips: {max: 5}",
            "2: parity.negative_flips max 5 would always be met: fractions end at 1. Did you mean 0.05?",
        ),
        (
            "agrement: {min: 0}",
            "2: parity: unknown key 'agrement'. Did you mean 'agreement'? Allowed: agreement, "
            "negative_flips, probability_change, tier, optional, sets.",
        ),
    ],
)
def test_errors_of_parity(read, entry, message):
    with pytest.raises(ThresholdError) as caught:
        read(f"parity: {{{entry}}}")
    assert str(caught.value) == f"gate.yaml:{message}"


def test_accuracy_and_its_drop_are_two_demands(read):
    section = (
        "serving:\n  app:\n    tier: warn\n    agreement: {min: 0.98, max_drop: 0.01}\n"
        "    accuracy:\n      min: 0.8\n      max_drop: 0.01\n      tier: block\n"
    )
    found = [(one.name, one.threshold, one.tier, one.line) for one in read(section, SHOP)]
    assert found == [
        ("serving.app.agreement[min]", 0.98, "warn", 5),
        ("serving.app.agreement[max_drop]", 0.01, "warn", 5),
        ("serving.app.accuracy[min]", 0.8, "block", 7),
        ("serving.app.accuracy_drop[max]", 0.01, "block", 8),
    ]
    drop = read(section, SHOP)[-1]
    assert drop.request == serving_request("app", "accuracy_drop")
    assert drop.location == ("serving", "app", "accuracy", "max_drop")
    assert not drop.needs_baseline
    alone = read("serving:\n  app: {accuracy: {max_drop: 0.01}}", SHOP)
    assert [one.name for one in alone] == ["serving.app.accuracy_drop[max]"]


def test_names_are_not_checked_without_a_suite(read):
    unknown = SuiteFacts("", 0, (), (), {})
    (demand,) = read("serving:\n  phone: {agreement: {min: 0.9}}", unknown)
    assert demand.name == "serving.phone.agreement[min]"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "ap: {agreement: {min: 0.9}}",
            "serving: the suite 'shop' has no pipeline 'ap'. Allowed: app. Did you mean 'app'?",
        ),
        (
            "app: {tier: warn}",
            "serving.app: nothing is demanded, got tier. Allowed: agreement, negative_flips, "
            "probability_change, accuracy, each with min, max or max_drop.",
        ),
        (
            "app: {accuracy: {max_relative_drop: 0.1}}",
            "serving.app.accuracy: unknown key 'max_relative_drop'. Did you mean 'max_drop'? "
            "Allowed: min, max_drop, waive, tier, optional.",
        ),
        ("app: {accuracy: {max_drop: 1}}", "serving.app.accuracy.max_drop: got 1. Allowed: less than 1."),
        ("app: {agreement: {max: 0.5}}", "serving.app.agreement max: higher is better here. Allowed: min."),
    ],
)
def test_mistakes(read, section, message):
    with pytest.raises(ThresholdError) as caught:
        read(f"serving:\n  {section}", SHOP)
    assert str(caught.value) == f"gate.yaml:3: {message}"


def test_a_suite_without_pipelines(read):
    with pytest.raises(ThresholdError) as caught:
        read("serving:\n  app: {agreement: {min: 0.9}}", SuiteFacts("shop", 2, (), (), {}, slices=()))
    assert str(caught.value) == (
        "gate.yaml:3: serving: the suite 'shop' has no pipeline 'app'. Declare it in its manifest."
    )
