"""Gradients that mislead attacks are reported."""

from pathlib import Path

import pytest

from quba_check.cli.main import main

EVIDENCE = "on 9 clean images; the gate does not accept such attacks as evidence of robustness"
FIX = (
    "let true, finite gradients pass from the outputs to the images, without detach, rounding or argmax, or "
    "remove the demand"
)
FLAT = "nets:WithoutUsableGradients: 9 of 9 images have no input gradient to attack along."


@pytest.fixture
def doctor(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Run the command on a model of the acceptance tests, with one demand on adversarial_robustness."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "acceptance")
    monkeypatch.setenv("NETS_NOTES", str(tmp_path / "passes"))
    monkeypatch.setenv("COLUMNS", "80")

    def command(model: str, keys: str = "") -> tuple[int, str]:
        text = f"schema: 1\ndimensions: {{adversarial_robustness: {{min: 0.01{keys}}}}}\n"
        (tmp_path / "g.yaml").write_text(text, encoding="utf-8")
        code = main(["doctor", "g.yaml", f"--data={tiny_data}", "--store=store", f"--model=nets:{model}"])
        return code, " ".join(capsys.readouterr().out.split())

    return command


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("WithoutUsableGradients", FLAT),
        ("WithNanGradients", FLAT.replace("WithoutUsable", "WithNan")),
        (
            "WithReversedGradients",
            "nets:WithReversedGradients: an attack along the gradient makes the model more confident on "
            "6 of its 6 correct images.",
        ),
        (
            "Detached",
            "adversarial_robustness cannot be measured: the model passes no gradient from its output to its "
            "input.",
        ),
    ],
)
def test_misleading_gradients_are_a_problem(doctor, model: str, problem: str) -> None:
    code, text = doctor(model)
    assert code == 1
    assert f"{problem} evidence: {EVIDENCE} fix: {FIX} " in text
    assert "1 problem (7 checks; " in text


@pytest.mark.parametrize(
    ("model", "keys", "shown"),
    [
        ("net", "", "healthy (7 checks; "),
        ("WithoutUsableGradients", ", allow_masked: true", "healthy (7 checks; "),
        ("WithoutUsableGradients", ", tier: warn", FLAT),
    ],
    ids=["true gradients", "masked values are allowed", "a remark on a warning"],
)
def test_what_is_no_problem(doctor, model: str, keys: str, shown: str) -> None:
    code, text = doctor(model, keys)
    assert code == 0
    assert shown in text
