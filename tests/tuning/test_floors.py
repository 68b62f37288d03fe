import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuned import quantity, record

from quba_check.dimensions import registry
from quba_check.errors import OptionError
from quba_check.grading.published import published_population
from quba_check.protocol.measurement_rows import StoppedRow
from quba_check.tuning.floors import floors_of, percentile_floors, published_floors

examples = settings(deadline=None, derandomize=True, max_examples=60)


def test_one_run_gives_its_limits_rounded_to_what_the_noise_leaves():
    """0.9 − 1.645 · 0.01 = 0.8836, half an interval 0.0196: hundredths; worse is higher for errors."""
    floors = floors_of({"a.json": record()}, 1.645)
    assert {name: floor.limit for name, floor in floors.items()} == {
        "accuracy": 0.88,
        "corruption_robustness": 0.58,
        "calibration_error": 0.038,
        "parameters": 5.3,
    }
    assert floors["accuracy"].reason == "0.900 (0.880..0.920) in a.json"
    assert floors["parameters"].reason == "5.289 M in a.json"


def test_a_value_of_some_images_supports_no_limit():
    run = record()
    stopped = StoppedRow(images=256, of=3000, passes=True, alpha=0.025)
    rows = {
        **run.measurements,
        "accuracy": run.measurements["accuracy"].model_copy(update={"stopped": stopped}),
    }
    assert "accuracy" not in floors_of({"a.json": record(measurements=rows)}, 1.645)


def test_several_runs_give_the_worst_value():
    floors = floors_of({"a.json": record(0.9), "b.json": record(0.893), "c.json": record(0.91)}, 1.645)
    assert floors["accuracy"].limit == 0.89
    assert floors["accuracy"].reason == "0.893, the worst of 3: b.json"


@given(st.floats(0.001, 0.999), st.floats(1e-5, 0.05), st.floats(0, 3))
@examples
def test_a_run_meets_the_limits_made_of_it(value, error, z):
    rows = {"accuracy": quantity(value, error, "fraction", better="high", parts={})}
    rows["calibration_error"] = quantity(value, error, "fraction", better="low", parts={})
    floors = floors_of({"a": record(measurements=rows)}, z)
    assert floors["accuracy"].limit <= value
    assert floors["calibration_error"].limit >= value


def test_half_of_the_models_reach_the_median():
    population = published_population()
    for name, floor in percentile_floors(population, 50).items():
        values = [row.values[name] for row in population.rows if name in row.values]
        meets = (
            sum(value >= floor.limit for value in values)
            if registry[name].better == "high"
            else sum(value <= floor.limit for value in values)
        )
        assert meets / len(values) == pytest.approx(0.5, abs=0.03)
        assert floor.reason == "percentile 50 of 326 models of published"


def test_like_a_published_model():
    floors = published_floors("ResNet50")
    assert (floors["accuracy"].limit, floors["parameters"].limit) == (0.761, 25.6)
    assert floors["accuracy"].reason == "ResNet50 as published"


def test_capitals_are_no_other_model():
    with pytest.raises(OptionError) as caught:
        published_floors("resnet50")
    assert str(caught.value) == (
        "--like: there is no published model 'resnet50'. Did you mean 'ResNet50'? "
        "Allowed: one of 326 names, such as AlexNet, GoogLeNet, VGG11 and 323 more."
    )


def test_no_such_model():
    with pytest.raises(OptionError) as caught:
        published_floors("ResNet5")
    assert str(caught.value) == (
        "--like: there is no published model 'ResNet5'. Did you mean 'ResNet50'? "
        "Allowed: one of 326 names, such as AlexNet, GoogLeNet, VGG11 and 323 more."
    )
