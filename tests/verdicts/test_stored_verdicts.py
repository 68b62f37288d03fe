"""Stored verdicts are decided again, and edited records are refused."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.errors import error_text
from support.sample_records import sample, write_samples
from support.tuned import judged, record

from quba_check.demands.bounds import today
from quba_check.errors import UserError
from quba_check.records.record import Record
from quba_check.records.verdict import VerdictRow, demands_digest
from quba_check.verdicts.stored_verdicts import check_verdicts

UNCERTAIN = ("point", "fail", "allow")
WAIVE = f"waive: {{until: {today() + timedelta(days=9)}, by: ann, reason: r, at_least: 0.1}}"
DEMANDS = f"""\
dimensions:
  accuracy: {{min: 0.895, tier: warn}}
  corruption_robustness: {{min: 0.7, {WAIVE}, parts: {{fog: {{min: 0.6}}}}}}
  calibration_error: {{max: 0.03}}
  parameters: {{max: 6}}
  shape_bias: {{min: 0.1, optional: true}}
"""
Edit = Callable[[dict[str, Any]], object]


def refusal(content: dict[str, Any]) -> str:
    return error_text(UserError, check_verdicts, Record.model_validate(content), "r.json")


def content_of(run: Record) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(run.to_json())
    return content


def restate(content: dict[str, Any]) -> None:
    """Write the digest of the demands as they are."""
    file = content["inputs"][0]
    rows = [VerdictRow.model_validate(row) for row in content["verdicts"]]
    file["demands"] = demands_digest(rows, file["settings"])


@pytest.mark.parametrize("uncertain", UNCERTAIN)
def test_a_record_agrees_with_itself(uncertain: str) -> None:
    missing = record().measurements | {"shape_bias": {"unmeasurable": "no images", "missing_data": True}}
    run = judged(f"uncertain: {uncertain}\n{DEMANDS}", record(measurements=missing))
    assert {"waived", "skipped", "fail" if uncertain == "point" else "uncertain"} <= {
        row.outcome for row in run.verdicts
    }
    assert check_verdicts(Record.model_validate_json(run.to_json()), "r.json") == ()


def test_samples_agree_with_themselves(tmp_path: Path) -> None:
    """They have grades, slices of no column, masked values and drops."""
    write_samples(tmp_path)
    for name in ("demo", "textured"):
        assert check_verdicts(sample(tmp_path, name).record, name) == ()


@pytest.mark.parametrize("uncertain", UNCERTAIN)
def test_another_outcome_is_refused(uncertain: str) -> None:
    content = content_of(judged(f"uncertain: {uncertain}\n{DEMANDS}"))
    refused = 0
    for row in content["verdicts"]:
        known = {row["outcome"], *([] if row["waiver"] else ["waived"])}
        for outcome in {"pass", "fail", "waived", "uncertain", "skipped"} - known:
            if row["outcome"] != "unmeasurable":
                changed = json.loads(json.dumps(content))
                (own,) = (one for one in changed["verdicts"] if one["id"] == row["id"])
                own["outcome"] = outcome
                assert refusal(changed).startswith("r.json: the verdict on ")
                refused += 1
    assert refused == 16


@pytest.mark.parametrize(("change", "is_refused"), [(1e-12, False), (1e-6, True)])
def test_another_machine_may_round_otherwise(change: float, is_refused: bool) -> None:
    content = content_of(judged("dimensions: {accuracy: {min: 0.95}}"))
    low, high = content["verdicts"][0]["explanation"]["interval"]
    content["verdicts"][0]["explanation"]["interval"] = [low - change, high + change]
    if is_refused:
        assert "contradicts the values of the record" in refusal(content)
    else:
        assert check_verdicts(Record.model_validate(content), "r.json") == ()


@pytest.mark.parametrize(
    ("text", "change", "message"),
    [
        (
            "dimensions: {accuracy: {min: 0.95}}",
            {"outcome": "pass"},
            "the verdict on accuracy[min] contradicts the values of the record, got pass at 0.9 (0.8804 to "
            "0.9196). Allowed: fail at 0.9 (0.8804 to 0.9196).",
        ),
        (
            "uncertain: fail\ndimensions: {accuracy: {min: 0.895}}",
            {"policy": "allow"},
            "the policy of accuracy[min] is not that of 'x.yaml', got allow, 0.95.",
        ),
        (
            "dimensions: {accuracy: {min: 0.1}}",
            {"threshold_file": "y.yaml"},
            "the verdict on accuracy[min] is of no threshold file of the run, got y.yaml.",
        ),
    ],
    ids=["outcome", "policy", "file"],
)
def test_an_edited_verdict_is_refused(text: str, change: dict[str, str], message: str) -> None:
    content = content_of(judged(text))
    content["verdicts"][0] |= change
    assert refusal(content) == f"r.json: {message} Run the gate again."


def digest_terms(rows: list[VerdictRow]) -> list[list[object]]:
    """Return what the digest states of demands without slices and conditions."""
    return [
        [
            *(row.target, row.key, row.bound, row.tier, row.optional, row.allow_masked),
            *((str(row.waiver.until), row.waiver.bound) if row.waiver else ()),
        ]
        for row in sorted(rows, key=lambda row: row.target)
    ]


def set_limit(content: dict[str, Any]) -> None:
    content["verdicts"][0]["bound"] = 0.1


def remove_a_demand(content: dict[str, Any]) -> None:
    del content["verdicts"][0]


def add_a_demand(content: dict[str, Any]) -> None:
    content["verdicts"].append(content["verdicts"][0])


def make_it_a_warning(content: dict[str, Any]) -> None:
    content["verdicts"][2]["tier"] = "warn"


def make_it_optional(content: dict[str, Any]) -> None:
    content["verdicts"][2] |= {"optional": True, "outcome": "skipped"}


def extend_the_waiver(content: dict[str, Any]) -> None:
    content["verdicts"][1]["waiver"]["until"] = "2099-01-01"


def judge_another_number(content: dict[str, Any]) -> None:
    content["verdicts"][2] |= {"number": "snow"}


def judge_other_attacks(content: dict[str, Any]) -> None:
    """Under which no sign of masked gradients is stored."""
    content["verdicts"][2] |= {"epsilon": "9/255"}


def state_the_demands_as_a_setting(content: dict[str, Any]) -> None:
    rows = [VerdictRow.model_validate(row) for row in content["verdicts"]]
    content["inputs"][0]["settings"]["demands"] = digest_terms(rows)
    content["verdicts"][0]["bound"] = 0.1


def repeat_a_demand_with_a_letter(content: dict[str, Any]) -> None:
    grade = {"dimension": "quba", "part": "grade", "number": "grade", "key": "min"}
    content["verdicts"][2] |= grade | {"bound": "C"}
    content["verdicts"][3] |= grade | {"bound": 0.5}


def require_fresh_predictions(content: dict[str, Any]) -> None:
    content["inputs"][0]["settings"]["predictions"] = "fresh"


@pytest.mark.parametrize(
    "edit",
    [
        *(set_limit, remove_a_demand, add_a_demand, make_it_a_warning, make_it_optional),
        *(extend_the_waiver, require_fresh_predictions, judge_another_number, judge_other_attacks),
        *(state_the_demands_as_a_setting, repeat_a_demand_with_a_letter),
    ],
)
def test_other_demands_are_refused(edit: Edit) -> None:
    content = content_of(judged(DEMANDS))
    edit(content)
    assert refusal(content) == (
        "r.json: its demands are not those of 'x.yaml': one is missing, added or changed. Run the gate again."
    )


def test_the_id_of_another_demand_leaves_the_value() -> None:
    content = content_of(judged("dimensions: {calibration_error: {max: 0.01}, parameters: {max: 6}}"))
    failed, passed = content["verdicts"]
    failed |= {name: passed[name] for name in ("id", "outcome", "explanation", "within_noise")}
    assert "the verdict on calibration_error[max] contradicts" in refusal(content)


def test_demands_that_were_not_selected_may_be_missing() -> None:
    """Such a run never releases its model."""
    content = content_of(judged(DEMANDS)) | {"unselected": 1}
    remove_a_demand(content)
    run = Record.model_validate(content)
    assert check_verdicts(run, "r.json") == ()
    assert run.overall_verdict != "pass"


@pytest.mark.parametrize("key", ["demands", "settings"])
def test_a_record_without_the_digest_of_its_demands_is_refused(key: str) -> None:
    content = content_of(judged("dimensions: {accuracy: {min: 0.1}}"))
    content["inputs"][0][key] = None
    assert refusal(content) == (
        "r.json: it has no digest of the demands of 'x.yaml': an earlier version wrote it, or it was edited. "
        "Run the gate again."
    )


def raise_the_value(content: dict[str, Any]) -> None:
    content["measurements"]["accuracy"] |= {"value": 0.91}


def remove_the_limits(content: dict[str, Any]) -> None:
    content["measurements"]["accuracy"] |= {"limits": None, "interval": None}
    content["verdicts"][0]["outcome"] = "pass"


def forget_the_value(content: dict[str, Any]) -> None:
    content["measurements"]["accuracy"] = {"not_measured": True}


@pytest.mark.parametrize("edit", [raise_the_value, remove_the_limits, forget_the_value])
def test_another_value_than_that_of_the_verdict_is_refused(edit: Edit) -> None:
    content = content_of(judged("uncertain: allow\ndimensions: {accuracy: {min: 0.895}}"))
    edit(content)
    assert "the verdict on accuracy[min] contradicts the values of the record" in refusal(content)


def test_a_better_letter_is_refused(tmp_path: Path) -> None:
    write_samples(tmp_path)
    content = content_of(sample(tmp_path, "textured").record)
    (row,) = (row for row in content["verdicts"] if row["part"] == "grade")
    better = {"B": "A", "C": "B", "D": "C"}[row["explanation"]["value"]]
    row["explanation"]["value"] = better
    content["grades"][0]["letter"] = better
    assert "the verdict on quba.grade[min] contradicts" in refusal(content)


def test_a_drop_that_was_deleted_is_undecided() -> None:
    """Only the run knows whether the baseline has the value."""
    content = content_of(judged("dimensions: {accuracy: {max_drop: 0.1, optional: true}}"))
    assert content["verdicts"][0]["outcome"] == "skipped"
    (row,) = check_verdicts(Record.model_validate(content), "r.json")
    assert row.name == "accuracy[max_drop]"
    content["verdicts"][0]["optional"] = False
    restate(content)
    assert "the verdict on accuracy[max_drop] contradicts" in refusal(content)


@pytest.mark.parametrize(
    "changed",
    [
        {"inputs": [{"kind": "baseline", "path": "b.json", "sha256": "0" * 64}]},
        {"reference": record().model.model_dump()},
    ],
)
def test_a_run_with_a_baseline_is_no_first_release(changed: dict[str, Any]) -> None:
    content = content_of(judged("dimensions: {accuracy: {max_drop: 0.1}}")) | {"first_release": True}
    content["verdicts"][0]["outcome"] = "skipped"
    assert len(check_verdicts(Record.model_validate(content), "r.json")) == 1
    content |= changed | {"inputs": [*content["inputs"], *changed.get("inputs", [])]}
    assert "the verdict on accuracy[max_drop] contradicts" in refusal(content)


def test_a_stopped_run_has_no_p_values_of_later_demands() -> None:
    """Whether a failure of `allow` is demonstrated depends on them; the run releases nothing."""
    text = "uncertain: allow\ndimensions: {accuracy: {min: 0.9227}, corruption_robustness: {min: 0.7}}"
    content = content_of(judged(text))
    assert [row["outcome"] for row in content["verdicts"]] == ["fail", "fail"]
    content["verdicts"][0]["outcome"] = "uncertain"
    assert "contradicts" in refusal(content)
    content["verdicts"][1]["outcome"] = "not run"
    run = Record.model_validate(content)
    assert check_verdicts(run, "r.json") == ()
    assert run.overall_verdict == "incomplete"
