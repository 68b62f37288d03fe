"""The text of the terminal report."""

import re

import pytest
from support.gate import terminal_text
from support.rows import GRADE, verdict
from support.tuned import record as tuned

from quba_check.core.explanation import Explanation
from quba_check.core.view import CORRUPTIONS
from quba_check.reports.notes import record_notes
from quba_check.reports.tables import fit_encoding
from quba_check.reports.terminal import render

DEFAULT = "thresholds/default.yaml"


def value(number, unit="ratio", **more):
    return {"value": number, "unit": unit, "better": "high", "n": 1000, **more}


def demand(name, bound, outcome="pass", *, part=None, file=DEFAULT, **changes):
    target = f"{name}.{part}" if part else name
    named = {"id": f"{file}::{target}[{changes.get('key', 'min')}]", "file": file, "threshold_file": file}
    return verdict(target, bound, outcome, **named, **changes)


def grade(score=0.412, **changes):
    return GRADE | {"file": DEFAULT, "score": score, "percentile": 78.53, "population": "published"} | changes


def record(measurements, verdicts=(), grades=(), *, sets=None, **changes):
    base = tuned()
    content = {
        "model": base.model.model_dump() | {"parameters": 25557032, "classes": 1000},
        "suite": {"name": "imagenet", "root": "/data", "fingerprint": "s", "sets": sets or {}},
        "environment": base.environment.model_dump() | {"device": "cuda"},
        "measurements": measurements,
        "verdicts": list(verdicts),
        "grades": list(grades),
    }
    return tuned(**content | changes)


def wide(number, low, high, unit="ratio", **more):
    return value(number, unit, interval=[low, high], **more)


REASON = (
    "class_balance needs two images in every class; 980 of 1000 classes have fewer (first: class 0 has 0, "
    "class 1 has 0, class 2 has 0 and 977 more)"
)
MEASUREMENTS = {
    "accuracy": value(0.8123, "fraction", parts={"top5": value(0.95, "fraction")}),
    "adversarial_robustness": value(
        0.1432,
        parts={"fgsm": value(0.3), "pgd": value(0.05), "fgsm_accuracy": value(0.02, "fraction")},
        notes=["masked: 3.2 % of images have no input gradient"],
    ),
    "corruption_robustness": value(
        0.412, parts={name: value(0.312 + 0.02 * k) for k, name in enumerate(reversed(CORRUPTIONS))}
    ),
    "ood_robustness": value(
        0.61, parts={"sketch": value(0.4), "edge": value(0.7), "sketch_accuracy": value(0.2, "fraction")}
    ),
    "calibration_error": value(
        0.0123,
        "fraction",
        better="low",
        parts={"ece": value(0.03, "fraction", better="low"), "ace": value(0.005, "fraction", better="low")},
    ),
    "class_balance": {"unmeasurable": REASON},
    "object_focus": {"not_measured": True},
    "shape_bias": value(0.4999996, "fraction"),
    "parameters": value(25.557032, "millions"),
}
STOPPED = Explanation("If it was not judged: ask (size[min]) was not judged: stopped", "stopped")
SERVED = "agreement@pipeline=app"
LONG_NAMES = (
    "tuberculosis.recall@probability=0.3,pipeline=app,slice=site:worst",
    "a lung disease.recall@slice=site=St Mary \\@ sea",
)
VERDICTS = (
    demand("accuracy", 0.75),
    demand("adversarial_robustness", 0.05),
    demand("adversarial_robustness", 0.01, part="pgd"),
    demand(
        "corruption_robustness",
        0.5,
        "fail",
        explanation=Explanation(
            "corruption_robustness 0.412 is below 0.500 (short by 0.088)",
            details=("worst parts: jpeg_compression 0.312, pixelate 0.332, elastic_transform 0.352",),
            path="thresholds/default.yaml",
            line=12,
        ),
    ),
    demand(
        "corruption_robustness",
        0.43,
        "fail",
        part="fog",
        tier="warn",
        explanation=Explanation("corruption_robustness.fog 0.412 is below 0.430 (short by 0.018)"),
    ),
    demand("ood_robustness", 0.3, part="sketch"),
    demand(
        "calibration_error",
        0.01,
        "fail",
        key="max",
        tier="info",
        explanation=Explanation("calibration_error 0.0123 is above 0.0100 (over by 0.0023)"),
    ),
    demand(
        "class_balance",
        0.7,
        "unmeasurable",
        explanation=Explanation(f"class_balance could not be measured: {REASON}", REASON),
    ),
    demand(
        "shape_bias",
        0.5,
        "fail",
        explanation=Explanation("shape_bias 0.4999996 is below 0.5000000 (short by 0.0000004)"),
    ),
    demand("parameters", 30, key="max"),
    demand("quba", "C", part="grade"),
)
CROSS = (
    "cross-protocol: adversarial_robustness: published attacks the normalised input (protocol released), "
    "these values pixels (protocol standard); that part of the score is not comparable"
)
FULL = record(
    MEASUREMENTS,
    VERDICTS,
    [grade(notes=[CROSS], cross_protocol=["adversarial_robustness"])],
    sets={"clean": {"images": 49000, "expected": 50000}, "sketch": {"images": 800}, "edge": {"images": 160}},
    notes=["model: no preprocessing was found, the suite's is used"],
)


FULL_TEXT = terminal_text(FULL)
STRICT = "thresholds/strict.yaml"
MINE = "thresholds/mine.yaml"
ACCURACY = {"accuracy": value(0.8, "fraction")}
NARROW = {name: {"not_measured": True} for name in ("accuracy", "shape_bias")}
MISSING = grade(None, percentile=None, letter=None, complete=False, missing=["accuracy", "shape_bias"])
TWO_FILES = [
    demand("accuracy", 0.75),
    demand(
        *("accuracy", 0.9, "fail"),
        explanation=Explanation(
            "accuracy 0.800 is below 0.900 (short by 0.100)", path="thresholds/strict.yaml", line=3
        ),
        file=STRICT,
    ),
    demand("quba", 0.0, part="score"),
    demand(
        "quba", "A", "fail", part="grade", explanation=Explanation("quba.grade B is below A"), file=STRICT
    ),
]
PATH = "/home/someone/with/a/very/long/path/that/does/not/fit/into/eighty/columns/thresholds.yaml"
METRICS = {"app.accuracy": value(0.71, "fraction"), "app.agreement": value(0.93, "fraction")}
LOST = wide(0.015, -0.0115, 0.0432, "fraction")
GAINED = wide(-0.1, -0.13, 0.02, "relative")
CASES = {
    "everything": FULL,
    "a passing run": record(
        {"accuracy": value(0.9, "fraction"), "parameters": value(5.0, "millions")},
        [demand("accuracy", 0.75), demand("parameters", 30, key="max")],
    ),
    "generated corruptions": record(
        {}, sets={"corruptions": {"images": 30, "expected": 30, "generated": "generated@224+jpeg85"}}
    ),
    "intervals have a column": record(
        {
            "accuracy": wide(0.8123, 0.79, 0.83, "fraction"),
            "corruption_robustness": value(0.412, parts={"elastic_transform": value(0.312)}),
        }
    ),
    "long demands are wrapped between words": record(
        {
            "adversarial_robustness": wide(0.0123, 0.0101, 0.0212, parts={"pgd": value(0.0011)}),
            "parameters": value(5.0, "millions", better="low"),
        },
        [
            demand("adversarial_robustness", 0.021234567, key="max_drop"),
            demand("parameters", 0.07, key="max_relative_drop"),
        ],
    ),
    "a drop has a row of its own next to another demand": record(
        {
            "accuracy": wide(0.96, 0.936, 0.977, "fraction"),
            "object_focus": wide(0.521, 0.459, 0.586),
            "parameters": value(5.0, "millions", better="low"),
        },
        [
            demand("accuracy", 0.93),
            demand("accuracy", 0.01, "fail", key="max_drop", judged=LOST),
            demand("object_focus", 0.05, key="max_relative_drop", judged=GAINED),
            demand("parameters", 1, key="max_drop"),  # an older record
        ],
    ),
    "worst parts are left out where their names would be cut": record(
        {"adversarial_robustness": wide(0.0812, 0.0791, 0.0855, parts={"projected_gradient": value(0.01)})},
        [demand("adversarial_robustness", 0.0812345678901234, "uncertain", key="max")],
    ),
    "files and other metrics are no worst parts": record(
        {"size": value(7.1, "megabytes", better="low", parts={"file": value(7.2, "megabytes", better="low")})}
        | {name: value(0.95, "fraction", parts=METRICS) for name in ("parity", "classes", "answers")}
    ),
    "names break after commas and before @ alone": record(
        {
            "classes": wide(
                0.75, 0.7, 0.8, "fraction", parts={one: wide(0.75, 0.7, 0.8) for one in LONG_NAMES}
            )
        },
        [demand("classes", 0.5, part=one, requested=True) for one in LONG_NAMES],
    ),
    "parity behind a pipeline alone": record(
        {
            "parity": wide(0.95, 0.93, 0.97, "fraction", parts={SERVED: wide(0.95, 0.93, 0.97, "fraction")})
            | {"unmeasured": {"": {"unmeasurable": "no reference"}}}
        },
        [demand("parity", 0.9, part=SERVED, requested=True)],
    ),
    "the mark of noise is explained": record(
        {"accuracy": wide(0.81, 0.79, 0.83, "fraction")}, [demand("accuracy", 0.8, within_noise=True)]
    ),
    "unmeasurable without a demand": record({"object_focus": {"unmeasurable": "no set 'mixed_same'"}}),
    "not graded": record({}, grades=[MISSING]),
    "a grade that nobody asked for": record(NARROW, grades=[MISSING]),
    "a missing grade that is demanded": record(
        NARROW, [demand("quba", "C", "unmeasurable", part="grade")], [MISSING]
    ),
    "demands without a turn share a line": record(
        {},
        [
            demand(
                name, 0.5, "not run", explanation=Explanation(f"{name}[min] was not judged: {reason}", reason)
            )
            for name, reason in (("accuracy", "stopped"), ("object_focus", "lost"), ("shape_bias", "stopped"))
        ]
        + [demand("size", 3, "not run", title="If it was not judged: ask", explanation=STOPPED)],
    ),
    "protocol and its name stay on one line": record({}, grades=[grade(models=326)]),
    "two files with one grade": record(ACCURACY, TWO_FILES, [grade(), grade(file=STRICT)]),
    "two files with two grades": record(
        ACCURACY, TWO_FILES, [grade(), grade(0.3, letter="C", percentile=52.1, file=STRICT)]
    ),
    "demands of an extended file stay with the grade of the file that was run": record(
        {}, [demand("quba", "C", part="grade", file=MINE) | {"file": DEFAULT}], [grade(file=MINE)]
    ),
    "an interrupted run": record(
        {"accuracy": {"not_measured": True}, "shape_bias": {"unmeasurable": "no data"}},
        [
            demand("accuracy", 0.7, "not run"),
            demand("shape_bias", 0.2, "skipped", explanation=Explanation("no data", "no data")),
        ],
        interrupted=True,
    ),
    "brackets and colons are text": record({}, notes=["[bold]not markup[/bold] :smile:"]),
    "long paths are not broken": record(
        {"accuracy": value(0.1, "fraction")},
        [
            demand(
                "accuracy",
                0.9,
                "fail",
                explanation=Explanation("accuracy 0.1 is below 0.9", path=PATH, line=12),
            )
        ],
    ),
    "a custom dimension": record({"speed_on_a_phone": value(12.5, "ms", parts={"slow": value(20)})}),
    "the score with its interval and letters": record(
        {}, grades=[grade(0.5, interval=[0.1, 0.9], letters=["A", "B", "C"])]
    ),
}
WIDTHS = {
    "generated corruptions": 200,
    "long demands are wrapped between words": 79,
    "worst parts are left out where their names would be cut": 72,
    "not graded": 100,
    "two files with two grades": 120,
    "the score with its interval and letters": 100,
}
"""Other widths than 80 columns; the numbers of the table of 72 columns alone are wider."""


@pytest.mark.parametrize("name", CASES)
def test_texts(name, snapshot):
    assert terminal_text(CASES[name], WIDTHS.get(name, 80)) == snapshot


def test_a_drop_without_a_value_does_not_show_that_of_its_number():
    drop = demand("accuracy", 0.01, "unmeasurable", key="max_drop", explanation=Explanation("no baseline"))
    (line,) = [
        one for one in terminal_text(record(ACCURACY, [drop]), 80).splitlines() if one.startswith("accuracy ")
    ]
    assert line.split() == ["accuracy", "unmeasurable", "drop", "<=", "0.01", "FAIL"]


def test_ascii_differs_in_the_rule_alone():
    assert fit_encoding(render(FULL, width=80, colour=False), "ascii") == FULL_TEXT.replace("─", "-")


def test_colour_adds_only_escapes():
    coloured = render(FULL, width=80, colour=True)
    assert "\x1b[1;31mFAIL" in coloured
    plain = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in plain.splitlines()] == FULL_TEXT.splitlines()


def test_environment_changes_nothing(monkeypatch):
    for name, setting in {"COLUMNS": "40", "TERM": "dumb", "FORCE_COLOR": "1", "NO_COLOR": ""}.items():
        monkeypatch.setenv(name, setting)
    assert terminal_text(FULL) == FULL_TEXT


@pytest.mark.parametrize("width", [20, 72, 80, 100, 200])
def test_no_name_or_number_is_cut(width):
    shown = terminal_text(FULL, width)
    assert "…" not in shown
    needed = MEASUREMENTS.keys() - {"object_focus"}  # which no demand names
    for word in (*needed, "0.4999996", "25.557 M", "jpeg_compression", "unmeasurable"):
        assert word in shown
    assert max(map(len, shown.splitlines())) <= max(width, 72)


def biased(debiased, **parts):
    row = value(0.0242, "fraction", interval=[0.02, 0.0294], better="low", parts=parts)
    return {"calibration_error": row | {"debiased": debiased}}


def by_groups(**accuracy):
    """The clean accuracy tells about the clean set alone, although the shift has as many groups."""
    groups = accuracy.get("groups", 351)
    sets = {name: {"images": 5403, "groups": groups} for name in ("clean", "night", "corruptions")}
    return record({"accuracy": value(0.8, "fraction", n=5403, **accuracy)}, sets=sets)


ACE = value(0.0086, "fraction", debiased=0.0)
NOTES = {
    **{
        kind: record({}, model=tuned().model.model_dump() | {"outputs": kind})
        for kind in ("logits", "probabilities", "sigmoids")
    },
    "only noise": record(biased(0.0)),
    "worse by its bias": record(biased(0.015)),
    "better by its bias": record(biased(0.035)),
    "bias within the noise": record(biased(0.022)),
    "bias of a part": record(biased(0.0, ece=value(0.0683, "fraction", debiased=0.0667), ace=ACE)),
    # A geometric mean is 0 with one of its parts.
    "bias of both parts": record(biased(0.0, ece=value(0.0683, "fraction", debiased=0.0), ace=ACE)),
    "groups": by_groups(groups=351, effective=480.2),
    "groups without a count": by_groups(),
    "few groups": by_groups(groups=7),
    "limited": record(
        {}, sets={"clean": {"images": 90, "found": 500, "groups": 12}, "night": {"images": 100, "found": 500}}
    ),
}


def test_notes(snapshot):
    texts = ["\n".join([f"{name}:", *record_notes(content)]) for name, content in NOTES.items()]
    assert "\n\n".join(texts) == snapshot


def test_a_step_is_printed_once_for_failures_that_follow() -> None:
    demands = [
        demand(name, 0.9, "fail") for name in ("shape_bias", "object_focus", "accuracy", "ood_robustness")
    ]
    text = render(record({}, demands), width=80, colour=False, path="r.json")
    assert [line.strip() for line in text.splitlines() if line.startswith("    next: ")] == [
        "next: quba-check report r.json --pictures=6 -o report.html",
        "next: as above",
        "next: quba-check failures r.json",
        "next: quba-check report r.json --pictures=6 -o report.html",
    ]
