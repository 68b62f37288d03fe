from dataclasses import replace

from quba_check.demands import Demand


def test_names():
    whole = Demand("accuracy", None, "min", 0.5, "block", False, "fraction", "high", "t.yaml", 3)
    part = Demand("calibration_error", "ece", "max", 0.1, "warn", False, "fraction", "low", "t.yaml", 4)
    assert (whole.target, whole.name, whole.source_line) == ("accuracy", "accuracy[min]", "t.yaml:3")
    assert (part.target, part.name) == ("calibration_error.ece", "calibration_error.ece[max]")


def test_the_source_line_is_a_path_that_opens_from_the_current_folder(tmp_path, monkeypatch):
    folder = tmp_path / "project" / "thresholds"
    folder.mkdir(parents=True)
    path = folder / ".." / "thresholds" / "default.yaml"
    shipped = "quba_check/thresholds/default.yaml"
    demand = Demand("accuracy", None, "min", 0.5, "block", False, "fraction", "high", shipped, 3)
    placed = replace(demand, path=path)
    monkeypatch.chdir(tmp_path / "project")
    assert placed.source_line == "thresholds/default.yaml:3"
    monkeypatch.chdir(folder)
    assert placed.source_line == "default.yaml:3"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert placed.source_line == f"{folder.resolve() / 'default.yaml'}:3"
    assert (demand.source_line, placed.file) == (f"{shipped}:3", shipped)


def test_a_higher_error_is_a_worsening_and_no_drop():
    whole = Demand("accuracy", None, "max_drop", 0.02, "block", False, "fraction", "high", "t.yaml", 3)
    error = Demand(
        "calibration_error", None, "max_drop", 0.02, "block", False, "fraction", "low", "t.yaml", 4
    )
    assert (whole.threshold_text, error.threshold_text) == ("drop <= 0.02", "worsening <= 0.02")
    assert replace(error, bound="max_relative_drop").threshold_text == "relative worsening <= 0.02"
