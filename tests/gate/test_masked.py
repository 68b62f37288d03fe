"""A model whose gradients mislead attacks: no evidence of robustness, however high the value."""

import pytest
from support.gate import Gate

FLAT = "100.0 % of images have no input gradient"
SURER = "makes the model surer of 100 % of the images it gets right"
GRADE = "quba: {min_grade: F, allow_other_suite: true}"
WITHOUT = "acceptance.nets:WithoutUsableGradients"


def demands(keys: str = "", part: str = "") -> str:
    return (
        f"dimensions:\n  adversarial_robustness: {{min: 0.01, parts: {{pgd: {{min: 0.01}}, "
        f"worst_case: {{min: 0.01, {part}}}}}, {keys}}}"
    )


@pytest.mark.parametrize(
    ("model", "signs"),
    [
        ("WithoutUsableGradients", (FLAT,)),
        ("WithNanGradients", (FLAT,)),
        ("WithReversedGradients", (f"FGSM {SURER}", f"PGD {SURER}")),
    ],
)
def test_misleading_gradients_fail_the_dimension_and_its_parts(
    gate: Gate, model: str, signs: tuple[str, ...]
) -> None:
    record = gate.judge(demands(), model=f"acceptance.nets:{model}")
    assert [row.outcome for row in record.verdicts] == ["fail"] * 3
    assert record.measurements["adversarial_robustness"].masked == signs
    assert record.overall_verdict == "fail"
    assert record.verdicts[1].message == (
        f"adversarial_robustness.pgd 1.000 is no evidence of robustness: {'; '.join(signs)}\n"
        "  n = 9 images\n"
        "  allow_masked: true accepts masked values; the bound then decides\n"
        "  demanded by x.yaml:3"
    )


def test_other_tiers_do_not_block(gate: Gate) -> None:
    record = gate.judge(demands("tier: warn"), model=WITHOUT)
    assert {row.outcome for row in record.verdicts} == {"fail"}
    assert record.overall_verdict == "pass"


def test_a_demand_may_allow_it_and_its_parts_inherit_that(gate: Gate) -> None:
    allowed = "allow_masked: true"
    assert set(gate.outcomes(demands(allowed), model=WITHOUT).values()) == {"pass"}
    assert gate.outcomes(demands(allowed, "allow_masked: false"), model=WITHOUT) == {
        "adversarial_robustness[min]": "pass",
        "adversarial_robustness.pgd[min]": "pass",
        "adversarial_robustness.worst_case[min]": "fail",
    }


def test_a_drop_from_a_baseline_fails_too(gate: Gate) -> None:
    gate.judge(demands(), model=WITHOUT, record="before.json")
    text = "dimensions: {adversarial_robustness: {max_drop: 0.5}}"
    (verdict,) = gate.judge(text, model=WITHOUT, baseline="before.json").verdicts
    assert verdict.outcome == "fail"
    assert verdict.message.splitlines()[0] == (
        f"adversarial_robustness drop 0.000 is no evidence of robustness: {FLAT}"
    )


def test_a_grade_is_not_better_for_it(gate: Gate) -> None:
    (verdict,) = gate.judge(GRADE, model=WITHOUT).verdicts
    assert (verdict.outcome, verdict.message.splitlines()[0]) == (
        "unmeasurable",
        "quba.grade could not be measured: not graded: no evidence of robustness: adversarial_robustness is "
        f"masked ({FLAT})",
    )
    partial = GRADE.replace("true", "true, allow_missing: [adversarial_robustness]")
    record = gate.judge(partial, model=WITHOUT)
    assert (record.overall_verdict, record.grades[0].missing) == ("pass", ("adversarial_robustness",))
    allowed = f"dimensions: {{adversarial_robustness: {{min: 0.1, allow_masked: true}}}}\n{GRADE}"
    record = gate.judge(allowed, model=WITHOUT)
    (grade,) = record.grades
    assert (record.overall_verdict, grade.missing, grade.complete) == ("pass", (), True)
    assert f"masked: adversarial_robustness counts as measured (allow_masked): {FLAT}" in grade.notes
