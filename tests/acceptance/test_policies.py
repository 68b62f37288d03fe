"""Demands within the noise, under each policy of a file."""

from __future__ import annotations

import pytest
from acceptance.runs import Judge

# nets:net is right on 6 of 9 clean images: 95 % interval 0.299 to 0.925.
FILE = "schema: 1\nuncertain: POLICY\ndimensions:\n  accuracy: {min: LIMIT}\n  parameters: {max: 1}\n"


def run(judge: Judge, policy: str, limit: str) -> pytest.RunResult:
    judge.write("thresholds/x.yaml", FILE.replace("POLICY", policy).replace("LIMIT", limit))
    return judge("thresholds/x.yaml", "--quba-report=record.json")


@pytest.mark.parametrize(
    ("policy", "limit", "code", "outcome", "lines"),
    [
        (
            "point",
            "0.5",
            0,
            "pass",
            [
                "within noise (~): accuracy: another sample of this size could flip the verdict;",
                "  'uncertain: point' judges by the value alone and bounds no error rate",
            ],
        ),
        (
            "fail",
            "0.5",
            6,
            "uncertain",
            [
                "Uncertain:",
                "  accuracy 0.667 is not shown to be at least 0.500",
                "    n = 9 images",
                "    95 % interval 0.299 to 0.925",
                "    about 36 images would be enough to decide (you have 9)",
                "    never predicted: brick (1 of 3 classes)",
                "    demanded by thresholds/x.yaml:4",
            ],
        ),
        ("fail", "0.95", 1, "fail", ["Failed:", "  accuracy 0.667 is below 0.950 (short by 0.283)"]),
        (
            "allow",
            "0.7",
            0,
            "uncertain",
            ["Uncertain but allowed:", "  accuracy 0.667 is not shown to be below 0.700"],
        ),
    ],
)
def test_a_demand_within_the_noise(
    judge: Judge, policy: str, limit: str, code: int, outcome: str, lines: list[str]
) -> None:
    result = run(judge, policy, limit)
    assert result.ret == code
    assert judge.outcomes() == {"accuracy[min]": outcome, "parameters[max]": "pass"}
    at = result.outlines.index(lines[0])
    assert result.outlines[at : at + len(lines)] == lines


def test_allow_takes_the_other_demands_into_account(judge: Judge) -> None:
    """Alone, 6 of 9 are shown to be below 0.93 (p = 0.02); among three demands with noise they are not."""
    alone = "schema: 1\nuncertain: allow\ndimensions:\n  accuracy: {min: 0.93}\n"
    judge.write("thresholds/x.yaml", alone)
    assert judge("thresholds/x.yaml").ret == 1
    judge.write("thresholds/x.yaml", f"{alone}  class_balance: {{min: 0.1}}\n  object_focus: {{min: 0.1}}\n")
    assert judge("thresholds/x.yaml").ret == 0
