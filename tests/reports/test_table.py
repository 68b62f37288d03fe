"""The line of a finished dimension; the table itself is in the tests of the terminal report."""

from __future__ import annotations

from typing import Any

import pytest
from support.rows import GRADE, verdict
from support.tuned import record

from quba_check.reports.terminal import finished_line

UNMEASURABLE = {"corruption_robustness": {"unmeasurable": "no images"}}


@pytest.mark.parametrize(
    ("verdicts", "changes", "line", "label"),
    [
        (
            [verdict(limit=0.8, outcome="pass")],
            {},
            "accuracy         0.900 0.880..0.920   >= 0.8    PASS",
            "PASS",
        ),
        (
            [verdict(limit=0.89, outcome="pass", within_noise=True)],
            {},
            "accuracy         0.900 0.880..0.920   >= 0.89   PASS ~",
            "PASS",
        ),
        (
            [verdict("parameters", 5.0, bound="max", tier="warn")],
            {},
            "parameters     5.289 M                <= 5 M    WARN",
            "WARN",
        ),
        (
            [verdict("corruption_robustness.fog", 0.6)],
            {},
            "corruption_robustness.fog   0.550 0.491..0.609   >= 0.6    FAIL",
            "FAIL",
        ),
        (
            [verdict("corruption_robustness.fog", 0.6), verdict("corruption_robustness", 0.6, "pass")],
            {},
            "corruption_robustness   0.620 0.581..0.659   1 of 2 demands failed",
            "FAIL",
        ),
        (
            [verdict("corruption_robustness", 0.6, "unmeasurable")],
            {"measurements": UNMEASURABLE},
            "corruption_robustness unmeasurable                >= 0.6    FAIL",
            "FAIL",
        ),
        (
            [verdict("shape_bias", 0.6, "not run")],
            {"measurements": {"shape_bias": {"not_measured": True}}},
            "shape_bias     not measured                >= 0.6    NOT RUN",
            "NOT RUN",
        ),
        (
            [verdict("quba.grade", "C", "pass", id="x.yaml::quba.grade[min]")],
            {"grades": [GRADE | {"letters": ["A", "B"]}]},
            "quba.grade           B A to B         >= C      PASS",
            "PASS",
        ),
    ],
)
def test_a_finished_dimension(
    verdicts: list[dict[str, Any]], changes: dict[str, Any], line: str, label: str
) -> None:
    text, shown, found = finished_line(record(**{"verdicts": verdicts, **changes}), "", 14)
    assert (text + shown, found) == (line, label)


def test_the_model_comes_first() -> None:
    one = record(verdicts=[verdict(limit=0.8, outcome="pass")])
    assert finished_line(one, "r50: ", 14)[0] == "r50: accuracy    0.900 0.880..0.920   >= 0.8    "
