"""Labels and counts of verdicts."""

from support.rows import VERDICT

from quba_check.records.record import Record, SetRow, SuiteRow
from quba_check.records.verdict import VerdictRow
from quba_check.reports.verdict_labels import label, most_severe, release_line, summary_line


def verdict(outcome, tier="block", **changes):
    return VerdictRow.model_validate(VERDICT | {"outcome": outcome, "tier": tier} | changes)


def record(*verdicts, interrupted=False, unselected=0, **sets):
    suite = SuiteRow(name="tiny", root="/data", fingerprint="1", sets=sets)
    return Record.model_construct(
        verdicts=verdicts, interrupted=interrupted, unselected=unselected, suite=suite
    )


def test_words():
    tiers = {"fail": ["block", "warn", "info"], "unmeasurable": ["block", "warn"], "pass": ["block", "warn"]}
    labels = {outcome: [label(verdict(outcome, tier)) for tier in tiers[outcome]] for outcome in tiers}
    assert labels == {
        "fail": ["FAIL", "WARN", "INFO"],
        "unmeasurable": ["FAIL", "WARN"],
        "pass": ["PASS"] * 2,
    }
    assert [label(verdict(outcome)) for outcome in ("skipped", "not run")] == ["SKIP", "NOT RUN"]


def test_most_severe_is_the_first_of_equals():
    verdicts = [verdict("pass"), verdict("fail", "warn", line=1), verdict("fail", "warn", line=2)]
    assert most_severe(verdicts).line == 1
    assert most_severe([*verdicts, verdict("unmeasurable")]).outcome == "unmeasurable"
    assert most_severe([]) is None


WHOLE = SetRow(images=50, expected=60)
SOME = SetRow(images=1000, found=10_000)
FEW = SetRow(images=2, found=5)
RECORDS = (
    record(),
    record(verdict("pass")),
    record(*[verdict("pass")] * 7, verdict("fail"), verdict("fail", "warn")),
    record(verdict("not run"), verdict("skipped"), verdict("unmeasurable"), verdict("fail", "info")),
    record(verdict("pass"), verdict("fail", "warn")),
    record(verdict("skipped")),
    record(verdict("fail"), verdict("uncertain", policy="fail", part="top5"), verdict("not run", key="max")),
    record(*(verdict("unmeasurable", part=f"p{k}") for k in range(7))),
    record(verdict("pass"), unselected=12),
    record(verdict("pass"), interrupted=True),
    record(verdict("pass"), clean=WHOLE),
    record(verdict("pass"), sketch=WHOLE, clean=SOME),
    record(verdict("pass"), clean=SOME, mixed=SOME),
    record(verdict("pass"), clean=SOME, sketch=FEW),
    record(verdict("fail"), clean=SOME),
)


def test_lines(snapshot):
    assert "\n".join(f"{summary_line(each)} | {release_line(each)}" for each in RECORDS) == snapshot
