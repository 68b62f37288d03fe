"""Drops from a record that did not measure the number: as from one that did, or refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.conditions import write_suite
from support.gate import Gate
from support.tiny import CLASSES

from quba_check.cli.files import facts_of, read_run
from quba_check.gate.threshold_files import thresholds_at
from quba_check.records.per_image import PerImage
from quba_check.tuning.what_if import what_if

SMALL = "min_images: 1, min_groups: 1"
DEMANDS = """\
dimensions:
  accuracy:
    max_drop: 0.01
    slices: {site=b: {max_drop: 0.01, SMALL}, sex=f: {max_relative_drop: 1%, SMALL}}
classes:
  apple:
    recall: {max_drop: 0.01, slices: {sex=f: {max_drop: 0.01, SMALL}}}
    precision: {max_drop: 0.01}
    specificity: {max_drop: 0.01}
    npv: {max_relative_drop: 1%}
    f1: {max_drop: 0.01}
  apple|brick: [{prevalence: 0.3, precision: {max_drop: 0.01}}]
  each: {recall: {max_drop: 0.01}}
  macro: {f1: {max_drop: 0.01}}
  not_as: {apple: {brick: {max_drop: 0.01}}}
""".replace("SMALL", SMALL)
UNDEMANDED = "dimensions: {accuracy: {min: 0}}"
SHORT = "dimensions: {calibration_error: {max: 1}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("suite"))


@pytest.fixture
def suite_gate(gate: Gate, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.chdir(gate.root)
    return replace(gate, data=folder, model="acceptance.nets:other")


@pytest.mark.parametrize("text", [UNDEMANDED, SHORT])
def test_a_drop_from_answers_is_that_from_a_measured_value(suite_gate: Gate, text: str) -> None:
    drops = []
    for demanded in (text, DEMANDS):
        suite_gate.judge(demanded, model="acceptance.nets:net", record="before.json")
        drops.append([row.judged for row in suite_gate.judge(DEMANDS, baseline="before.json").verdicts])
    assert drops[0] == drops[1]
    assert sum(one is not None for one in drops[0]) >= 11


OF_EACH = "classes:\n  each: {recall: {max_drop: 0}}\n" + "".join(
    f"  {name}: {{recall: {{max_drop: 0}}}}\n" for name in CLASSES
)


@pytest.mark.parametrize("against", ["baseline", "reference", "what-if"])
def test_the_drop_of_any_class_is_that_of_the_class_with_the_largest(suite_gate: Gate, against: str) -> None:
    before = "acceptance.nets:net"
    suite_gate.judge(UNDEMANDED, model=before, record="before.json")
    compared = {"reference": before} if against == "reference" else {"baseline": "before.json"}
    record = suite_gate.judge(OF_EACH, record="after.json", **compared)
    if against == "what-if":
        run, baseline = (read_run(Path(f"{name}.json"), None) for name in ("after", "before"))
        text = thresholds_at(suite_gate.root / "x.yaml", facts_of(run.record))
        record = what_if(run, text, baseline).record
    each, *classes = (row.judged for row in record.verdicts)
    assert each.value == max(one.value for one in classes if one is not None)
    assert len(classes) == len(CLASSES)


def test_answers_by_image_are_needed_for_the_drop_of_any_class(suite_gate: Gate) -> None:
    text = "classes: {each: {set: night, recall: {max_drop: 0}}}"
    suite_gate.judge(text.replace("max_drop", "min"), model="acceptance.nets:net", record="before.json")
    (row,) = suite_gate.judge(text, baseline="before.json").verdicts
    assert row.outcome == "unmeasurable"
    assert row.explanation.reason.startswith(
        "before.json has no answers by image behind classes.each.recall@"
    )
    (row,) = suite_gate.judge(text, reference="acceptance.nets:net").verdicts
    assert row.judged is not None


def without_clean_hash(record: dict[str, Any]) -> None:
    del record["suite"]["contents"]["clean"]


def of_other_groups(record: dict[str, Any]) -> None:
    record["suite"]["sets"]["clean"]["groups"] = None


def of_unknown_slices(record: dict[str, Any]) -> None:
    record["suite"]["sets"]["clean"]["slices"] = None


REFUSED: dict[str, tuple[str, Callable[[dict[str, Any]], None] | None]] = {
    "the threshold needs probabilities": ("apple: {at: {probability: 0.3}, recall: {max_drop: 1%}}", None),
    "the ranking needs probabilities": ("apple: {auroc: {max_drop: 1%}}", None),
    "of another set": ("apple: {set: night, recall: {max_drop: 1%}}", None),
    "no hash of the images": ("apple: {recall: {max_drop: 1%}}", without_clean_hash),
    "other groups": ("apple: {recall: {max_drop: 1%}}", of_other_groups),
    "unknown slices": (
        f"apple: {{recall: {{slices: {{sex=f: {{max_drop: 1%, {SMALL}}}}}}}}}",
        of_unknown_slices,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_numbers_are_refused(suite_gate: Gate, case: str) -> None:
    demand, change = REFUSED[case]
    suite_gate.judge(UNDEMANDED, model="acceptance.nets:net", record="before.json")
    content = json.loads(Path("before.json").read_text(encoding="utf-8"))
    if change is not None:
        change(content)
        Path("before.json").write_text(json.dumps(content), encoding="utf-8")
    (row,) = suite_gate.judge(f"classes: {{{demand}}}", baseline="before.json").verdicts
    assert (row.outcome, row.judged) == ("unmeasurable", None)
    assert row.explanation.reason == (
        f"before.json has no value of {row.target}. Allowed: a record of a run that measured it"
    )


def test_answers_without_groups_are_refused(suite_gate: Gate) -> None:
    suite_gate.judge(UNDEMANDED, model="acceptance.nets:net", record="before.json")
    run = read_run(Path("before.json"), None)
    images = replace(run.images, groups={})
    Path("before.npz").write_bytes(images.to_bytes(run.record))
    (row,) = suite_gate.judge("classes: {apple: {recall: {max_drop: 1%}}}", baseline="before.json").verdicts
    assert row.outcome == "unmeasurable"


def test_a_recorded_accuracy_of_a_slice_outweighs_other_answers(suite_gate: Gate) -> None:
    record = suite_gate.judge(UNDEMANDED, model="acceptance.nets:net", record="before.json")
    run = read_run(Path("before.json"), None)
    clean = replace(run.images.clean, predicted=run.images.clean.label, confidence=None, loss=None)
    Path("before.npz").write_bytes(PerImage({}, clean, run.images.groups).to_bytes(record))
    text = f"dimensions: {{accuracy: {{slices: {{site=b: {{max_drop: 0.01, {SMALL}}}}}}}}}"
    (row,) = suite_gate.judge(text, baseline="before.json").verdicts
    first, *_ = row.explanation.details
    recorded = record.quantity("accuracy", "@slice=site=b")
    assert first.startswith(f"from {recorded.value:.3f} in before.json")
    assert first.endswith("unpaired")
