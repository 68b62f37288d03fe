"""Demands of the section `answers`: names, inheritance, and what is refused."""

from __future__ import annotations

import pytest

from quba_check.core.facts import SuiteFacts
from quba_check.core.requests import AnswerRequest
from quba_check.demands import read_thresholds
from quba_check.errors import ThresholdError

SUITE = SuiteFacts("toys", 10, (), (), {})


@pytest.fixture
def read(tmp_path):
    def read(text, **others):
        for name, content in {"gate": text, **others}.items():
            (tmp_path / f"{name}.yaml").write_text(f"schema: 1\n{content}")
        return read_thresholds(tmp_path / "gate.yaml", label="gate.yaml", suite=SUITE).demands

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
    assert demands[2].request == AnswerRequest("accuracy", "max_probability", 0.9)


@pytest.mark.parametrize(
    ("rule", "names", "request_"),
    [
        ("margin: 0.5", ["share@margin=0.5", "aurc@score=margin"], AnswerRequest("share", "margin", 0.5)),
        ("energy: 10", ["share@energy=10", "aurc@score=energy"], AnswerRequest("share", "energy", 10)),
        ("error: 0.01", ["share@error=0.01,confidence=0.95", "aurc"], AnswerRequest("share", error=0.01)),
        (
            "error: 0.05, confidence: 0.9, score: max_logit",
            ["share@error=0.05,confidence=0.9,score=max_logit", "aurc@score=max_logit"],
            AnswerRequest("share", "max_logit", None, 0.05, 0.9),
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
def test_errors(read, text, message):
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
