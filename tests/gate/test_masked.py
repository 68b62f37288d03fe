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
