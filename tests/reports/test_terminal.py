"""The exact text of the terminal report."""

import re

import pytest
from support.rows import GRADE, verdict
from support.tuned import record as tuned

from quba_check.core.view import CORRUPTIONS
from quba_check.reports.notes import record_notes
from quba_check.reports.terminal import render

DEFAULT = "thresholds/default.yaml"


def value(number, unit="ratio", **more):
    return {"value": number, "unit": unit, "better": "high", "n": 1000, **more}


def demand(name, limit, outcome="pass", *, part=None, file=DEFAULT, **changes):
    target = f"{name}.{part}" if part else name
    named = {"id": f"{file}::{target}[{changes.get('bound', 'min')}]", "file": file}
    return verdict(target, limit, outcome, **named, **changes)


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


def text_of(measurements, verdicts=(), grades=(), *, width=80, **changes):
    return render(record(measurements, verdicts, grades, **changes), width=width, colour=False)


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
VERDICTS = (
    demand("accuracy", 0.75),
    demand("adversarial_robustness", 0.05),
    demand("adversarial_robustness", 0.01, part="pgd"),
    demand(
        "corruption_robustness",
        0.5,
        "fail",
        message="corruption_robustness 0.412 is below 0.500 (short by 0.088)\n"
        "  worst parts: jpeg_compression 0.312, pixelate 0.332, elastic_transform 0.352\n"
        "  demanded by thresholds/default.yaml:12",
    ),
    demand(
        "corruption_robustness",
        0.43,
        "fail",
        part="fog",
        tier="warn",
        message="corruption_robustness.fog 0.412 is below 0.430 (short by 0.018)",
    ),
    demand("ood_robustness", 0.3, part="sketch"),
    demand(
        "calibration_error",
        0.01,
        "fail",
        bound="max",
        tier="info",
        message="calibration_error 0.0123 is above 0.0100 (over by 0.0023)",
    ),
    demand("class_balance", 0.7, "unmeasurable", message=f"class_balance could not be measured: {REASON}"),
    demand("shape_bias", 0.5, "fail", message="shape_bias 0.4999996 is below 0.5000000 (short by 0.0000004)"),
    demand("parameters", 30, bound="max"),
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
    notes=["model: no preparation was found, the suite's is used"],
)


FULL_TEXT = render(FULL, width=80, colour=False)


def test_everything_at_once(snapshot):
    assert render(FULL, width=80, colour=False) == snapshot


def test_generated_corruptions_are_distinguished_from_stored_ones():
    sets = {"corruptions": {"images": 30, "expected": 30, "generated": "generated@224+jpeg85"}}
    assert (
        "corruptions: generated@224+jpeg85 from the clean images, not the stored ImageNet-C "
        "(whose motion_blur and snow come from ImageMagick)\n"
    ) in text_of({}, sets=sets, width=200)


def test_ascii_differs_in_the_rule_alone():
    assert render(FULL, width=80, colour=False, ascii=True) == FULL_TEXT.replace("─", "-")


def test_other_characters_are_spelled_out_in_ascii():
    shown = render(record({}, notes=["the largest |δ| is 0.1"]), width=80, colour=False, ascii=True)
    assert "the largest |\\u03b4| is 0.1\n" in shown
    assert shown.isascii()


def test_passing_run_is_short(snapshot):
    measurements = {"accuracy": value(0.9, "fraction"), "parameters": value(5.0, "millions")}
    assert (
        text_of(measurements, [demand("accuracy", 0.75), demand("parameters", 30, bound="max")]) == snapshot
    )


def test_intervals_have_a_column_when_there_are_any():
    measurements = {
        "accuracy": value(0.8123, "fraction", interval=[0.79, 0.83]),
        "corruption_robustness": value(0.412, parts={"elastic_transform": value(0.312)}),
    }
    lines = text_of(measurements).splitlines()
    assert lines[1:5] == [
        "dimension             value interval     demand verdict worst part",
        "─" * 79,
        "accuracy              0.812 0.790..0.830 -      -",
        "corruption_robustness 0.412              -      -       elastic_transform 0.312",
    ]


def wide(number, low, high, unit="ratio", **more):
    return value(number, unit, interval=[low, high], **more)


def test_long_demands_are_wrapped_between_words():
    measurements = {
        "adversarial_robustness": wide(0.0123, 0.0101, 0.0212, parts={"pgd": value(0.0011)}),
        "parameters": value(5.0, "millions", better="low"),
    }
    verdicts = [
        demand("adversarial_robustness", 0.021234567, bound="max_drop"),
        demand("parameters", 0.07, bound="max_relative_drop"),
    ]
    assert text_of(measurements, verdicts, width=79).splitlines()[1:6] == [
        "dimension                value interval       demand         verdict worst part",
        "─" * 79,
        "adversarial_robustness  0.0123 0.0101..0.0212 drop <=        PASS    pgd 0.0011",
        "                                              0.021234567",
        "parameters             5.000 M                worsening <=   PASS",
    ]


def test_the_file_is_no_worst_part_of_the_weights():
    file = {"file": value(7.2, "megabytes", better="low")}
    shown = text_of({"size": value(7.1, "megabytes", better="low", parts=file)})
    assert shown.splitlines()[3].split() == ["size", "7.100", "MB", "-", "-"]


def test_the_mark_of_noise_is_explained_below_the_table():
    measurements = {"accuracy": wide(0.81, 0.79, 0.83, "fraction")}
    lines = text_of(measurements, [demand("accuracy", 0.8, within_noise=True)]).splitlines()
    assert lines[3:5] == [
        "accuracy  0.810 0.790..0.830 >= 0.8 PASS ~",
        "~: another sample of this size could flip the verdict",
    ]
    assert "another sample" not in text_of(measurements, [demand("accuracy", 0.5)])


@pytest.mark.parametrize("name", ["serving", "parity", "classes", "answers"])
def test_other_metrics_are_no_worst_parts(name):
    parts = {"app.accuracy": value(0.71, "fraction"), "app.agreement": value(0.93, "fraction")}
    shown = text_of({name: value(0.95, "fraction", parts=parts)})
    assert shown.splitlines()[3].split() == [name, "0.950", "-", "-"]


def test_worst_parts_are_left_out_where_their_names_would_be_cut():
    measurements = {
        "adversarial_robustness": wide(0.0812, 0.0791, 0.0855, parts={"projected_gradient": value(0.0123)})
    }
    verdicts = [demand("adversarial_robustness", 0.0812345678901234, "uncertain", bound="max")]
    assert text_of(measurements, verdicts, width=72).splitlines()[1:5] == [
        "dimension                value interval       demand             verdict",
        "─" * 74,  # the numbers alone are wider than 72 columns
        "adversarial_robustness 0.08120 0.0791..0.0855 <=                 UNCERTAIN",
        "                                              0.0812345678901234",
    ]


def test_unmeasurable_without_a_demand_gives_its_reason():
    shown = text_of({"object_focus": {"unmeasurable": "no set 'mixed_same'"}})
    assert "\nobject_focus  unmeasurable  -       -\n" in shown
    assert "\nobject_focus: unmeasurable: no set 'mixed_same'\n" in shown
    assert shown.endswith("\nno demands\n")


MISSING = grade(None, percentile=None, letter=None, complete=False, missing=["accuracy", "shape_bias"])


def test_not_graded():
    line = "\nQUBA not graded: missing accuracy, shape_bias  population published  protocol standard\n"
    assert line in text_of({}, grades=[MISSING], width=100)


def test_a_grade_that_nobody_asked_for_is_not_missed():
    narrow = {name: {"not_measured": True} for name in ("accuracy", "shape_bias")}
    assert "QUBA" not in text_of(narrow, grades=[MISSING])
    asked = [demand("quba", "C", "unmeasurable", part="grade")]
    assert "QUBA not graded" in text_of(narrow, asked, [MISSING])


def test_demands_without_a_turn_share_a_line():
    verdicts = [
        demand(name, 0.5, "not run", message=f"{name}[min] was not judged: {reason}")
        for name, reason in (("accuracy", "stopped"), ("object_focus", "lost"), ("shape_bias", "stopped"))
    ]
    shown = text_of({}, verdicts)
    assert "Not run:\n  accuracy[min], shape_bias[min]: stopped\n  object_focus[min]: lost\n" in shown


def test_protocol_and_its_name_stay_on_one_line():
    assert "\n  protocol standard\n" in text_of({}, grades=[grade(models=326)])


@pytest.mark.parametrize(
    ("outputs", "notes"),
    [
        ("logits", []),
        ("probabilities", ["outputs treated as probabilities p: class scores are log p"]),
        (
            "sigmoids",
            ["outputs treated as per-class sigmoids s: probabilities are the softmax of log s - log(1 - s)"],
        ),
    ],
)
def test_outputs_other_than_logits_have_a_note(outputs, notes):
    shown = record({}, model=tuned().model.model_dump() | {"outputs": outputs})
    assert [line for line in record_notes(shown) if line.startswith("outputs")] == notes


def test_several_threshold_files():
    strict = "thresholds/strict.yaml"
    measurements = {"accuracy": value(0.8, "fraction")}
    failed = "accuracy 0.800 is below 0.900 (short by 0.100)\n  demanded by thresholds/strict.yaml:3"
    verdicts = [
        demand("accuracy", 0.75),
        demand("accuracy", 0.9, "fail", message=failed, file=strict),
        demand("quba", 0.0, part="score"),
        demand("quba", "A", "fail", part="grade", message="quba.grade B is below A", file=strict),
    ]
    shown = text_of(measurements, verdicts, [grade(), grade(file=strict)])
    assert "\naccuracy   0.800  >= 0.9  FAIL\n" in shown
    assert shown.count("QUBA ") == 1
    assert "\n  score >= 0: PASS\n  grade >= A: FAIL\n" in shown
    assert (
        "\nFailed:\n  accuracy 0.800 is below 0.900 (short by 0.100)\n    demanded by thresholds/s" in shown
    )
    other = [grade(), grade(0.3, letter="C", percentile=52.1, file=strict)]
    lines = text_of(measurements, verdicts, other, width=120).splitlines()
    assert [line for line in lines if "QUBA" in line] == [
        "QUBA 0.412  grade B  78th percentile of published  protocol standard  (thresholds/default.yaml)",
        "QUBA 0.300  grade C  52nd percentile of published  protocol standard  (thresholds/strict.yaml)",
    ]


def test_demands_of_an_extended_file_stay_with_the_grade_of_the_file_that_was_run():
    mine = "thresholds/mine.yaml"
    inherited = demand("quba", "C", part="grade", file=mine) | {"file": DEFAULT}
    assert "  grade >= C: PASS\n" in text_of({}, [inherited], [grade(file=mine)])


def test_interrupted_run():
    verdicts = [demand("accuracy", 0.7, "not run"), demand("shape_bias", 0.2, "skipped", message="no data")]
    measurements = {"accuracy": {"not_measured": True}, "shape_bias": {"unmeasurable": "no data"}}
    shown = text_of(measurements, verdicts, interrupted=True)
    assert shown.partition("part\n")[2] == (
        "─────────────────────────────────────────────────────\n"
        "accuracy    not measured  >= 0.7  NOT RUN\n"
        "shape_bias  unmeasurable  >= 0.2  SKIP\n"
        "\n"
        "interrupted: not every demand was judged\n"
        "\n"
        "Skipped:\n"
        "  no data\n"
        "\n"
        "Not run:\n"
        "  thresholds/default.yaml::accuracy[min]\n"
        "\n"
        "0 of 2 demands passed, 1 skipped, 1 not run\n"
        "released: no; the run was interrupted\n"
    )


def test_colour_adds_only_escapes():
    coloured = render(FULL, width=80, colour=True)
    assert "\x1b[1;31mFAIL" in coloured
    plain = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in plain.splitlines()] == FULL_TEXT.splitlines()


def test_environment_changes_nothing(monkeypatch):
    for name, setting in {"COLUMNS": "40", "TERM": "dumb", "FORCE_COLOR": "1", "NO_COLOR": ""}.items():
        monkeypatch.setenv(name, setting)
    assert render(FULL, width=80, colour=False) == FULL_TEXT


def test_brackets_and_colons_are_text():
    assert "\n[bold]not markup[/bold] :smile:\n" in text_of({}, notes=["[bold]not markup[/bold] :smile:"])


@pytest.mark.parametrize("width", [20, 72, 80, 100, 200])
def test_no_name_or_number_is_cut(width):
    shown = render(FULL, width=width, colour=False)
    assert "…" not in shown
    for word in (*MEASUREMENTS, "0.4999996", "25.557 M", "jpeg_compression", "unmeasurable"):
        assert word in shown
    assert max(map(len, shown.splitlines())) <= max(width, 72)


def test_long_paths_are_not_broken():
    path = "/home/someone/with/a/very/long/path/that/does/not/fit/into/eighty/columns/thresholds.yaml:12"
    failed = demand("accuracy", 0.9, "fail", message=f"accuracy 0.1 is below 0.9\n  demanded by {path}")
    assert path in text_of({"accuracy": value(0.1, "fraction")}, [failed])


def test_dimension_of_a_users_own():
    shown = text_of({"speed_on_a_phone": value(12.5, "ms", parts={"slow": value(20)})})
    assert "\nspeed_on_a_phone  12.500  -       -\n" in shown


def biased(debiased, parts=None):
    """The notes on a calibration error of 0.0242."""
    row = value(0.0242, "fraction", interval=[0.02, 0.0294], better="low", parts=parts or {})
    return record_notes(record({"calibration_error": row | {"debiased": debiased}}))


WITHIN = "is within what a perfectly calibrated model shows at this sample size"


@pytest.mark.parametrize(
    ("debiased", "notes"),
    [
        (0.0, [f" {WITHIN}"]),
        (0.015, [", about 0.0150 without small-sample bias: it looks worse than it is"]),
        (0.035, [", about 0.0350 without small-sample bias: it looks better than it is"]),
        (0.022, []),
    ],
)
def test_the_bias_of_few_images_has_a_note_if_larger_than_the_noise(debiased, notes):
    assert biased(debiased) == tuple(f"calibration_error: 0.0242{note}" for note in notes)


@pytest.mark.parametrize(("ece", "note"), [(0.0667, ".ace: 0.0086"), (0.0, ": 0.0242")])
def test_the_bias_of_a_part_has_a_note_on_the_part(ece, note):
    """A geometric mean is 0 with one of its parts."""
    parts = {"ece": value(0.0683, "fraction", debiased=ece), "ace": value(0.0086, "fraction", debiased=0.0)}
    assert biased(0.0, parts) == (f"calibration_error{note} {WITHIN}",)


def test_verdicts_within_the_noise_are_marked_and_named():
    noisy = demand("accuracy", 0.75, within_noise=True)
    text = text_of({"accuracy": value(0.76, "fraction")}, [noisy])
    assert "accuracy   0.760  >= 0.75  PASS ~\n" in text
    assert (
        "within noise (~): accuracy: another sample of this size could flip the verdict;\n"
        "  'uncertain: point' judges by the value alone and bounds no error rate\n"
    ) in text


def test_the_score_with_its_interval_and_the_letters_that_it_spans():
    graded = grade(0.5, interval=[0.1, 0.9], letters=["A", "B", "C"])
    assert "QUBA 0.500 0.100..0.900  grade B (A to C)  " in text_of({}, grades=[graded], width=100)


@pytest.mark.parametrize(
    ("groups", "accuracy", "note"),
    [
        (
            351,
            {"n": 5403, "groups": 351, "effective": 480.2},
            "clean: 5,403 images in 351 groups, as informative as 480 independent ones, for accuracy",
        ),
        (351, {"n": 5403}, "clean: 5,403 images in 351 groups, which count as one observation each"),
        (
            7,
            {"n": 5403, "groups": 7},
            "clean: 5,403 images in 7 groups, too few for intervals. Allowed: 10 groups or more",
        ),
    ],
)
def test_groups_of_a_set(groups, accuracy, note):
    """The clean accuracy tells about the clean set alone, although the shift has as many groups."""
    sets = {name: {"images": 5403, "groups": groups} for name in ("clean", "night", "corruptions")}
    notes = record_notes(record({"accuracy": value(0.8, "fraction", **accuracy)}, sets=sets))
    shift = note.replace("clean:", "night:")
    if "accuracy" in note:
        shift = "night: 5,403 images in 351 groups, which count as one observation each"
    assert notes == (note, shift)
