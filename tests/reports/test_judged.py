"""What verdicts are called, and the line that counts them."""

import pytest

from quba_check.protocol.record import Record
from quba_check.protocol.verdict_rows import VerdictRow
from quba_check.reports.judged import gravest, limit_text, summary_line, word


def verdict(outcome, tier="block", **changes):
    row = {
        "id": "t.yaml::accuracy[min]",
        "dimension": "accuracy",
        "part": None,
        "bound": "min",
        "limit": 0.5,
        "tier": tier,
        "outcome": outcome,
        "file": "t.yaml",
        "line": 3,
    }
    return VerdictRow.model_validate(row | changes)


def record(*verdicts):
    return Record.model_construct(verdicts=verdicts)


@pytest.mark.parametrize(
    ("outcome", "tier", "expected"),
    [
        ("pass", "block", "PASS"),
        ("pass", "warn", "PASS"),
        ("fail", "block", "FAIL"),
        ("fail", "warn", "WARN"),
        ("fail", "info", "INFO"),
        ("unmeasurable", "block", "FAIL"),
        ("unmeasurable", "warn", "WARN"),
        ("skipped", "block", "SKIP"),
        ("not run", "block", "NOT RUN"),
    ],
)
def test_words(outcome, tier, expected):
    assert word(verdict(outcome, tier)) == expected


def test_gravest_is_the_first_of_equals():
    verdicts = [verdict("pass"), verdict("fail", "warn", line=1), verdict("fail", "warn", line=2)]
    assert gravest(verdicts).line == 1
    assert gravest([*verdicts, verdict("unmeasurable")]).outcome == "unmeasurable"
    assert gravest([]) is None


@pytest.mark.parametrize(
    ("verdicts", "line"),
    [
        ([], "no demands"),
        ([verdict("pass")], "1 of 1 demand passed"),
        ([verdict("pass")] * 9, "9 of 9 demands passed"),
        (
            [verdict("pass")] * 7 + [verdict("fail"), verdict("fail", "warn")],
            "7 of 9 demands passed, 1 failed, 1 warned",
        ),
        (
            [verdict("not run"), verdict("skipped"), verdict("unmeasurable"), verdict("fail", "info")],
            "0 of 4 demands passed, 1 failed, 1 missed for information, 1 skipped, 1 not run",
        ),
    ],
)
def test_summary_line(verdicts, line):
    assert summary_line(record(*verdicts)) == line


def test_limits_stand_as_in_the_file():
    assert [limit_text(0.1), limit_text(1e-3), limit_text(75.0), limit_text("C")] == [
        "0.1",
        "0.001",
        "75",
        "C",
    ]
