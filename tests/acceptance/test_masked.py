"""A model whose gradients mislead attacks: no evidence of robustness, however high the value."""

from __future__ import annotations

import pytest
from acceptance.runs import Judge

GATE = """\
schema: 1
dimensions:
  adversarial_robustness: {min: 0.01, parts: {pgd: {min: 0.01}, worst_case: {min: 0.01, KEYS}}, KEYS}
"""
FLAT = "100.0 % of images have no input gradient"
NINE_PARTIAL = "allow_missing: [adversarial_robustness], allow_other_suite: true"


def run(judge: Judge, text: str, *arguments: str, model: str = "WithoutUsableGradients") -> pytest.RunResult:
    judge.write("thresholds/x.yaml", text)
    return judge("thresholds/x.yaml", "--quba-report=record.json", *arguments, model=f"nets:{model}")


def gate(keys: str, parts: str | None = None) -> str:
    first, _, last = GATE.rpartition("KEYS")
    return first.replace("KEYS", keys if parts is None else parts) + keys + last


@pytest.mark.parametrize("model", ["WithoutUsableGradients", "WithNanGradients"])
def test_missing_gradients_fail_the_dimension_and_its_parts(judge: Judge, model: str) -> None:
    result = run(judge, gate("tier: block"), model=model)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert judge.outcomes() == {
        "adversarial_robustness[min]": "fail",
        "adversarial_robustness.pgd[min]": "fail",
        "adversarial_robustness.worst_case[min]": "fail",
    }
    record = judge.record()
    assert record["measurements"]["adversarial_robustness"]["masked"] == [FLAT]
    assert record["verdicts"][1]["message"] == (
        f"adversarial_robustness.pgd 1.000 is no evidence of robustness: {FLAT}\n"
        "  n = 9 images\n"
        "  allow_masked: true accepts masked values; the threshold then decides\n"
        "  demanded by thresholds/x.yaml:3"
    )


def test_reversed_gradients_fail(judge: Judge) -> None:
    result = run(judge, gate("tier: block"), model="WithReversedGradients")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    surer = "makes the model surer of 100 % of the images it gets right"
    signs = judge.record()["measurements"]["adversarial_robustness"]["masked"]
    assert signs == [f"FGSM {surer}", f"PGD {surer}"]


def test_other_tiers_do_not_block(judge: Judge) -> None:
    result = run(judge, gate("tier: warn"))
    assert result.ret == pytest.ExitCode.OK
    assert set(judge.outcomes().values()) == {"fail"}
    assert result.parseoutcomes() == {"warned": 3}


def test_a_demand_may_allow_it_and_its_parts_inherit_that(judge: Judge) -> None:
    assert run(judge, gate("allow_masked: true", "tier: block")).ret == pytest.ExitCode.OK
    assert run(judge, gate("allow_masked: true", "allow_masked: false")).ret == pytest.ExitCode.TESTS_FAILED
    assert judge.outcomes() == {
        "adversarial_robustness[min]": "pass",
        "adversarial_robustness.pgd[min]": "pass",
        "adversarial_robustness.worst_case[min]": "fail",
    }


def test_a_drop_from_a_baseline_fails_too(judge: Judge) -> None:
    run(judge, gate("tier: block"))
    (judge.pytester.path / "record.json").rename(judge.pytester.path / "before.json")
    text = "schema: 1\ndimensions: {adversarial_robustness: {max_drop: 0.5}}\n"
    assert run(judge, text, "--quba-baseline=before.json").ret == pytest.ExitCode.TESTS_FAILED
    (verdict,) = judge.record()["verdicts"]
    assert verdict["message"].splitlines()[0] == (
        f"adversarial_robustness drop 0.000 is no evidence of robustness: {FLAT}"
    )


@pytest.mark.slow
def test_a_grade_is_not_better_for_it(judge: Judge) -> None:
    result = run(judge, "schema: 1\nquba: {min_grade: F, allow_other_suite: true}\n")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (verdict,) = judge.record()["verdicts"]
    assert (verdict["outcome"], verdict["message"].splitlines()[0]) == (
        "unmeasurable",
        "quba.grade could not be measured: not graded: no evidence of robustness: adversarial_robustness is "
        f"masked ({FLAT})",
    )
    assert run(judge, f"schema: 1\nquba: {{min_grade: F, {NINE_PARTIAL}}}\n").ret == pytest.ExitCode.OK
    (grade,) = judge.record()["grades"]
    assert grade["missing"] == ["adversarial_robustness"]
    allowed = "schema: 1\ndimensions: {adversarial_robustness: {min: 0.1, allow_masked: true}}\n"
    result = run(judge, f"{allowed}quba: {{min_grade: F, allow_other_suite: true}}\n")
    assert result.ret == pytest.ExitCode.OK
    (grade,) = judge.record()["grades"]
    assert (grade["missing"], grade["complete"]) == ([], True)
    assert f"masked: adversarial_robustness counts as measured (allow_masked): {FLAT}" in grade["notes"]
