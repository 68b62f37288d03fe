"""The lines of an unmet demand, and the command that shows its cause."""

import pytest
from support.rows import verdict
from support.tuned import record

from quba_check.core.explanation import Explanation
from quba_check.reports.notes import record_notes
from quba_check.reports.unmet_demands import next_step, unmet_lines

COMMAND = ["pytest", "-q", "--model", "m.pt", "--quba-data=my photos", "--quba-record=r.json", "gate.yaml"]
PATH = "runs/a.json"
INPUTS = [{"kind": "baseline", "path": "baselines/release/record.json", "sha256": "0" * 64}]


def step(name, outcome="fail", *, inputs=(), command=COMMAND, path=PATH, **explained):
    settings = {key: explained.pop(key) for key in ("key", "policy", "within_noise") if key in explained}
    explanation = Explanation(**{"headline": "short", "path": "gate.yaml", "line": 3} | explained)
    row = verdict(name, 0.5, outcome, explanation=explanation, **settings)
    run = record(verdicts=[row], inputs=list(inputs), command=list(command))
    return next_step(run.verdicts[0], run, path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "accuracy"}, "failures runs/a.json"),
        ({"name": "accuracy", "images": {"slice": "kids=True"}}, "failures runs/a.json --slice kids=True"),
        (
            {"name": "classes.cat.recall", "images": {"class": "tabby cat", "predicted": "dog"}},
            "failures runs/a.json --class 'tabby cat' --predicted dog",
        ),
        ({"name": "unknown_detection", "images": {"set": "near"}}, "failures runs/a.json --set near"),
        (
            {"name": "accuracy", "key": "max_drop", "inputs": INPUTS},
            "failures runs/a.json --baseline baselines/release/record.json",
        ),
        (
            {"name": "shape_bias", "key": "max_drop", "inputs": INPUTS},
            "compare baselines/release/record.json runs/a.json",
        ),
        (
            {"name": "unknown_detection", "key": "max_drop", "inputs": INPUTS, "images": {"set": "near"}},
            "compare baselines/release/record.json runs/a.json",
        ),
        # Of a reference there is no record.
        ({"name": "accuracy", "key": "max_drop"}, "failures runs/a.json"),
        ({"name": "corruption_robustness"}, "report runs/a.json --pictures=6 -o report.html"),
        (
            {"name": "classes.cat.recall", "images": {"set": "night"}},
            "report runs/a.json --pictures=6 -o report.html",
        ),
        ({"name": "parameters"}, "published recommend gate.yaml --record runs/a.json"),
        ({"name": "quba.grade"}, "report runs/a.json --to text"),
        ({"name": "accuracy", "outcome": "uncertain"}, "lint gate.yaml --record runs/a.json"),
        ({"name": "accuracy", "within_noise": True, "policy": "fail"}, "lint gate.yaml --record runs/a.json"),
        (
            {"name": "object_focus", "outcome": "unmeasurable", "reason": "no images"},
            "doctor --model m.pt '--quba-data=my photos' --quba-record=r.json gate.yaml",
        ),
        (
            {
                "name": "object_focus",
                "outcome": "unmeasurable",
                "reason": "no images",
                "command": ("pytest", "--model", "of the project", "--quba-model", "m.pt"),
            },
            "doctor --quba-model m.pt gate.yaml",
        ),
        (
            {"name": "object_focus", "outcome": "unmeasurable", "reason": "no images", "command": ()},
            "report runs/a.json --to text",
        ),
    ],
)
def test_next_steps(arguments, words):
    assert step(**arguments) == f"quba-check {words}"


@pytest.mark.parametrize("outcome", ["pass", "skipped", "not run"])
def test_met_demands_and_those_without_a_verdict_have_none(outcome):
    assert step("accuracy", outcome) == ""


def test_without_a_file_there_is_none():
    assert step("accuracy", path="") == ""


def test_a_note_is_shown_once():
    explanation = {
        "headline": "accuracy 0.4 is below 0.5",
        "details": ["worst"],
        "sample": ["n = 10 images"],
        "notes": ["score: energy", "judged 2 of 3 slices"],
        "path": "gate.yaml",
        "line": 3,
    }
    run = record(verdicts=[verdict("accuracy", 0.5, "fail", explanation=explanation)])
    lines_above = {"score: energy"}
    assert [*unmet_lines(run.verdicts[0], lines_above)] == [
        "accuracy 0.4 is below 0.5 [gate.yaml:3]",
        "  worst",
        "  judged 2 of 3 slices",
    ]
    assert lines_above == {"worst", "score: energy", "judged 2 of 3 slices"}
    measured = run.measured["accuracy"].model_copy(update={"notes": ("score: energy", "several labels")})
    run = run.model_copy(update={"measurements": {"accuracy": measured}})
    assert [note for note in record_notes(run, lines_above=lines_above) if "accuracy" in note] == [
        "accuracy: several labels"
    ]
