"""Selected demands: judged, measured and counted."""

import pytest
from acceptance.runs import CLEAN_IMAGES, GATE, NINE, Judge, closed_form, examined

FOG = "thresholds/x.yaml::corruption_robustness.fog[min]"
STRICT = GATE.replace("ood_robustness: {min: 0.1}", "ood_robustness: {min: 0.9}")


def test_no_demand_selected(judge: Judge) -> None:
    result = judge("thresholds/x.yaml", "-k", "nothing_is_called_so", "--quba-record=record.json")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert not (judge.pytester.path / "record.json").exists()


def test_a_keyword_measures_only_what_it_selects(judge_cold: Judge) -> None:
    result = judge_cold("thresholds/x.yaml", "-k", "object_focus", "--quba-record=record.json")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1, deselected=12)
    # The first shard of the clean set is what a model is tried on.
    assert judge_cold.passes() == {"forward": CLEAN_IMAGES + 12 + examined()}
    record = judge_cold.record()
    measured = [name for name, row in record["measurements"].items() if row != {"not_measured": True}]
    assert measured == ["object_focus"]
    assert judge_cold.outcomes() == {"object_focus[min]": "pass"}
    (grade,) = record["grades"]
    assert (grade["score"], grade["letter"], grade["complete"]) == (None, None, False)
    assert grade["missing"] == [name for name in NINE if name != "object_focus"]
    assert [line.split()[0] for line in result.outlines if line.startswith(NINE)] == ["object_focus"]


def test_an_id_selects_one_demand(judge: Judge) -> None:
    result = judge("thresholds/x.yaml::accuracy[min]", "--quba-record=record.json")
    assert result.ret == pytest.ExitCode.OK
    assert judge.outcomes() == {"accuracy[min]": "pass"}
    assert judge.record()["suite"]["sets"].keys() == {"clean"}


@pytest.mark.usefixtures("without_stored_check")
def test_a_failed_demand_is_explained_once_and_is_what_last_failed_repeats(judge: Judge) -> None:
    judge.write("thresholds/x.yaml", STRICT)
    first = judge("thresholds/x.yaml")
    assert first.ret == pytest.ExitCode.TESTS_FAILED
    first.assert_outcomes(passed=12, failed=1)
    headline = "  ood_robustness 0.612 is below 0.900 (short by 0.288) [thresholds/x.yaml:7]"
    start = first.outlines.index(headline)
    assert first.outlines[start - 1 : start + 2] == ["Failed:", headline, "    worst parts: night 0.500"]
    assert first.outlines[start + 2].startswith("    next: quba-check report ")
    assert first.outlines.count(headline) == 1
    assert not any(line.startswith("FAILED ") for line in first.outlines)
    assert "released: no; 12 of 13 demands passed, 1 failed" in first.outlines
    assert not any("Traceback" in line for line in [*first.outlines, *first.errlines])

    again = judge("thresholds/x.yaml", "--lf", "--quba-record=record.json", "-rf")
    assert again.ret == pytest.ExitCode.TESTS_FAILED
    assert any(line.startswith("FAILED thresholds/x.yaml::ood_robustness[min] ") for line in again.outlines)
    assert judge.outcomes() == {"ood_robustness[min]": "fail"}

    # Tuning the limit keeps the demand's identity.
    judge.write("thresholds/x.yaml", GATE)
    tuned = judge("thresholds/x.yaml", "--lf", "--quba-record=record.json")
    assert tuned.ret == pytest.ExitCode.OK
    assert judge.outcomes() == {"ood_robustness[min]": "pass"}
    assert judge.passes() == {"forward": 3 * examined()}


def test_the_first_failure_stops_the_run(judge: Judge) -> None:
    judge.write("thresholds/x.yaml", STRICT)
    result = judge("thresholds/x.yaml", "-x", "--quba-record=record.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=5, failed=1)
    outcomes = list(judge.outcomes().values())
    assert outcomes == ["pass"] * 5 + ["fail"] + ["not run"] * 7
    record = judge.record()
    assert record["interrupted"] is False
    assert record["verdicts"][-1]["message"] == "quba.grade[min] was not judged: the session ended first"
    assert record["measurements"]["shape_bias"] == {"not_measured": True}
    assert "released: no; 5 of 13 demands passed, 1 failed, 7 not run" in result.outlines
    assert judge.passes()["forward"] < closed_form()["forward"], "later sets are not predicted"


def test_the_first_failure_stops_workers_and_is_no_interrupt(judge: Judge) -> None:
    judge.write("test_first.py", "def test_first():\n    raise ValueError\n")
    result = judge("test_first.py", "thresholds/x.yaml", "-x", "-n1", "--quba-record=record.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert judge.outcomes()["quba.grade[min]"] == "not run"
    assert judge.record()["interrupted"] is False


def test_collecting_alone_loads_no_model(judge_cold: Judge) -> None:
    judge_cold.write("heavy.py", "raise RuntimeError('imported')")
    result = judge_cold("thresholds/x.yaml", "--collect-only", "-q", model="heavy:net")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert result.outlines[0] == "thresholds/x.yaml::accuracy[min]"
    assert FOG in result.outlines
    assert [line for line in result.outlines if "quba-check" in line] == ["quba-check: no demand was judged"]
