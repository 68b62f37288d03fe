"""Demands that are not met, by tier and policy: exit codes and pytest's summary."""

import re

import pytest
from acceptance.runs import Judge


def last_line(result: pytest.RunResult) -> str:
    return re.sub(r" in [\d.]+s", "", result.outlines[-1].strip("= "))


@pytest.mark.parametrize(
    ("demands", "code", "summary"),
    [
        ("  shape_bias: {min: 0.9}\n", 1, "1 failed, 1 passed"),
        ("  shape_bias: {min: 0.9, tier: warn}\n", 0, "1 passed, 1 warned"),
        ("  shape_bias: {min: 0.9, tier: info}\n", 0, "2 passed"),
        ("uncertain: fail\n", 6, "1 failed"),
    ],
)
def test_an_unmet_demand(judge: Judge, demands: str, code: int, summary: str) -> None:
    judge.write("thresholds/x.yaml", f"schema: 1\ndimensions:\n  accuracy: {{min: 0.5}}\n{demands}")
    result = judge("thresholds/x.yaml", "--junitxml=junit.xml")
    assert (result.ret, last_line(result)) == (code, summary)
    assert f'failures="{int(code > 0)}"' in (judge.pytester.path / "junit.xml").read_text()
