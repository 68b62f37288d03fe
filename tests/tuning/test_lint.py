"""Findings about threshold files: every schema error, and demands that no sample decides."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.gate import FACTS, thresholds
from support.tuned import quantity, record

from quba_check.demands.bounds import today
from quba_check.demands.profiles import DEMO_THRESHOLDS, shipped_profiles
from quba_check.suites.opening import published_facts
from quba_check.tuning.lint import LintFinding, demand_warnings, lint_file


def texts(text: str) -> list[str]:
    return [f"{finding.severity}: {finding.text}" for finding in demand_warnings(thresholds(text))]


def linted(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return [finding.text for finding in lint_file(path, "x.yaml", FACTS)[1]]


def test_all_errors_of_the_schema(tmp_path: Path) -> None:
    text = (
        "schema: 1\ndimensions:\n  accuracy: {min: 93 percent, tier: blok}\n  parameters: {mx: 3}\nnme: x\n"
    )
    assert linted(tmp_path, text) == [
        "x.yaml:3: dimensions.accuracy.min: got text '93 percent'. Allowed: a number, or a percentage such "
        "as 2%.",
        "x.yaml:3: dimensions.accuracy.tier: got text 'blok'. Allowed: block, warn, info. "
        "Did you mean 'block'?",
        "x.yaml:4: dimensions.parameters: unknown key 'mx'. Did you mean 'max'? Allowed: min, max, max_drop, "
        "max_relative_drop, tier, optional, waive, parts, slices.",
        "x.yaml:5: unknown key 'nme'. Did you mean 'name'? Allowed: schema, name, extends, protocol, "
        "baseline, uncertain, confidence, dimensions, classes, answers, parity, serving, quba.",
    ]


def test_needless_waivers_of_a_record(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    waive = f"waive: {{until: {today()}, by: ann, reason: r, at_least: 0.1}}"
    path.write_text(
        f"schema: 1\ndimensions:\n  accuracy: {{min: 0.8, {waive}}}\n"
        f"  corruption_robustness: {{min: 0.7, {waive}}}\n"
    )
    assert [finding.text for finding in lint_file(path, "x.yaml", FACTS, record())[1]] == [
        "x.yaml:3: accuracy[min] is met by r50 without its waiver. Remove 'waive'."
    ]


@pytest.mark.parametrize(
    ("slices", "uncertain", "noted"), [(5, "point", True), (4, "point", False), (5, "allow", False)]
)
def test_the_worst_of_many_slices(tmp_path: Path, slices: int, uncertain: str, noted: bool) -> None:
    path = tmp_path / "x.yaml"
    worst = "accuracy: {min: 0.7, slices: {light: {worst: {min: 0.5}}}}"
    path.write_text(f"schema: 1\nuncertain: {uncertain}\ndimensions:\n  {worst}\n")
    values = {f"light={number}": quantity(0.6, 0.05, "fraction") for number in range(slices)}
    row = quantity(0.9, 0.01, "fraction", better="high", parts={}, slices=values)
    facts = replace(FACTS, slices=("light",))
    findings = lint_file(path, "x.yaml", facts, record(measurements={"accuracy": row}))[1]
    assert (
        findings
        == [
            LintFinding(
                "note",
                "x.yaml:4: accuracy.slices.light.worst[min] judges the worst of 5. If all are at the bound, "
                "it fails in 96.9 % of runs under 'uncertain: point'. Use 'allow'.",
            )
        ]
        * noted
    )


def test_all_other_errors(tmp_path: Path) -> None:
    """One file has an error of every kind: each entry is checked by itself."""
    (tmp_path / "base.yaml").write_text("schema: 1\ndimensions: {calibration_error: {min: 0.1}}\n", "utf-8")
    text = """schema: 1
extends: base.yaml
dimensions:
  acuracy: {min: 0.5}
  accuracy: {min: 93, parts: {top9: {min: 1}, top5: {max: 0.5}}}
  parameters: {max: ten}
  class_balance: {optional: true}
classes:
  each: {set: clean}
  macro: {f1: {min: 93}}
answers: {share: {min: 0.9}}
quba: {weights: {accuracy: -1, speed: 1}, population: publshed}
"""
    assert [re.split(" Allowed(:| on)", line)[0] for line in linted(tmp_path, text)] == [
        "x.yaml:6: dimensions.parameters.max: got text 'ten'.",
        "base.yaml:2: calibration_error min: lower is better here.",
        "x.yaml:4: unknown dimension 'acuracy'. Did you mean 'accuracy'?",
        "x.yaml:5: accuracy min 93 can never be met: fractions end at 1. Did you mean 0.93?",
        "x.yaml:5: accuracy has no part 'top9'. Did you mean 'top5'?",
        "x.yaml:5: accuracy.top5 max: higher is better here.",
        "x.yaml:7: dimensions.class_balance.optional: it applies to no demand.",
        "x.yaml:9: classes.each: nothing is demanded, got set.",
        "x.yaml:10: classes.macro.f1 min 93 can never be met: fractions end at 1. Did you mean 0.93?",
        "x.yaml:11: answers.at: one rule is needed, got none.",
        "x.yaml:12: quba.weights.accuracy: got -1.",
        "x.yaml:12: quba.weights: 'speed' is not in the QUBA score.",
        "x.yaml:12: quba.population: no such name or file, got 'publshed'. Did you mean 'published'?",
    ]


def test_an_error_of_an_extended_file_is_reported_once(tmp_path: Path) -> None:
    """What a file adds to a wrong entry is no error of its own."""
    base = (
        "schema: 1\ndimensions: {accuracy: {min: 93}, shape_bias: {min: x}}\nclasses: {each: {recall: 1}}\n"
    )
    (tmp_path / "base.yaml").write_text(base, "utf-8")
    text = """schema: 1
extends: base.yaml
dimensions: {accuracy: {tier: warn}, shape_bias: {optional: true}}
classes: {each: {tier: warn}}
"""
    assert [line.partition(": ")[0] for line in linted(tmp_path, text)] == [
        "base.yaml:2",
        "base.yaml:3",
        "base.yaml:2",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "x.yaml:1: got a list. Allowed: keys with values."),
        ("schema: 1\ndimensions: {acuracy: {min: 1}}\n", "x.yaml:2: unknown dimension 'acuracy'."),
        (
            "schema: 1\n\ndimensions: {accuracy: {min: 93}}\n",
            "x.yaml:3: accuracy min 93 can never be met: fractions end at 1. Did you mean 0.93?",
        ),
        ("schema: 2\nnme: x\n", "x.yaml:1: schema 2 is newer than this version of quba-check reads."),
    ],
)
def test_other_errors(tmp_path: Path, text: str, message: str) -> None:
    (finding,) = linted(tmp_path, text)
    assert finding.startswith(message)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "dimensions: {accuracy: {min: 0}}",
            "x.yaml:2: accuracy >= 0: even with 1,000,000 images it does not block any model in 80 % of runs",
        ),
        (
            "dimensions: {accuracy: {min: 1}}\nuncertain: fail",
            "x.yaml:2: accuracy >= 1: even with 1,000,000 images it does not pass any model in 80 % of runs",
        ),
        (
            "dimensions: {accuracy: {min: 0.8, max_drop: 0}}",
            # √(2 · 0.8 · 0.2 / 10⁶) / 4 = 0.00014
            "x.yaml:2: accuracy drop <= 0: even with 1,000,000 images the noise of a drop is about "
            "0.014 points, more than the bound: chance decides about models as good as the baseline",
        ),
        (
            "dimensions: {accuracy: {min: 0.8, max_relative_drop: 0.01%}}",
            "x.yaml:2: accuracy relative drop <= 0.0001: even with 1,000,000 images the noise of a drop is "
            "about 0.018 %, more than the bound: chance decides about models as good as the baseline",
        ),
    ],
)
def test_undecidable_demands(text: str, warning: str) -> None:
    assert texts(text) == [f"warning: {warning}"]


@pytest.mark.parametrize(
    "text",
    [
        "dimensions: {accuracy: {min: 0, tier: info}}",
        "dimensions: {accuracy: {min: 0.8, max_drop: 0}}\nuncertain: allow",
        "dimensions: {accuracy: {min: 1}}",
        "dimensions: {parameters: {max: 0}}",
        "quba: {min_grade: A}",
    ],
)
def test_decidable_demands(text: str) -> None:
    assert texts(text) == []


@pytest.mark.parametrize("path", [*shipped_profiles().values(), DEMO_THRESHOLDS], ids=lambda path: path.stem)
def test_shipped_files_have_no_finding(path: Path) -> None:
    assert lint_file(path, path.name, published_facts())[1] == []


def test_another_protocol_than_the_record(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("schema: 1\nprotocol: released\ndimensions: {accuracy: {min: 0.5}}\n", encoding="utf-8")
    read, (finding,) = lint_file(path, "x.yaml", FACTS, record())
    assert read is None
    assert finding == LintFinding(
        "error",
        "x.yaml: states protocol released, but the values of r50 are of protocol standard. "
        "Allowed: a file that states standard, or no protocol.",
    )
