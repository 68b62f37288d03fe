import pytest
from pydantic import ValidationError
from support.rows import verdict as stored

from quba_check.records.verdict import EXIT_CODES, VerdictRow, overall_verdict


def verdict(**changes):
    return VerdictRow.model_validate(stored("accuracy", 0.75) | changes)


@pytest.mark.parametrize(("bound", "kept"), [(0.75, 0.75), (30, 30.0), ("C", "C")])
def test_bounds_keep_their_kind(bound, kept):
    found = verdict(dimension="quba", bound=bound).bound
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize("changes", [{}, {"waiver": None}])
def test_a_waived_outcome_has_a_waiver(changes):
    with pytest.raises(ValidationError, match="missing, although the outcome is waived"):
        verdict(outcome="waived", **changes)


def test_what_was_bounded():
    assert verdict().target == "accuracy"
    assert verdict(part="top5").target == "accuracy.top5"


@pytest.mark.parametrize(
    ("outcome", "policy", "met"),
    [
        ("pass", "point", True),
        ("skipped", "point", True),
        ("uncertain", "allow", True),
        ("uncertain", "fail", False),
        ("fail", "allow", False),
        ("unmeasurable", "point", False),
        ("not run", "point", False),
    ],
)
def test_which_outcomes_meet_a_demand(outcome, policy, met):
    assert verdict(outcome=outcome, policy=policy).is_met == met


@pytest.mark.parametrize(
    ("rows", "overall"),
    [
        ([], "not judged"),
        ([{"outcome": "pass"}], "pass"),
        ([{"outcome": "pass"}, {"outcome": "skipped"}], "pass"),
        ([{"outcome": "pass"}, {"outcome": "fail", "tier": "warn"}], "pass"),
        ([{"outcome": "pass"}, {"outcome": "not run", "tier": "info"}], "pass"),
        ([{"outcome": "fail", "tier": "warn"}], "pass"),
        ([{"outcome": "uncertain", "policy": "allow"}], "pass"),
        ([{"outcome": "skipped"}, {"outcome": "skipped"}], "not judged"),
        ([{"outcome": "not run", "tier": "warn"}], "not judged"),
        ([{"outcome": "unmeasurable", "tier": "warn"}, {"outcome": "skipped"}], "not judged"),
        ([{"outcome": "pass"}, {"outcome": "not run"}], "incomplete"),
        ([{"outcome": "not run"}, {"outcome": "uncertain", "policy": "fail"}], "uncertain"),
        ([{"outcome": "uncertain", "policy": "fail"}, {"outcome": "unmeasurable"}], "fail"),
        ([{"outcome": "not run"}, {"outcome": "fail"}], "fail"),
    ],
)
def test_the_overall_verdict(rows, overall):
    verdicts = [verdict(**row) for row in rows]
    assert overall_verdict(verdicts, interrupted=False, unselected=0) == overall
    partial = "partial" if overall == "pass" else overall
    assert overall_verdict(verdicts, interrupted=False, unselected=3) == partial
    assert overall_verdict(verdicts, interrupted=True, unselected=0) == "interrupted"


def test_only_a_pass_ends_with_0():
    assert [overall for overall, code in EXIT_CODES.items() if code == 0] == ["pass"]
