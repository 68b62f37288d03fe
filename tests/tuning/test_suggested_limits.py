import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gate import thresholds
from support.tuned import quantity, record

from quba_check.core.confidence import SCORES
from quba_check.dimensions import registry
from quba_check.grading.published import models_by_name, published_population
from quba_check.tuning.suggested_limits import (
    SuggestedLimit,
    dimensions_without_effect,
    limits_of_demands,
    masked_dimensions,
    percentile_limits,
    published_limits,
    suggest_limits,
)

examples = settings(deadline=None, derandomize=True, max_examples=60)


def wilson(share: float, images: int) -> dict[str, object]:
    """A share's interval and limits."""

    def at(z: float) -> float:
        root = math.sqrt(share * (1 - share) / images + z * z / (4 * images * images))
        return max(0.0, (share + z * z / (2 * images) + z * root) / (1 + z * z / images))

    return {"limits": [at(score) for score in SCORES], "interval": [at(-1.96), at(1.96)]}


def test_one_run_gives_its_limits_rounded_to_what_the_noise_leaves():
    """0.9 − 1.645 · 0.01 = 0.8836, half an interval 0.0196: hundredths; worse is higher for errors."""
    suggestions = suggest_limits({"a.json": record()}, 1.645)
    assert {name: suggestion.limit for name, suggestion in suggestions.items()} == {
        "accuracy": 0.88,
        "corruption_robustness": 0.58,
        "calibration_error": 0.038,
        "parameters": 5.3,
    }
    assert suggestions["accuracy"].reason == "0.900 (0.880..0.920) in a.json"
    assert suggestions["parameters"].reason == "5.289 M in a.json"


def test_a_masked_value_supports_no_limit():
    run = record()
    rows = {
        **run.measurements,
        "accuracy": run.measurements["accuracy"].model_copy(update={"masked": ("FGSM helps the model",)}),
    }
    masked_run = record(measurements=rows)
    assert "accuracy" not in suggest_limits({"a.json": run, "b.json": masked_run}, 1.645)
    assert masked_dimensions({"a.json": run, "b.json": masked_run}) == ("accuracy",)
    assert masked_dimensions({"a.json": run}) == ()


def test_a_limit_stays_above_0_where_the_noise_does():
    """Wilson's limits of 1 in 256: the interval is 0.0007 to 0.0218, of which most lies on the good side."""
    share = wilson(1 / 256, 256)
    rows = {"shape_bias": quantity(1 / 256, 0.0, "fraction", better="high", parts={}) | share}
    suggestions = suggest_limits({"a.json": record(measurements=rows)}, 1.645)
    assert suggestions["shape_bias"] == SuggestedLimit(0.0008, "0.0039 (0.0007..0.0218) in a.json")
    assert dimensions_without_effect(suggestions) == ()


def test_a_limit_that_every_model_meets():
    rows = {
        "shape_bias": quantity(0.0, 0.0, "fraction", better="high", parts={}) | wilson(0.0, 256),
        "object_focus": quantity(0.01, 0.02, "ratio", better="high", parts={}),
        "calibration_error": quantity(0.0, None, "fraction", better="low", parts={}),
    }
    suggestions = suggest_limits({"a.json": record(measurements=rows)}, 1.645)
    assert {name: suggestion.limit for name, suggestion in suggestions.items()} == {
        "calibration_error": 0.0,
        "object_focus": -0.03,
        "shape_bias": 0.0,
    }
    assert dimensions_without_effect(suggestions) == ("object_focus", "shape_bias")


@pytest.mark.parametrize(
    ("worst", "limit", "reason"),
    [
        (0.893, 0.87, "0.893 (0.873..0.913) in b.json, the worst of 3"),
        (0.8, 0.76, "0.800 (0.780..0.820) in b.json, the worst of 3"),
        (0.9, 0.88, "0.900 (0.880..0.920) in a.json, the worst of 3"),
    ],
)
def test_several_runs_have_their_spread_and_standard_error_in_the_margin(worst, limit, reason):
    """Of 0.9, 0.8 and 0.91: 0.87 less the root of (1.645 · 0.061)² + (1.645 · 0.01)²; at least one's own."""
    records = {"a.json": record(0.9), "b.json": record(worst), "c.json": record(0.91)}
    assert suggest_limits(records, 1.645)["accuracy"] == SuggestedLimit(limit, reason)


def test_errors_of_several_runs_have_a_margin_upwards_and_shares_end_at_0():
    rows = [
        {
            "calibration_error": quantity(error, 0.01, "fraction", better="low", parts={}),
            "shape_bias": quantity(share, 0.0, "fraction", better="high", parts={}) | wilson(share, 256),
        }
        for error, share in ((0.03, 1 / 256), (0.09, 0.2))
    ]
    records = {f"{number}.json": record(measurements=own) for number, own in enumerate(rows)}
    limits = suggest_limits(records, 1.645)
    assert {name: one.limit for name, one in limits.items()} == {"calibration_error": 0.14, "shape_bias": 0.0}


# Multiples of a power of ten, and values next to them.
ROUND = st.builds(
    lambda steps, digits, noise: steps / 10**digits * (1 + noise),
    st.integers(1, 99),
    st.integers(2, 6),
    st.sampled_from([0.0, 2.3e-16, -2.3e-16, 9e-11, -9e-11]),
)


ERRORS = st.sampled_from([None, 0.0, 1e-17, 1e-11, 0.004])


@given(st.lists(ROUND, min_size=1, max_size=3), ERRORS, st.floats(0, 3))
@examples
def test_runs_meet_the_limits_made_of_them_to_the_last_digit(values, error, z):
    rows = [
        {
            name: quantity(value, error, "fraction", better=better, parts={})
            for name, better in (("accuracy", "high"), ("calibration_error", "low"))
        }
        for value in values
    ]
    records = {f"{number}": record(measurements=own) for number, own in enumerate(rows)}
    suggestions = suggest_limits(records, z)
    written = {name: float(f"{one.limit:.15g}") for name, one in suggestions.items()}
    assert written["accuracy"] <= min(values)
    assert written["calibration_error"] >= max(values)


@given(st.integers(1, 99), st.integers(2, 6))
@examples
def test_an_exact_value_of_two_digits_is_its_own_limit(steps, digits):
    value = steps / 10**digits
    rows = {
        "accuracy": quantity(value, None, "fraction", better="high", parts={}),
        "calibration_error": quantity(value, None, "fraction", better="low", parts={}),
    }
    limits = suggest_limits({"a": record(measurements=rows)}, 1.645)
    assert {one.limit for one in limits.values()} == {value}


def test_bounds_of_a_file_have_limits_of_their_own_numbers():
    """0.6 - 1.645 · 0.02 = 0.567; 0.85 - 1.645 · 0.01 = 0.834; the worst of two slices is less sure."""
    parts = {
        f"@set={name}": quantity(value, 0.02, "fraction")
        for name, value in (("night", 0.8), ("fog", 0.6), ("snow", 0.9))
    }
    values = {"site=a": quantity(0.85, 0.01, "fraction"), "site=b": quantity(0.7, 0.03, "fraction")}
    row = quantity(0.9, 0.01, "fraction", parts=parts, slices={"site": {"values": values}})
    file = thresholds("""\
dimensions:
  accuracy:
    - min: 0.1
      max_drop: 0.1
      slices: {site: {worst: {min: 0.1}, gap: {max: 0.5}}, site=a: {min: 0.1}}
    - {set: [night, fog], min: 0.1}
    - {set: [sketch, snow], min: 0.1}
quba: {min_score: 0}
""")
    records = {"a.json": record(measurements={"accuracy": row})}
    limits = limits_of_demands(file, suggest_limits(records, 1.645), records, 1.645)
    first = ("dimensions", "accuracy", 0)
    worst = limits.pop((*first, "slices", "site", "worst", "min"))
    assert 0.6 <= worst.limit < 0.7 - 1.645 * 0.03
    assert {place: one.limit for place, one in limits.items()} == {
        (*first, "min"): 0.88,
        (*first, "slices", "site=a", "min"): 0.83,
        ("dimensions", "accuracy", 1, "min"): 0.56,
    }


def test_half_of_the_models_reach_the_median():
    population = published_population()
    for name, suggestion in percentile_limits(population, 50).items():
        values = [row.values[name] for row in population.rows if name in row.values]
        meets = (
            sum(value >= suggestion.limit for value in values)
            if registry[name].better == "high"
            else sum(value <= suggestion.limit for value in values)
        )
        assert meets / len(values) == pytest.approx(0.5, abs=0.03)
        assert suggestion.reason == "percentile 50 of 326 models of published"


def test_like_a_published_model():
    suggestions = published_limits(models_by_name()["ResNet50"])
    assert (suggestions["accuracy"].limit, suggestions["parameters"].limit) == (0.761, 25.6)
    assert suggestions["accuracy"].reason == "ResNet50 as published"
