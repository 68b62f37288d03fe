"""Records of earlier versions, read with the names and the layout of this one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.gate import thresholds
from support.requests import class_request, on_slices, parity_request, value
from support.runs_compared import dropped_from

from quba_check.comparison.baseline import looser_demands
from quba_check.comparison.difference import RunValue
from quba_check.comparison.stored_run import StoredRun, stored_run
from quba_check.core.facts import SuiteFacts
from quba_check.core.measurement import Drop
from quba_check.core.request import OperatingPoint, Request
from quba_check.core.serving import Resize, ServingPipeline
from quba_check.errors import UserError
from quba_check.records.earlier import translated, with_served_accuracies
from quba_check.records.files import parse_record
from quba_check.records.measurement import UnmeasurableRow
from quba_check.tuning.what_if import what_if

FILE = Path(__file__).parent.parent / "acceptance" / "written_by_0_2" / "baseline" / "record.json"
CONTENT: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
SUITE = SuiteFacts(
    "small",
    3,
    ("sketch",),
    (),
    {"clean": None, "sketch": None},
    class_names=("apple", "brick", "cloud"),
    slices=("light",),
    serving={"app": ServingPipeline(jpeg=85, resize=Resize("opencv"))},
)
FILE_OF_NOW = """\
dimensions:
  accuracy:
    min: 0.5
    max_drop: 0.2
    slices:
      light: {worst: {min: 0.2}, gap: {max: 0.9}, min_images: 4}
      light=night: {min: 0.2, max_drop: 0.3, min_images: 4}
  class_balance: {max_relative_drop: 0.5}
  ood_robustness: {min: 0.1, parts: {sketch: {min: 0.1, max_drop: 0.5}}}
classes:
  brick: {recall: {min: 0.1, max_drop: 0.5}, at: {probability: 0.3}, set: sketch}
  each: {recall: {min: 0.0}}
answers: {at: {probability: 0.4}, share: {min: 0.1, max_drop: 0.5}}
parity:
  - {agreement: {min: 0.9}}
  - {pipeline: app, agreement: {min: 0.1}}
"""
"""The file of that record, with `serving` as it is written now."""


def earlier() -> StoredRun:
    return stored_run(FILE, "old.json", parse_record(FILE.read_bytes(), "old.json"), FILE.parent)


def test_the_same_file_states_the_same_demands_and_values() -> None:
    run = earlier()
    again = what_if(run, thresholds(FILE_OF_NOW, SUITE), run).record
    before, after = ({row.name: row for row in one.verdicts} for one in (run.record, again))
    assert list(before) == list(after)
    assert looser_demands(run.record.verdicts, again.verdicts) == []
    first_release = looser_demands(again.verdicts, run.record.verdicts)  # it had no baseline for drops
    assert all(text.endswith("] optional: true (was false)") for text in first_release)
    for name, row in before.items():
        assert (row.kind, row.requested) == (after[name].kind, after[name].requested), name
        if row.outcome == "pass" and row.judged is None:  # else it had another estimate of the worst slice
            assert (after[name].outcome, again.explained(after[name]).value) == (
                "pass",
                pytest.approx(run.record.explained(row).value),
            ), name
    looser = thresholds(FILE_OF_NOW.replace("gap: {max: 0.9}", "gap: {max: 0.95}"), SUITE)
    assert looser_demands(run.record.verdicts, what_if(run, looser).record.verdicts) == [
        "accuracy@slice=light:gap[max] <= 0.95 (was 0.9)"
    ]


@pytest.mark.parametrize(
    ("request_", "paired"),
    [
        (value("accuracy"), True),
        (value("ood_robustness", "sketch"), True),
        (class_request("brick", (1,), "recall", "sketch", OperatingPoint("probability", 0.3)), True),
        (replace(parity_request("agreement"), pipeline="app"), True),
        (on_slices("accuracy", "light=night"), False),  # its file has no influences of slices
    ],
)
def test_drops_from_it(request_: Request, paired: bool) -> None:
    """Against the same answers of another model, so that limits show the pairs."""
    run = earlier()
    after = run.value_of(request_.dimension, request_.part)
    assert isinstance(after, RunValue)
    loss = dropped_from(
        run, request_, replace(after, fingerprint="", answers=None, outputs=None), relative=False
    )
    assert isinstance(loss, Drop)
    assert (loss.value, loss.paired) == (0, paired)


@pytest.mark.parametrize("with_accuracy", [True, False])
def test_a_drop_behind_a_pipeline_becomes_an_accuracy(with_accuracy: bool) -> None:
    own = {"value": 0.75, "unit": "fraction", "n": 4, "limits": [0.0] * 33, "parts": {}, "unsliced": {}}
    parts = {"app.accuracy_drop": own | {"value": 0.25}}
    if with_accuracy:
        parts["app.accuracy"] = own | {"value": 0.5}
    demand = CONTENT["verdicts"][0] | {"dimension": "serving", "part": "app.accuracy_drop", "bound": "max"}
    rows = {"accuracy": own, "parity": own, "serving": own | {"parts": parts}}
    record = translated({"measurements": rows, "verdicts": [demand]})
    (served,) = record["measurements"]["accuracy"]["parts"].items()
    assert (served[0], served[1]["value"]) == ("@pipeline=app", 0.5)
    assert (served[1]["limits"] is None) != with_accuracy
    (row,) = record["verdicts"]
    assert (row["dimension"], row["part"], row["bound"]) == ("accuracy", "@pipeline=app", "max_drop")


def test_influences_of_a_drop_behind_a_pipeline_become_those_of_the_accuracy() -> None:
    own, served = (np.array(one) - np.mean(one) for one in ([1, 1, 1, 0], [1, 0, 1, 0]))
    stored = {"accuracy": {"clean": own}, "serving.app.accuracy_drop": {"clean": own - served}}
    influences = with_served_accuracies(stored)["accuracy@pipeline=app"]
    assert influences["clean"] == pytest.approx(served)


def test_reasons_of_slices_and_of_requests() -> None:
    reason = {"unmeasurable": "why", "missing_data": False}
    names = {"light=fog": reason, "camera": reason, "cat.recall@set=fog": reason, "cat.f1": reason}
    row = {"value": 1.0, "slices": {"light=day": {}, "file=a.gap": {}}, "gaps": {}, "unsliced": names}
    rows = translated({"measurements": {"accuracy": row, "classes": row}})["measurements"]
    assert rows["accuracy"]["slices"]["light"] == {
        "values": {"light=day": {}},
        "unmeasured": {"light=fog": reason},
    }
    assert rows["accuracy"]["slices"]["camera"] == {"reason": reason}
    assert rows["classes"]["unmeasured"] == dict.fromkeys(("camera", "cat.recall@set=fog", "cat.f1"), reason)
    (verdict,) = translated(
        {"measurements": {}, "verdicts": [{"dimension": "accuracy", "part": "slices.file=a.gap"}]}
    )["verdicts"]
    assert (verdict["part"], verdict["kind"]) == ("@slice=file=a.gap", "value")


@pytest.mark.parametrize(
    ("row", "masked"),
    [
        ({"notes": ["masked: no gradient", "a remark"]}, ("no gradient",)),
        ({"notes": ["masked: no gradient"], "masked": []}, ()),
        ({"notes": ["a remark"]}, ()),
        ({}, ()),
    ],
)
def test_older_records_report_masking_in_notes(row: dict[str, Any], masked: tuple[str, ...]) -> None:
    assert measured(row | {"value": 0.5, "unit": "ratio"}).masked == masked


def test_older_records_of_some_of_the_images_have_no_value() -> None:
    early = {"images": 1024, "of": 50_000, "passes": False, "alpha": 0.025}
    row = {"value": 0.5, "unit": "fraction", "parts": {}, "stopped": early}
    reason = "stopped early after 1,024 of 50,000 images: its value over all of them is unknown"
    assert measured(row) == UnmeasurableRow(unmeasurable=reason)
    assert measured(row | {"stopped": None}).value == 0.5


@pytest.mark.parametrize(("is_compiled", "arithmetic"), [(False, "cpu, fp32"), (True, "cpu, fp32, compile")])
def test_a_compiled_run_has_a_runtime(is_compiled: bool, arithmetic: str) -> None:
    compute = {"precision": "fp32", "channels_last": True, "compiled": is_compiled}
    compute |= {"requested": "auto", "reason": "a rule"}
    environment = CONTENT["environment"] | {"compute": compute}
    content = CONTENT | {"measurements": {}, "environment": environment}
    assert parse_record(json.dumps(content).encode(), "old.json").environment.arithmetic == arithmetic


def measured(row: dict[str, Any]) -> Any:
    content = CONTENT | {"measurements": {"accuracy": row}}
    return parse_record(json.dumps(content).encode(), "old.json").measurements["accuracy"]


@pytest.mark.parametrize(
    "rows",
    [
        {"accuracy": {"unsliced": 3}},
        {"accuracy": {"stopped": {"images": "many"}}},
        {"accuracy": {"notes": [1]}},
        {"accuracy": {"unsliced": {}, "slices": [1]}},
        {"serving": {"parts": {"app.agreement": 1}}, "parity": "value"},
        {"serving": {"value": 1, "parts": {"app.accuracy": 1}}, "accuracy": ["value"]},
    ],
)
def test_a_damaged_record_is_refused(rows: object) -> None:
    with pytest.raises(UserError, match="not a record"):
        parse_record(json.dumps(CONTENT | {"measurements": rows}).encode(), "old.json")


def test_influences_have_the_present_names() -> None:
    images = earlier().images
    assert images is not None
    assert "parity.agreement@pipeline=app" in images.influences
    assert np.isclose(sum(images.influences["parity.agreement@pipeline=app"]["clean"]), 0, atol=1e-6)
