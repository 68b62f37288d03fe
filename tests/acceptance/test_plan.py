"""The plan of a run: a table alone with `--quba-plan`, and two lines before every run."""

import pytest
from acceptance.runs import Judge


def test_the_table_is_shown_and_nothing_is_run(judge_cold: Judge) -> None:
    record = judge_cold.write("record.json", "")
    result = judge_cold("thresholds/x.yaml", "--quba-plan", "--quba-record=record.json", "-n2")
    assert result.ret == 0
    lines = result.outlines
    first = lines.index("nets:net on tiny, protocol standard, cpu")
    assert lines[first + 1].split()[:4] == ["view", "images", "from", "in"]
    assert "Nothing was run, and no record was written." in lines
    assert judge_cold.passes() == {}
    assert record.read_text() == ""
    assert not any((judge_cold.store / "runs").iterdir())
    assert not any((judge_cold.store / "predictions").iterdir())
    assert "no demand was judged" not in result.stdout.str()
    assert "workers" not in result.stdout.str()


def test_selected_demands_are_planned_before_a_run(judge: Judge) -> None:
    result = judge("thresholds/x.yaml", "-k", "object_focus")
    first = result.outlines.index("plan: 3 views, 21 images")
    assert result.outlines[first + 1] == "all predictions are in the store"
    result = judge("thresholds/x.yaml", "-k", "nothing", "--quba-plan")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_time_is_that_of_the_last_run_until_images_are_predicted(judge_cold: Judge) -> None:
    judge_cold("thresholds/x.yaml", "-k", "accuracy")
    (file,) = (judge_cold.store / "speeds").iterdir()
    assert float(file.read_text()) > 0
    file.write_text("0.5")
    result = judge_cold("thresholds/x.yaml", "-k", "object_focus", "--quba-plan")
    assert "12 forward passes, about 20 s on cpu" in result.outlines
    result = judge_cold("thresholds/x.yaml", "-k", "object_focus")
    assert "12 forward passes, about 20 s on cpu" in result.outlines
