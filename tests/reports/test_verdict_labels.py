"""Labels and counts of verdicts."""

import pytest
from support.rows import VERDICT

from quba_check.records.record import Record, SetRow, SuiteRow
from quba_check.records.verdict import VerdictRow
from quba_check.reports.cells import limit_text
from quba_check.reports.verdict_labels import label, most_severe, release_line, summary_line


def verdict(outcome, tier="block", **changes):
    return VerdictRow.model_validate(VERDICT | {"outcome": outcome, "tier": tier} | changes)


def record(*verdicts, interrupted=False, unselected=0, **sets):
    suite = SuiteRow(name="tiny", root="/data", fingerprint="1", sets=sets)
    return Record.model_construct(
        verdicts=verdicts, interrupted=interrupted, unselected=unselected, suite=suite
    )


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
    assert label(verdict(outcome, tier)) == expected


def test_most_severe_is_the_first_of_equals():
    verdicts = [verdict("pass"), verdict("fail", "warn", line=1), verdict("fail", "warn", line=2)]
    assert most_severe(verdicts).line == 1
    assert most_severe([*verdicts, verdict("unmeasurable")]).outcome == "unmeasurable"
    assert most_severe([]) is None


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
            "0 of 4 demands passed, 1 failed, 1 missed (info only), 1 skipped, 1 not run",
        ),
    ],
)
def test_summary_line(verdicts, line):
    assert summary_line(record(*verdicts)) == line


def test_limits_stand_as_in_the_file():
    assert list(map(limit_text, (0.1, 1e-3, 75.0, "C"))) == ["0.1", "0.001", "75", "C"]
    assert limit_text(5.0, "megabytes") == "5 MB"


@pytest.mark.parametrize(
    ("verdicts", "line"),
    [
        ([verdict("pass"), verdict("fail", "warn")], "released: yes"),
        ([verdict("skipped")], "released: no; no demand was judged"),
        (
            [
                verdict("fail"),
                verdict("uncertain", policy="fail", part="top5"),
                verdict("not run", bound="max"),
            ],
            "released: no; failed: accuracy[min]; not shown to be met: accuracy.top5[min]; "
            "not judged: accuracy[max]",
        ),
        (
            [verdict("unmeasurable", part=f"p{k}") for k in range(7)],
            "released: no; failed: accuracy.p0[min], accuracy.p1[min], accuracy.p2[min], accuracy.p3[min], "
            "accuracy.p4[min] and 2 more",
        ),
    ],
)
def test_release_lines(verdicts, line):
    assert release_line(record(*verdicts)) == line


def test_a_run_that_decides_nothing_is_no_release():
    partial = record(verdict("pass"), unselected=12)
    assert release_line(partial) == "released: not decided; demands that were not selected: 12"
    assert summary_line(partial) == "1 of 1 demand passed, 12 not selected"
    assert release_line(record(verdict("pass"), interrupted=True)) == "released: no; the run was interrupted"


WHOLE, SOME = SetRow(images=50, expected=60), SetRow(images=1000, found=10_000)


@pytest.mark.parametrize(
    ("outcome", "sets", "line"),
    [
        ("pass", {"clean": WHOLE}, "released: yes"),
        ("pass", {"sketch": WHOLE, "clean": SOME}, "released: yes, on 1,000 of 10,000 images"),
        ("pass", {"clean": SOME, "mixed": SOME}, "released: yes, on 1,000 of 10,000 images"),
        (
            "pass",
            {"clean": SOME, "sketch": SetRow(images=20, found=50)},
            "released: yes, on 1,000 of 10,000 images of clean, 20 of 50 images of sketch",
        ),
        ("fail", {"clean": SOME}, "released: no; failed: accuracy[min]"),
    ],
)
def test_a_release_by_some_of_the_images(outcome, sets, line):
    assert release_line(record(verdict(outcome), **sets)) == line
