"""Demands within the noise, under each policy of a file."""

from __future__ import annotations

import pytest
from acceptance.runs import Judge

# nets:net is right on 6 of 9 clean images: 95 % interval 0.354 to 0.879.
FILE = "schema: 1\nuncertain: POLICY\ndimensions:\n  accuracy: {min: LIMIT}\n  parameters: {max: 1}\n"


def run(judge: Judge, policy: str, limit: str) -> pytest.RunResult:
    judge.write("thresholds/x.yaml", FILE.replace("POLICY", policy).replace("LIMIT", limit))
    return judge("thresholds/x.yaml", "--quba-report=record.json")


def test_point_lets_the_value_decide_and_says_so(judge: Judge) -> None:
    result = run(judge, "point", "0.5")
    assert result.ret == 0
    text = "\n".join(result.outlines)
    assert ">= 0.5 PASS ~" in text
    assert (
        "within noise (~): accuracy: another sample of this size could flip the verdict;\n"
        "  'uncertain: point' judges by the value alone and bounds no error rate"
    ) in text
    assert judge.outcomes() == {"accuracy[min]": "pass", "parameters[max]": "pass"}


def test_fail_blocks_what_is_not_shown_with_an_exit_code_of_its_own(judge: Judge) -> None:
    result = run(judge, "fail", "0.5")
    assert result.ret == 6
    at = result.outlines.index("Uncertain:")
    assert result.outlines[at + 1 : at + 6] == [
        "  accuracy 0.667 is not shown to be at least 0.500",
        "    n = 9 images",
        "    95 % interval 0.354 to 0.879",
        "    about 32 images would be enough to decide (you have 9)",
        "    demanded by thresholds/x.yaml:4",
    ]
    assert "1 of 2 demands passed, 1 uncertain" in result.outlines
    assert judge.outcomes() == {"accuracy[min]": "uncertain", "parameters[max]": "pass"}


def test_fail_fails_what_is_shown_to_be_missed(judge: Judge) -> None:
    result = run(judge, "fail", "0.9")
    assert result.ret == 1
    assert judge.outcomes()["accuracy[min]"] == "fail"


def test_allow_lets_the_uncertain_pass_and_tells_them(judge: Judge) -> None:
    result = run(judge, "allow", "0.7")
    assert result.ret == 0
    at = result.outlines.index("Uncertain but allowed:")
    assert result.outlines[at + 1] == "  accuracy 0.667 is not shown to be below 0.700"
    assert "1 of 2 demands passed, 1 uncertain but allowed" in result.outlines
    assert judge.outcomes()["accuracy[min]"] == "uncertain"


def test_allow_takes_the_other_demands_into_account(judge: Judge) -> None:
    """Alone, 6 of 9 are shown to be below 0.89 (p = 0.02); among three demands with noise they are not."""
    alone = "schema: 1\nuncertain: allow\ndimensions:\n  accuracy: {min: 0.89}\n"
    judge.write("thresholds/x.yaml", alone)
    assert judge("thresholds/x.yaml").ret == 1
    judge.write("thresholds/x.yaml", f"{alone}  class_balance: {{min: 0.1}}\n  object_focus: {{min: 0.1}}\n")
    assert judge("thresholds/x.yaml").ret == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("uncertain: maybe", "uncertain: got text 'maybe'. Allowed: point, fail, allow."),
        ("confidence: 95", "confidence: got 95. Allowed: a number from 0.5 to 0.9999; 95 % is 0.95."),
        ("confidence: 0.05", "confidence: got 0.05. Allowed: a number from 0.5 to 0.9999."),
    ],
)
def test_mistakes(judge: Judge, line: str, message: str) -> None:
    judge.write("thresholds/x.yaml", f"schema: 1\n{line}\ndimensions: {{accuracy: {{min: 0.5}}}}\n")
    result = judge("thresholds/x.yaml")
    assert result.ret == 4
    assert result.errlines[0] == f"ERROR: thresholds/x.yaml:2: {message}"
