"""Demands and grades out of reach on a suite are reported first, and cost no measurement."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from acceptance.runs import CLEAN_IMAGES, GATE, HERE, Judge, Measured, examined
from acceptance.test_doctor import printed_findings
from support.tiny import CLASSES

from quba_check.evaluation import Evaluation
from quba_check.grading import quba_score

GRADE = "schema: 1\nquba: {min_grade: F, allow_other_suite: true}\n"
FEW = (
    "class_balance needs two images in every class; 3 of 3 classes have fewer ('apple' has 1, 'brick' has 1, "
    "'cloud' has 1); add images of them to the clean set"
)
NO_POPULATION = (
    "published was measured on imagenet, this run on tiny. Allowed: a population of this suite (quba-check "
    "published population), or allow_other_suite: true"
)


@pytest.fixture
def own(judge_cold: Judge, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny suite, to be changed."""
    data = judge_cold.pytester.path / "data"
    shutil.copytree(tiny_data, data)
    monkeypatch.setenv("QUBA_DATA", str(data))
    return data


def one_image_a_class(data: Path) -> None:
    for name in CLASSES:
        for path in sorted((data / "val" / name).iterdir())[1:]:
            path.unlink()
    manifest = data / "quba-data.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("expected: 9", "expected: 3"))


def run(judge: Judge, text: str, *arguments: str) -> pytest.RunResult:
    judge.write("thresholds/x.yaml", text)
    return judge("thresholds/x.yaml", "--quba-report=record.json", *arguments)


def test_no_image_is_measured_for_a_grade_that_lacks_a_dimension(judge_cold: Judge, own: Path) -> None:
    one_image_a_class(own)
    shutil.rmtree(own / "cc")
    result = run(judge_cold, GRADE)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    cues = f"shape_bias: the set 'cue_conflict' is missing: looked for {own / 'cc'}"
    assert printed_findings(result) == (
        f"doctor: no grade can be reached: class_balance: {FEW}; {cues}. evidence: demanded by "
        "thresholds/x.yaml:2 fix: complete the sets, or name the dimensions under `allow_missing`, or remove "
        "the demand"
    )
    assert judge_cold.passes() == {}
    record = judge_cold.record()
    assert all(row == {"not_measured": True} for row in record["measurements"].values())
    assert record["verdicts"][0]["message"] == (
        "quba.grade could not be measured: not graded: missing class_balance, shape_bias\n"
        f"  class_balance: {FEW}\n"
        f"  {cues}\n"
        "  demanded by thresholds/x.yaml:2"
    )
    assert record["grades"][0]["missing"] == ["class_balance", "shape_bias"]


def test_what_another_demand_needs_is_measured_and_no_more(judge_cold: Judge, own: Path) -> None:
    shutil.rmtree(own / "cc")
    result = run(judge_cold, f"{GRADE}dimensions: {{accuracy: {{min: 0.1}}}}\n")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert judge_cold.outcomes() == {"quba.grade[min]": "unmeasurable", "accuracy[min]": "pass"}
    assert judge_cold.passes() == {"forward": CLEAN_IMAGES + examined()}


def test_an_allowed_dimension_leaves_a_grade_to_reach(judge: Judge, tiny_data: Path, own: Path) -> None:
    shutil.rmtree(own / "cc")
    text = GRADE.replace("true", "true, allow_missing: [shape_bias]")
    assert run(judge, text).ret == pytest.ExitCode.OK


def test_no_image_is_measured_for_a_grade_among_models_of_another_suite(judge_cold: Judge) -> None:
    result = run(judge_cold, "schema: 1\nquba: {min_grade: F, min_score: -100}\n")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert printed_findings(result) == (
        "doctor: no grade can be reached: published was measured on imagenet, this run on tiny. evidence: "
        "demanded by thresholds/x.yaml:2 fix: name a `population:` measured on this suite, or set "
        "`allow_other_suite: true`, or remove the demand"
    )
    assert judge_cold.passes() == {}
    messages = [verdict["message"].splitlines()[0] for verdict in judge_cold.record()["verdicts"]]
    assert messages == [
        f"quba.{part} could not be measured: not graded: {NO_POPULATION}" for part in ("grade", "score")
    ]
    (grade,) = judge_cold.record()["grades"]
    assert (grade["letter"], grade["percentile"], grade["not_graded"]) == (None, None, NO_POPULATION)
    shown = " ".join(" ".join(result.outlines).split())
    assert f"QUBA not graded: {NO_POPULATION} population published protocol standard" in shown
    assert "percentile of" not in shown


def test_an_allowed_suite_is_a_caveat_in_the_line_of_the_grade(judge: Judge) -> None:
    result = run(judge, GRADE)
    assert result.ret == pytest.ExitCode.OK
    caveat = "published was measured on imagenet, this run on tiny"
    shown = " ".join(" ".join(result.outlines).split())
    assert f"percentile of published (326 models) other suite: {caveat} protocol standard" in shown
    assert judge.record()["grades"][0]["other_suite"] == caveat


def test_a_grade_that_nobody_demands_has_a_score_and_no_letter(judge: Judge) -> None:
    result = run(judge, GATE.partition("quba:")[0])
    assert result.ret == pytest.ExitCode.OK
    (grade,) = judge.record()["grades"]
    assert (grade["letter"], grade["percentile"]) == (None, None)
    shown = " ".join(" ".join(result.outlines).split())
    assert f"QUBA score {grade['score']:.3f}, not graded: {NO_POPULATION} protocol standard" in shown


def test_a_warning_is_a_remark(judge_cold: Judge) -> None:
    result = run(judge_cold, "schema: 1\nquba: {min_grade: F, tier: warn}\n")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED  # a warning alone, about a grade without a value
    assert "1 warned" in result.outlines[-1]


def test_optional_covers_images_that_do_not_allow_a_value(judge_cold: Judge, own: Path) -> None:
    one_image_a_class(own)
    result = run(judge_cold, "schema: 1\ndimensions: {class_balance: {min: 0.1, optional: true}}\n")
    assert printed_findings(result) == ""
    (verdict,) = judge_cold.record()["verdicts"]
    assert (verdict["outcome"], verdict["message"].splitlines()[0]) == (
        "skipped",
        f"class_balance was skipped: {FEW}",
    )
    assert judge_cold.passes() == {}
    result = run(judge_cold, "schema: 1\ndimensions: {class_balance: {min: 0.1}}\n")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert printed_findings(result).startswith(
        f"doctor: class_balance cannot be measured: {FEW}. evidence: demanded by "
    )


def unmeasurable(judge: Judge, dimension: str, model: str) -> bool:
    text = f"schema: 1\ndimensions: {{{dimension}: {{min: 0.1, optional: true}}}}\n"
    judge.write("thresholds/x.yaml", text)
    result = judge("thresholds/x.yaml", "--quba-report=record.json", model=model)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    return judge.outcomes() == {f"{dimension}[min]": "unmeasurable"}


def test_optional_does_not_cover_a_model_without_gradients(judge_cold: Judge) -> None:
    assert unmeasurable(judge_cold, "adversarial_robustness", "nets:Detached")


def test_optional_does_not_cover_a_model_that_is_never_right(judge_cold: Judge, own: Path) -> None:
    for name in CLASSES:
        (own / "val" / name).rename(own / "val" / f"{name}s")
    for name, other in zip(CLASSES, (CLASSES[2], *CLASSES[:2]), strict=True):
        (own / "val" / f"{name}s").rename(own / "val" / other)
    assert unmeasurable(judge_cold, "object_focus", "nets:NeverRight")


def test_a_drop_without_a_baseline_is_reported_before_the_run(judge_cold: Judge) -> None:
    result = run(judge_cold, "schema: 1\ndimensions: {parameters: {max_drop: 0.1}}\n")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert printed_findings(result) == (
        "doctor: parameters[max_drop] cannot be measured: there is no baseline to compare with. evidence: "
        "demanded by thresholds/x.yaml:2 fix: name a record with --quba-baseline FILE.json (what-if: "
        "--baseline), or a model with --quba-reference"
    )
    (finding,) = judge_cold.record()["findings"]
    assert (
        finding["title"] == "parameters[max_drop] cannot be measured: there is no baseline to compare with."
    )
    result = run(judge_cold, "schema: 1\ndimensions: {parameters: {max_drop: 0.1, optional: true}}\n")
    assert printed_findings(result) == ""
    assert judge_cold.outcomes() == {"parameters[max_drop]": "skipped"}


def test_the_same_in_python(
    measured: Measured, tiny_data: Path, own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(HERE)
    evaluation = Evaluation("nets:net", tiny_data, store=measured.store)
    graded = evaluation.grade()
    assert (graded.letter, graded.percentile, graded.not_graded) == (None, None, NO_POPULATION)
    assert graded.score == quba_score(measured.values)
    allowed = evaluation.grade(allow_other_suite=True)
    assert (allowed.score, allowed.letter is None) == (graded.score, False)
    shutil.rmtree(own / "cc")
    evaluation = Evaluation("nets:net", own, store=tmp_path / "empty")
    assert evaluation.grade().missing == ("shape_bias",)
    assert not list((tmp_path / "empty").rglob("*.safetensors"))
