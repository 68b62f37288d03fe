"""Findings about threshold files: every schema error, and demands that no sample decides."""

import hashlib
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.gate import FACTS, thresholds
from support.tuned import quantity, record
from syrupy.assertion import SnapshotAssertion

from quba_check.core.facts import SuiteFacts
from quba_check.demands.bounds import today
from quba_check.demands.profiles import DEMO_THRESHOLDS, shipped_profiles
from quba_check.records.baselines import Approval, write_baseline
from quba_check.records.record import Record
from quba_check.suites.opening import published_facts
from quba_check.tuning.lint import demand_warnings, lint_file


def warnings(text: str) -> list[str]:
    return [f"{finding.severity}: {finding.text}" for finding in demand_warnings(thresholds(text))]


def linted(text: str, suite: SuiteFacts = FACTS, run: Record | None = None, base: str = "") -> list[str]:
    """Return the findings of `x.yaml`, which may extend `base.yaml`."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {"x": text, "base": base}.items():
            Path(folder, f"{name}.yaml").write_text(content, encoding="utf-8")
        findings = lint_file(Path(folder, "x.yaml"), "x.yaml", suite, run)[1]
    return [f"{finding.severity}: {finding.text}" for finding in findings]


def test_all_errors(snapshot: SnapshotAssertion) -> None:
    """One file has an error of every kind: each entry is checked by itself."""
    text = """schema: 1
extends: base.yaml
nme: x
dimensions:
  acuracy: {min: 0.5}
  accuracy: {min: 93, parts: {top9: {min: 1}, top5: {max: 0.5}}}
  parameters: {max: ten, tier: blok}
  flops: {mx: 3}
  class_balance: {optional: true}
classes:
  each: {set: clean}
  macro: {f1: {min: 93}}
answers: {share: {min: 0.9}}
quba: {weights: {accuracy: -1, speed: 1}, population: publshed}
"""
    base = "schema: 1\ndimensions: {calibration_error: {min: 0.1}}\n"
    assert "\n".join(linted(text, base=base)) == snapshot


def test_needless_waivers_of_a_record() -> None:
    waive = f"waive: {{until: {today()}, by: ann, reason: r, at_least: 0.1}}"
    text = (
        f"schema: 1\ndimensions:\n  accuracy: {{min: 0.8, {waive}}}\n"
        f"  corruption_robustness: {{min: 0.7, {waive}}}\n"
    )
    findings = linted(text, run=record())
    assert [one for one in findings if not one.startswith("ahead")] == [
        "error: x.yaml:3: accuracy[min] is met by r50 without its waiver. Remove 'waive'."
    ]


def approve(content: Record, time: str) -> None:
    """Approve a record as the baseline `release` of the current folder."""
    data = content.to_json().encode()
    approval = Approval(time, "ann", "", "r50", "pass", (), hashlib.sha256(data).hexdigest())
    write_baseline(Path("baselines/release"), data, None, approval)


def test_a_drop_from_the_stated_baseline_needs_no_waiver(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    waive = f"waive: {{until: {today()}, by: ann, reason: r, at_most: 0.1}}"
    text = f"schema: 1\nbaseline: release\ndimensions:\n  accuracy: {{max_drop: 0.01, {waive}}}\n"
    needless = "error: x.yaml:4: accuracy[max_drop] is met by r50 without its waiver. Remove 'waive'."
    assert needless not in linted(text, run=record(0.8))
    for before, is_needless in ((0.85, False), (0.8, True)):
        approve(record(before), str(today()))
        assert (needless in linted(text, run=record(0.8))) == is_needless


def test_what_matters_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    approve(record(), str(today() - timedelta(days=91)))
    last, later = (today() + timedelta(days=days) for days in (14, 15))
    waive = "waive: {{until: {}, by: ann, reason: r, at_least: 0.1}}"
    text = (
        f"schema: 1\nbaseline: release\ndimensions:\n  accuracy: {{min: 0.7, tier: warn}}\n"
        f"  corruption_robustness: {{min: 0.3}}\n  shape_bias: {{min: 0.9, {waive.format(last)}}}\n"
        f"  class_balance: {{min: 0.9, {waive.format(later)}}}\n"
    )
    ending = f"ahead: x.yaml:6: the waiver of shape_bias[min] ends in 14 days: waived until {last} by ann: r"
    assert linted(text) == [ending]
    assert linted(text, run=record()) == [
        ending,
        "ahead: x.yaml: a regression would pass, with the bound more than 5 standard errors away: "
        "corruption_robustness[min] by 0.320",
        "ahead: x.yaml: the baseline release is 91 days old. Approve the model that is in use",
    ]


@pytest.mark.parametrize(
    ("slices", "uncertain", "noted"), [(5, "point", True), (4, "point", False), (5, "allow", False)]
)
def test_the_worst_of_many_slices(slices: int, uncertain: str, noted: bool) -> None:
    worst = "accuracy: {min: 0.7, slices: {light: {worst: {min: 0.5}}}}"
    values = {f"light={number}": quantity(0.6, 0.05, "fraction") for number in range(slices)}
    row = quantity(0.9, 0.01, "fraction", better="high", parts={}, slices={"light": {"values": values}})
    findings = linted(
        f"schema: 1\nuncertain: {uncertain}\ndimensions:\n  {worst}\n",
        replace(FACTS, slices=("light",)),
        record(measurements={"accuracy": row}),
    )
    note = (
        "note: x.yaml:4: accuracy@slice=light:worst[min] judges the worst of 5. If all are at the bound, "
        "it fails in 96.9 % of runs under 'uncertain: point'. Use 'allow'."
    )
    assert [one for one in findings if one.startswith("note")] == [note] * noted


def test_the_smallest_failure_among_many_demands() -> None:
    """1 - 0.025 / 5 is the share below 2.576 standard errors."""
    sets = ", ".join(f"{{set: s{number}, min: 0.5}}" for number in range(5))
    text = f"schema: 1\nuncertain: allow\ndimensions: {{accuracy: [{sets}]}}\n"
    assert linted(text) == [
        "note: x.yaml: 'uncertain: allow' shows a failure of one of 5 blocking demands from about 2.6 "
        "standard errors beyond its bound on"
    ]
    assert linted(text.replace("set: s0, min: 0.5", "set: s0, min: 0.5, tier: warn")) == []


def test_an_error_of_an_extended_file_is_reported_once() -> None:
    """What a file adds to a wrong entry is no error of its own."""
    base = (
        "schema: 1\ndimensions: {accuracy: {min: 93}, shape_bias: {min: x}}\nclasses: {each: {recall: 1}}\n"
    )
    text = """schema: 1
extends: base.yaml
dimensions: {accuracy: {tier: warn}, shape_bias: {optional: true}}
classes: {each: {tier: warn}}
"""
    places = [line.split(": ")[1] for line in linted(text, base=base)]
    assert places == ["base.yaml:2", "base.yaml:3", "base.yaml:2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "x.yaml:1: got a list. Allowed: keys with values."),
        ("schema: 2\nnme: x\n", "x.yaml:1: schema: got 2. Allowed: 1. "),
        (
            "schema: 1\nprotocol: released\ndimensions: {accuracy: {min: 0.5}}\n",
            "x.yaml: states protocol released, but the values of r50 are of protocol standard. "
            "Allowed: a file that states standard, or no protocol.",
        ),
    ],
)
def test_one_error_of_the_whole_file(text: str, message: str) -> None:
    (finding,) = linted(text, run=record())
    assert finding.startswith(f"error: {message}")


@pytest.mark.parametrize(
    "text",
    [
        "dimensions: {accuracy: {min: 0}}",
        "dimensions: {accuracy: {min: 1}}\nuncertain: fail",
        "dimensions: {accuracy: {min: 0.8, max_drop: 0}}",  # √(2 · 0.8 · 0.2 / 10⁶) / 4 = 0.00014
        "dimensions: {accuracy: {min: 0.8, max_relative_drop: 0.01%}}",
    ],
)
def test_undecidable_demands(text: str, snapshot: SnapshotAssertion) -> None:
    (warning,) = warnings(text)
    assert warning == snapshot


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
    assert warnings(text) == []


@pytest.mark.parametrize("path", [*shipped_profiles().values(), DEMO_THRESHOLDS], ids=lambda path: path.stem)
def test_shipped_files_have_no_finding(path: Path) -> None:
    assert lint_file(path, path.name, published_facts())[1] == []


def test_a_drop_of_a_class_next_to_that_of_any_class() -> None:
    """It replaces it only if it is waived."""
    waiver = f"{{until: {today()}, by: ann, reason: new, at_most: 0.1}}"
    text = f"""schema: 1
classes:
  each: {{recall: {{max_drop: 0.01}}}}
  a: {{recall: {{max_drop: 0.01, waive: {waiver}}}}}
  b: {{recall: {{max_drop: 0.05}}}}
"""
    suite = replace(FACTS, class_count=3, class_names=("a", "b", "c"))
    assert [text for text in linted(text, suite) if text.startswith("note")] == [
        "note: x.yaml:4: classes.a.recall[max_drop]: classes.each.recall[max_drop] in line 3 leaves this "
        "class out, which its own waived demand judges",
        "note: x.yaml:5: classes.b.recall[max_drop]: classes.each.recall[max_drop] in line 3 applies too: "
        "only a demand that is waived, and no looser, replaces it",
    ]
