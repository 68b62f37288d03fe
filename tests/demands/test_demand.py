from quba_check.demands import Demand


def test_names():
    whole = Demand("accuracy", None, "min", 0.5, "block", False, "fraction", "high", "t.yaml", 3)
    part = Demand("calibration_error", "ece", "max", 0.1, "warn", False, "fraction", "low", "t.yaml", 4)
    assert (whole.target, whole.name, whole.place) == ("accuracy", "accuracy[min]", "t.yaml:3")
    assert (part.target, part.name) == ("calibration_error.ece", "calibration_error.ece[max]")
