"""The head of the page, changes since the baseline, and provenance."""

from __future__ import annotations

from typing import Any

import pytest
from support.runs_compared import stored
from support.tuned import record

from quba_check.comparison.misclassified import flips
from quba_check.comparison.stored_run import StoredRun
from quba_check.page.changes import Changes, changes
from quba_check.page.columns import columns
from quba_check.page.demands import demands
from quba_check.page.header import WORDS, CardView, cards
from quba_check.page.provenance import SourceView, set_rows, sources
from quba_check.page.reference import Reference
from quba_check.records.record import Record
from quba_check.records.verdict import EXIT_CODES

VERDICT: dict[str, Any] = {
    "id": "x.yaml::accuracy[min]",
    "dimension": "accuracy",
    "part": None,
    "bound": "min",
    "limit": 0.95,
    "tier": "block",
    "outcome": "fail",
    "file": "x.yaml",
    "line": 3,
}
GRADE: dict[str, Any] = {
    "file": "x.yaml",
    "score": 0.512,
    "percentile": 71.2,
    "letter": "B",
    "population": "published",
    "protocol_of_population": "released",
    "complete": True,
    "models": 326,
}


def card_of(content: Record, baseline: StoredRun | None = None) -> CardView:
    shown = columns([StoredRun("r.json", content)])
    rows = demands(shown, baseline, Reference(None), {})
    (card,) = cards(shown, rows, changes(shown, baseline))
    return card


def test_every_verdict_has_words() -> None:
    assert set(WORDS) == set(EXIT_CODES)
    assert len({word for word, _, _ in WORDS.values()}) == len(WORDS)


@pytest.mark.parametrize(
    ("changed", "word", "kind", "counts"),
    [
        ({"verdicts": [VERDICT]}, "FAIL", "bad", "0 of 1 demand passed, 1 failed"),
        ({"verdicts": [VERDICT | {"tier": "warn"}]}, "PASS", "good", "0 of 1 demand passed, 1 warned"),
        ({"verdicts": [VERDICT | {"outcome": "pass"}] * 2}, "PASS", "good", "2 of 2 demands passed"),
        (
            {"verdicts": [VERDICT | {"outcome": "pass"}], "unselected": 2},
            "PARTIAL",
            "open",
            "1 of 1 demand passed, 2 not selected",
        ),
        (
            {"verdicts": [VERDICT | {"outcome": "uncertain", "policy": "fail"}]},
            "UNCERTAIN",
            "warn",
            "0 of 1 demand passed, 1 uncertain",
        ),
        (
            {"verdicts": [VERDICT | {"outcome": "not run"}]},
            "INCOMPLETE",
            "open",
            "0 of 1 demand passed, 1 not run",
        ),
        (
            {"verdicts": [VERDICT], "interrupted": True},
            "INTERRUPTED",
            "open",
            "0 of 1 demand passed, 1 failed",
        ),
        ({}, "NOT JUDGED", "open", "no demands"),
    ],
)
def test_the_verdict_in_words(changed: dict[str, Any], word: str, kind: str, counts: str) -> None:
    card = card_of(record(**changed))
    assert (card.word, card.kind, card.counts) == (word, kind, counts)


def test_reservations_follow_the_verdict() -> None:
    sets = {"clean": {"images": 1000, "found": 10_000}}
    suite = {"name": "tiny", "root": "/data", "fingerprint": "1", "sets": sets}
    warnings = ["the baseline failed"]
    passed = record(verdicts=[VERDICT | {"outcome": "pass"}], suite=suite, warnings=warnings)
    assert card_of(passed).meaning == (
        "This model may be released: it meets every blocking demand. Judged on 1,000 of 10,000 images. "
        "Warning: the baseline failed."
    )
    failed = record(verdicts=[VERDICT], suite=suite)
    assert card_of(failed).meaning == "This model must not be released."


def test_blocking_demands_are_linked() -> None:
    assert card_of(record(verdicts=[VERDICT])).blocking == (("accuracy", "d=accuracy"),)
    assert card_of(record(verdicts=[VERDICT | {"tier": "info"}])).blocking == ()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ("B", "", "score 0.51, 71st percentile of published (326 models)")),
        (
            {"interval": (0.1, 0.9), "letters": ("A", "B", "C")},
            ("B", "A to C", "score 0.51 (0.10 to 0.90), 71st percentile of published (326 models)"),
        ),
        (
            {
                "score": None,
                "percentile": None,
                "letter": None,
                "missing": ("shape_bias",),
                "complete": False,
            },
            ("", "", "not graded: missing shape_bias"),
        ),
        (
            {"percentile": None, "letter": None, "not_graded": "another suite"},
            ("", "", "score 0.512, not graded: another suite"),
        ),
        ({"score": float("nan"), "not_graded": "no number"}, ("", "", "not graded: no number")),
        (
            {"complete": False, "missing": ("shape_bias",), "cross_protocol": ("adversarial_robustness",)},
            (
                "B",
                "",
                "score 0.51, 71st percentile of published (326 models); partial, without shape_bias; "
                "cross-protocol: adversarial_robustness",
            ),
        ),
    ],
)
def test_the_grade_in_words(changed: dict[str, Any], expected: tuple[str, str, str]) -> None:
    (grade,) = card_of(record(grades=[GRADE | changed])).grades
    assert (grade.letter, grade.spans, grade.text) == expected


def test_equal_grades_are_shown_once() -> None:
    both = [GRADE, GRADE | {"file": "y.yaml"}, GRADE | {"score": 0.4}]
    assert [grade.text[:10] for grade in card_of(record(grades=both)).grades] == ["score 0.51", "score 0.40"]


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        ("2026-01-02T03:04:05+00:00", "2 Jan 2026, 03:04 UTC"),
        ("2026-12-31T23:59:00+01:00", "31 Dec 2026, 23:59 UTC+01:00"),
        ("yesterday", "yesterday"),
    ],
)
def test_dates(time: str, shown: str) -> None:
    environment = record().environment.model_dump() | {"time": time}
    assert card_of(record(environment=environment)).date == shown


def changes_of(before: StoredRun, after: StoredRun) -> Changes:
    (row,) = changes(columns([after]), before)
    return row


def test_changes_with_flipped_images() -> None:
    before, after = stored("a.json", [0, 1, 2] * 20), stored("b.json", [0, 1, 1] * 20)
    change = changes_of(before, after)
    assert change.summary == "worse: accuracy; 20 images lost, 0 gained"
    line = change.lines[0]
    assert (line.name, *line.cells[:3], line.row.finding) == (
        "accuracy",
        "1.000",
        "0.667",
        "-0.333",
        "worse",
    )
    assert line.flips == "20 lost, 0 gained, p = 1.9e-06"
    assert (change.lost, change.gained, change.hidden) == (20, 0, 0)
    first = change.flipped[0]
    assert (first.path, first.kind, first.label, first.before, first.after) == (
        "cat/2.png",
        "lost",
        "cat",
        "cat",
        "bee",
    )
    assert flips(after, before)[0].kind == "gained"
    assert change.command == "quba-check compare a.json b.json --flips flips.csv"


def test_a_long_list_of_flips_is_cut() -> None:
    change = changes_of(stored("a.json", [0, 1, 2] * 100), stored("b.json", [1, 1, 1] * 100))
    assert (change.lost, len(change.flipped), change.hidden) == (200, 60, 140)


def test_changes_without_predictions() -> None:
    change = changes_of(stored("a.json", [0, 1, 2]), stored("b.json", [0, 1, 1], images=False))
    assert change.lost is None
    assert change.unknown.startswith("b.json: its predictions on clean images are neither next to it")
    assert change.summary == "worse: accuracy"
    same = changes_of(stored("a.json", [0, 1, 2], images=False), stored("b.json", [0, 1, 2], images=False))
    assert same.summary == "no dimension changed by more than noise"


def test_runs_that_cannot_be_compared() -> None:
    other = record().suite.model_dump() | {"name": "other"}
    change = changes_of(stored("a.json", [0, 1, 2]), StoredRun("b.json", record(suite=other)))
    assert change.lines == ()
    assert change.problem.startswith(
        "a.json and b.json cannot be compared: they differ in suite (tiny and other)"
    )
    assert change.summary == "not comparable with r50 (a.json)"


def source_of(baseline: StoredRun | None = None, **changed: Any) -> SourceView:
    (source,) = sources(columns([StoredRun("r.json", record(**changed))]), baseline)
    return source


def test_missing_dimensions_have_reasons() -> None:
    measurements = {"accuracy": {"unmeasurable": "no images"}, "shape_bias": {"not_measured": True}}
    missing = source_of(measurements=measurements).missing
    assert missing == (("accuracy", "no images"), ("shape_bias", "no selected demand needs it"))


def test_findings_of_the_doctor() -> None:
    assert source_of().findings is None
    assert source_of(findings=[]).findings == ()
    (finding,) = source_of(findings=[{"severity": "problem", "title": "a\nb", "text": "c\nd"}]).findings or ()
    assert (finding.severity, finding.title, finding.text) == ("problem", "a\\nb", "c\nd")


def test_inputs_with_their_text() -> None:
    inputs = [
        {"kind": "threshold file", "path": "x.yaml", "sha256": "ab" * 32, "text": "schema: 1\n\tx: 2\n"},
        {"kind": "manifest", "path": "q.yaml", "sha256": "cd" * 32, "text": "x" * 25_000},
        {"kind": "baseline", "path": "b.json", "sha256": "ef" * 32, "text": None},
    ]
    first, second, third = source_of(inputs=inputs).inputs
    assert (first.path, first.digest, first.text, first.cut) == (
        "x.yaml",
        "ab" * 32,
        "schema: 1\n    x: 2",
        0,
    )
    assert (len(second.text), second.cut) == (20_000, 5_000)
    assert third.text == ""


def test_commands_to_recompute() -> None:
    words = ["pytest", "--model=a b.pt", "-q"]
    commands = dict(source_of(stored("old.json", [0, 1, 2]), command=words).commands)
    assert commands == {
        "Measure again": "pytest '--model=a b.pt' -q",
        "Print the verdict again, with the exit code of the gate": "quba-check verdict r.json",
        "Make this page again": "quba-check report r.json --baseline old.json -o report.html",
    }


def test_a_command_made_of_the_settings() -> None:
    environment = record().environment.model_dump() | {"precision": "bf16"}
    commands = dict(source_of(verdicts=[VERDICT], limit=50, environment=environment).commands)
    assert commands["Measure again"] == (
        "pytest --model=r50.pt --quba-data=/data --quba-limit=50 --quba-precision=bf16 "
        "--quba-thresholds=x.yaml"
    )


def test_compute_settings_in_words() -> None:
    chosen = {
        "precision": "bf16",
        "channels_last": True,
        "compiled": False,
        "batch_size": 16,
        "requested": "auto",
        "reason": "half precision flips no answer",
        "images": 256,
        "flipped": 0,
        "gain": 1.9,
    }
    plain = {
        "precision": "fp32",
        "channels_last": False,
        "compiled": True,
        "requested": "fp32",
        "reason": "x",
    }
    environment = record().environment.model_dump()
    texts = [
        dict(source_of(environment=environment | {"compute": compute}).facts)["compute settings"]
        for compute in (chosen, plain)
    ]
    assert texts == [
        "bf16, channels_last, batches of 16 (half precision flips no answer, 0 of 256 answers flipped)",
        "fp32, compiled (x)",
    ]


@pytest.mark.parametrize(
    ("requested", "option"),
    [("auto", ""), ("fp32", "--quba-precision=fp32 "), ("bf16", "--quba-precision=bf16 ")],
)
def test_a_command_states_the_requested_precision(requested: str, option: str) -> None:
    compute = {
        "precision": "bf16",
        "channels_last": False,
        "compiled": False,
        "requested": requested,
        "reason": "a test",
    }
    environment = record().environment.model_dump() | {"precision": "bf16", "compute": compute}
    commands = dict(source_of(verdicts=[VERDICT], environment=environment).commands)
    assert commands["Measure again"] == (
        f"pytest --model=r50.pt --quba-data=/data {option}--quba-thresholds=x.yaml"
    )


def test_hashes_are_grouped() -> None:
    contents = {"clean": "a" * 32, "sketch": "b" * 32, "fog/1": "a" * 32}
    suite = record().suite.model_dump() | {"contents": contents, "classes": "c" * 32}
    model = record().model.model_dump() | {"files": {"r50.pt": "d" * 64}}
    assert source_of(suite=suite, model=model).hashes == (
        ("0" * 32, "model"),
        ("1" * 32, "suite"),
        ("c" * 32, "class list"),
        ("d" * 64, "file r50.pt (sha256)"),
        ("a" * 32, "images of clean, fog/1"),
        ("b" * 32, "images of sketch"),
    )


def test_sets_of_all_records() -> None:
    one = record().suite.model_dump() | {"sets": {"clean": {"images": 400, "expected": 500, "found": 500}}}
    other = record().suite.model_dump() | {
        "sets": {"fog": {"images": 9, "expected": 10, "generated": "generated@48"}}
    }
    shown = columns([StoredRun("a.json", record(suite=one)), StoredRun("b.json", record(suite=other))])
    assert set_rows(shown) == (
        ("clean", "400 of 500", "–"),
        ("fog", "–", "9, 10 expected, generated@48"),
    )


def test_sets_with_fast_preprocessing_are_named() -> None:
    sets = {
        "clean": {"images": 4, "preprocessing": "fast"},
        "sketch": {"images": 4, "preprocessing": "exact"},
    }
    facts = dict(source_of(suite=record().suite.model_dump() | {"sets": sets}).facts)
    assert facts["prepared by the faster code"] == "JPEG files of clean"
    assert "prepared by the faster code" not in dict(source_of().facts)
