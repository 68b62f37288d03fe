import pytest

from quba_check.protocol.verdict_rows import VerdictRow


def verdict(**changes):
    row = {
        "id": "t.yaml::accuracy[min]",
        "dimension": "accuracy",
        "part": None,
        "bound": "min",
        "limit": 0.75,
        "tier": "block",
        "outcome": "fail",
        "file": "t.yaml",
        "line": 4,
    }
    return VerdictRow.model_validate(row | changes)


@pytest.mark.parametrize(("limit", "kept"), [(0.75, 0.75), (30, 30.0), ("C", "C")])
def test_limits_keep_their_kind(limit, kept):
    found = verdict(limit=limit).limit
    assert (found, type(found)) == (kept, type(kept))


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
