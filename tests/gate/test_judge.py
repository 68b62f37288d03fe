"""Judging: outcomes, and the content of results."""

from pathlib import Path

import pytest
from support.gate import Gate, loaded_judge, terminal_text
from support.gated import CORRUPTION, corruption
from support.tiny import CLASSES, SIDE, write_pictures

from quba_check.demands.bounds import today
from quba_check.errors import DimensionError
from quba_check.evaluation import Evaluation
from quba_check.gate.collector import DemandResult
from quba_check.gate.session import GateSession
from quba_check.verdicts import decide
from quba_check.verdicts.explanation import verdict_row


def results(session: GateSession) -> dict[str, DemandResult]:
    """The results of the selected demands, by the demand's name."""
    judge = loaded_judge(session)
    selected = (one for key in session.models_and_protocols() for one in session.selected(*key))
    return {planned.demand.name: judge.judge(planned) for planned in selected}


@pytest.fixture
def clean_only(tmp_path: Path) -> Path:
    """A suite without any other set than the clean one."""
    write_pictures(tmp_path / "clean" / "val", 0, 2)
    (tmp_path / "clean" / "quba-data.yaml").write_text(
        f"schema: 1\nname: clean\nclasses: [{', '.join(CLASSES)}]\nimage_size: {SIDE}\n"
        "sets:\n  clean: {reader: folder, path: val}\n"
    )
    return tmp_path / "clean"


def test_outcomes_and_measurements(gate: Gate) -> None:
    judged = results(
        gate.session(
            "dimensions:\n  accuracy: {min: 0.5}\n  class_balance: {min: 1, tier: warn}\n"
            "  parameters: {max: 0.0000001}"
        )
    )
    assert {name: result.verdict.outcome for name, result in judged.items()} == {
        "accuracy[min]": "pass",
        "class_balance[min]": "fail",
        "parameters[max]": "fail",
    }
    assert [name for name, result in judged.items() if result.verdict.blocks] == ["parameters[max]"]
    assert judged["class_balance[min]"].warns
    accuracy = judged["accuracy[min]"]
    assert accuracy.verdict.id == "x.yaml::accuracy[min]"
    assert accuracy.model == "acceptance.nets:net"
    assert accuracy.protocol == "standard"
    assert list(accuracy.measurements) == ["accuracy"]
    assert list(accuracy.contents) == list(accuracy.sets) == ["clean"]
    assert judged["parameters[max]"].contents == {}


@pytest.mark.parametrize("classes", [False, True])
def test_classes_are_measured_if_they_are_to_be_shown(gate: Gate, *, classes: bool) -> None:
    (result,) = results(gate.session("dimensions: {parameters: {max: 1}}", classes=classes)).values()
    assert list(result.measurements) == ["parameters", *["classes"] * classes]


def test_a_title_is_a_property_and_begins_the_message(gate: Gate) -> None:
    (result,) = results(gate.session("dimensions: {parameters: {max: 0, title: Fits}}")).values()
    assert (result.properties["title"], result.verdict.title) == ("Fits", "Fits")
    assert result.verdict.message.startswith("Fits (parameters) ")
    assert result.verdict.id.endswith("::parameters[max]")


def test_a_waiver_is_a_property(gate: Gate) -> None:
    waive = f"waive: {{until: {today()}, by: ann, reason: new data, at_least: 0.1}}"
    (result,) = results(gate.session(f"dimensions: {{accuracy: {{min: 0.99, {waive}}}}}")).values()
    assert (result.verdict.outcome, result.warns) == ("waived", True)
    assert result.properties["waiver"] == f"waived until {today()} by ann: new data"


def test_values_by_image_are_sent_once(gate: Gate) -> None:
    session = gate.session("dimensions: {accuracy: {min: 0.5}}")
    (planned,) = session.demands(session.files)
    judge = loaded_judge(session)
    assert len(judge.judge(planned).images) == 1
    assert judge.judge(planned).images == ()


def test_a_grade(gate: Gate) -> None:
    judged = results(
        gate.session("dimensions: {parameters: {max: 1}}\nquba: {min_score: -100, allow_other_suite: true}")
    )
    score = judged["quba.score[min]"]
    assert score.verdict.outcome == "pass"
    assert score.grade is not None
    assert score.grade.file == "x.yaml"
    assert len(score.measurements) == 8, "the demand before has brought parameters"
    assert judged["parameters[max]"].grade is None


def test_missing_sets(gate: Gate, clean_only: Path) -> None:
    (clean_only / "val" / CLASSES[0] / "0.gif").write_bytes(b"")
    judged = results(
        gate.session(
            "dimensions:\n  shape_bias: {min: 0.1, optional: true}\n  object_focus: {min: 0.1}\n"
            "  accuracy: {min: 0}",
            data=clean_only,
        )
    )
    assert [note for result in judged.values() for note in result.notes] == [
        "clean: 1 file is not read: apple/0.gif"
    ]
    assert judged["shape_bias[min]"].verdict.outcome == "skipped"
    assert judged["object_focus[min]"].verdict.outcome == "unmeasurable"
    assert judged["object_focus[min]"].images == ()


def test_a_failed_measurement_is_not_tried_again(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    session = gate.session("dimensions: {accuracy: {min: 0.5}}", "acceptance.nets:NotFinite")
    outcome = Evaluation.outcome
    asked = []

    def counted(self: Evaluation, name: str) -> object:
        asked.append(name)
        return outcome(self, name)

    monkeypatch.setattr(Evaluation, "outcome", counted)
    (planned,) = session.demands(session.files)
    judge = loaded_judge(session)
    first = judge.judge(planned)
    second = judge.judge(planned)
    assert first.verdict.outcome == "unmeasurable"
    assert "not finite" in first.verdict.message
    assert second.verdict == first.verdict
    assert asked == ["accuracy"]


@pytest.mark.parametrize(
    ("policy", "limit", "outcome", "verdict", "line"),
    [
        ("point", 0.5, "pass", "pass", "~: another sample of this size could flip the verdict"),
        ("fail", 0.5, "uncertain", "uncertain", "Uncertain:"),
        ("fail", 0.95, "fail", "fail", "Failed:"),
        ("allow", 0.7, "uncertain", "pass", "Uncertain but allowed:"),
    ],
)
def test_a_demand_within_the_noise(
    gate: Gate, policy: str, limit: float, outcome: str, verdict: str, line: str
) -> None:
    """Of 9 clean images 6 are right: the 95 % interval is from 0.299 to 0.925."""
    record = gate.judge(f"uncertain: {policy}\ndimensions: {{accuracy: {{min: {limit}}}}}")
    assert (record.verdicts[0].outcome, record.overall_verdict) == (outcome, verdict)
    assert line in terminal_text(record).splitlines()
    if outcome == verdict == "uncertain":
        assert record.verdicts[0].message.splitlines() == [
            "accuracy 0.667 is not shown to be at least 0.500",
            "  about 36 images would be enough to decide (you have 9)",
            "  n = 9 images",
            "  95 % interval 0.299 to 0.925",
            "  never predicted: brick (1 of 3 classes)",
            "  demanded by x.yaml:3",
        ]


def test_the_policy_allow_takes_the_other_blocking_demands_of_the_file_into_account(gate: Gate) -> None:
    """Alone, 6 of 9 are shown to be below 0.93 (p = 0.02); among three demands with noise they are not."""
    others = "class_balance: {min: 0.1, TIER}, object_focus: {min: 0.1, TIER}"
    text = f"uncertain: allow\ndimensions: {{accuracy: {{min: 0.93}}, parameters: {{max: 1}}, {others}}}"
    blocking = text.replace("TIER", "tier: block")
    assert gate.outcomes(blocking)["accuracy[min]"] == "uncertain"
    assert gate.outcomes(text.replace("TIER", "tier: warn"))["accuracy[min]"] == "fail"
    session = gate.session(blocking)
    session.select(session.selected(gate.model, "standard")[:2])
    assert results(session)["accuracy[min]"].verdict.outcome == "fail"


def test_a_measurement_is_sent_with_its_first_demand(gate: Gate) -> None:
    parts = "parts: {fog: {min: 0}, snow: {min: 0}}"
    judged = results(
        gate.session(f"dimensions:\n  corruption_robustness: {{min: 0, {parts}}}\n  parameters: {{max: 1}}")
    )
    assert [list(result.measurements) for result in judged.values()] == [
        ["corruption_robustness"],
        [],
        [],
        ["parameters"],
    ]
    assert [bool(result.contents) for result in judged.values()] == [True, False, False, False]


def test_a_value_that_cannot_be_stored_fails_each_of_its_demands(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unstorable(*_: object) -> None:
        raise DimensionError("NaN")

    monkeypatch.setattr("quba_check.gate.judge.row_of", unstorable)
    session = gate.session("dimensions: {corruption_robustness: {min: 0, parts: {fog: {min: 0}}}}")
    judge = loaded_judge(session)
    for planned in session.demands(session.files):
        with pytest.raises(DimensionError):
            judge.judge(planned)


def result(value: float, **changes: object) -> DemandResult:
    verdict = verdict_row(decide(CORRUPTION, corruption(value)), "x.yaml::corruption_robustness[min]")
    return DemandResult(model="net", protocol="standard", verdict=verdict.model_copy(update=changes))


@pytest.mark.parametrize(
    ("value", "tier", "warns"),
    [(0.6, "warn", False), (0.4, "warn", True), (0.4, "block", False), (0.4, "info", False)],
)
def test_only_a_missed_demand_of_tier_warn_warns(value: float, tier: str, warns: bool) -> None:
    assert result(value, tier=tier).warns is warns


def test_results_travel_as_json() -> None:
    sent = result(0.6).model_copy(update={"images": (b"\x00\xff", b""), "notes": ("a note",)})
    assert DemandResult.model_validate_json(sent.model_dump_json()) == sent
