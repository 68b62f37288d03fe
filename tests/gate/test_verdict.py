"""A verdict as records keep it."""

from gated import CORRUPTION, FILE, GRADE, LETTER, corruption

from quba_check.gate import judge


def test_rows():
    row = judge(CORRUPTION, corruption(0.412)).row("a.yaml::corruption_robustness[min]")
    assert row.model_dump() == {
        "id": "a.yaml::corruption_robustness[min]",
        "dimension": "corruption_robustness",
        "part": None,
        "bound": "min",
        "limit": 0.5,
        "tier": "block",
        "outcome": "fail",
        "file": FILE,
        "line": 12,
        "message": (
            "corruption_robustness 0.412 is below 0.500 (short by 0.088)\n"
            "  n = 3,750,000 images\n"
            "  demanded by thresholds/default.yaml:12"
        ),
        "within_noise": False,
        "policy": "point",
        "confidence": 0.95,
        "stopped": None,
    }
    assert judge(CORRUPTION, corruption(0.6)).row("x").message == ""
    assert judge(LETTER, GRADE).row("x").limit == "C"
