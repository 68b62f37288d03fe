"""Scales, marks, strips, matrices and charts by hand-computed coordinates."""

import math
import re
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.charts import elements, texts, walk
from support.contrast import contrast, luminance

from quba_check.comparison.compare import ChangeRow
from quba_check.page.drawing import MARKS, Chart, Scale, hull, mark
from quba_check.page.figure import LEVELS, Tinted, bars, curves_figure, distribution, matrix
from quba_check.page.strips import Bounded, Point, axis, change_chart, round_ends, round_scale, shared_range

FINITE = st.floats(-1e6, 1e6).map(lambda number: round(number, 9))


def test_a_scale_maps_its_ends_and_clips() -> None:
    scale = Scale(0.5, 1.0, 10, 110)
    assert [scale(value) for value in (0.5, 0.75, 1.0, 0.0, 2.0)] == [10, 60, 110, 10, 110]
    assert Scale(1, 1, 0, 10)(1) == 5


@given(FINITE, FINITE)
def test_ticks_are_round_and_within(one: float, other: float) -> None:
    low, high = sorted((one, other))
    ticks = Scale(low, high, 0, 1).ticks()
    span = high - low
    assert 1 <= len(ticks) <= 7 or span == 0
    assert (
        all(low - 1e-6 * max(span, 1) <= tick <= high + 1e-6 * max(span, 1) for tick in ticks) or span < 1e-9
    )


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=6))
def test_a_hull_covers_every_finite_value(values: list[float]) -> None:
    finite = [value for value in values if math.isfinite(value) and abs(value) < 1e300]
    low, high = hull([*finite, math.nan, math.inf])
    assert low < high
    assert all(low <= value <= high for value in finite)


def test_a_hull_stays_within_the_possible_range() -> None:
    assert hull([0.9, 1.0], within=(0.0, 1.0)) == (pytest.approx(0.89), 1.0)
    assert hull([0.9, 1.2], within=(0.0, 1.0))[1] == 1.2


def test_marks_differ_in_form_and_colour() -> None:
    forms = {
        (mark(series, 0, 0).tag, mark(series, 0, 0).attributes.get("d", "")) for series in range(len(MARKS))
    }
    colours = {mark(series, 0, 0).attributes["class"] for series in range(len(MARKS))}
    assert len(forms) == len(colours) == len(MARKS) == 6


def test_numbers_are_readable_on_every_colour() -> None:
    assert contrast("#fff", "#767676") == pytest.approx(4.54, abs=0.01)
    style = files("quba_check.page").joinpath("templates", "page.css").read_text(encoding="utf-8")
    found = re.findall(r"\.h(\d+) { --cell: (#[0-9a-f]{6}); --ink: (#[0-9a-f]{3}); }", style)
    assert [int(number) for number, _, _ in found] == [*range(LEVELS + 1)] * 2  # light, then dark
    assert min(contrast(cell, ink) for _, cell, ink in found) >= 4.5
    brightness = [luminance(cell) for _, cell, _ in found]
    light = brightness[: LEVELS + 1]
    dark = brightness[LEVELS + 1 :]
    assert light == sorted(light)
    assert dark == sorted(dark, reverse=True)


def test_a_scale_with_round_ends_covers_its_values() -> None:
    assert (round_scale([0.4]).low, round_scale([0.4]).high) == (0, 1)
    assert (round_scale([-0.1, 1.02]).low, round_scale([-0.1, 1.02]).high) == (-0.25, 1.25)
    low, high = shared_range([Bounded(0.951, (0.94, 0.96), bound=0.93, is_minimum=True)])
    assert (low, high) == (0.92, 0.97)


@given(FINITE, FINITE)
def test_round_ends_enclose_a_scale(one: float, other: float) -> None:
    low, high = hull([one, other])
    first, last = round_ends(Scale(low, high, 0, 1))
    slack = 1e-6 * max(abs(low), abs(high), 1)
    assert first <= low + slack
    assert last >= high - slack
    assert last - first <= 3 * (high - low)


def test_bars_of_one_record_have_numbers() -> None:
    rows = {"sketch": {0: Point(0.5, (0.4, 0.6), "ratio")}, "edge": {0: Point(1.0, None, "ratio")}}
    figure = bars("Sets", "set", rows, ["a"])
    assert figure is not None
    (kind, scale, value), (sketch, edge) = figure.headings, figure.rows
    assert (kind, value, sketch[0], sketch[2], edge[2]) == ("set", "value", "sketch", "0.500", "1.000")
    assert isinstance(scale, Chart)
    assert texts(scale) == ["0", "0.5", "1"]
    strip = sketch[1]
    assert isinstance(strip, Chart)
    assert strip.description == "0.500 (0.400 to 0.600)"
    assert [at.attributes["x"] for at in elements(strip, "svg")] == ["40.4%", "59.6%", "50.0%"]  # 2 to 98 %
    (filled,) = elements(strip, "rect", "fill")
    assert (filled.attributes["x"], filled.attributes["width"]) == ("2.0%", "48.0%")


@pytest.mark.parametrize(("high", "ends"), [(1.0, ["0", "0.5", "1"]), (1.25, ["0", "0.5", "1.25"])])
def test_the_numbers_of_an_axis_are_apart(high: float, ends: list[str]) -> None:
    assert texts(axis(Scale(0.0, high, 2, 98))) == ends


def change(**changed: Any) -> ChangeRow:
    row = {"dimension": "calibration_error", "part": None, "unit": "fraction", "better": "low"}
    row |= {"before": 0.05, "after": 0.03, "change": -0.02, "interval": (-0.031, -0.009), "finding": "better"}
    return ChangeRow.model_validate(row | {"n": 400, "paired": True} | changed)


@pytest.mark.parametrize(("better", "ends"), [("low", ["+0.04", "-0.04"]), ("high", ["-0.04", "+0.04"])])
def test_a_change_has_the_ends_of_its_scale(better: str, ends: list[str]) -> None:
    chart = change_chart(change(better=better))
    assert texts(chart) == ends
    (dot,) = (each for each in chart.shapes if any(inner.tag == "circle" for inner in each.children))
    assert dot.attributes["x"] == {"low": "65.0%", "high": "35.0%"}[better]  # 20 to 80 %, no change at 50


def test_bars_of_two_records_are_marks() -> None:
    rows = {"sketch": {0: Point(0.5), 1: Point(0.7)}, "edge": {1: Point(math.nan)}}
    figure = bars("Sets", "set", rows, ["a", "b"])
    assert figure is not None
    ((name, strip, *values),) = figure.rows
    assert (figure.headings[2:], name, values) == (("a", "b"), "sketch", ["0.500", "0.700"])
    assert isinstance(strip, Chart)
    assert len(elements(strip, "circle", "s0")) == len(elements(strip, "path", "mark s1")) == 1
    assert not elements(strip, "rect", "fill")
    assert strip.description == "a: 0.500; b: 0.700"
    assert bars("Sets", "set", {"edge": {1: Point(math.nan)}}, ["a", "b"]) is None


CONFUSED = {("cat", "dog"): (6, 0.6), ("cat", "owl"): (1, 0.06), ("owl", "dog"): (1200, 0.06)}


def test_right_answers_are_on_the_diagonal_and_the_largest_share_stands_out() -> None:
    figure = matrix(
        "Confusions", "class", ["cat", "dog", "owl"], {"cat": 3, "dog": 0, "owl": 18_800}, CONFUSED
    )
    assert figure.headings == ("class", "cat", "dog", "owl")
    assert figure.rows == (
        ("cat", Tinted("3"), Tinted("6", 0), Tinted("1", 8)),
        ("dog", "", "", ""),
        ("owl", "", Tinted("1.2k", 8), Tinted("19k")),
    )


@pytest.mark.parametrize(
    ("classes", "kind"), [(8, "matrix"), (9, "matrix stacked"), (20, "matrix stacked"), (21, "matrix dense")]
)
def test_the_layout_of_a_matrix_follows_its_number_of_classes(classes: int, kind: str) -> None:
    names = [f"class {k}" for k in range(classes)]
    assert matrix("Confusions", "class", names, dict.fromkeys(names, 9), {}).kind == kind


def test_curves_with_marks_the_diagonal_and_a_second_curve() -> None:
    curve = {0: [(0.25, 0.5), (0.75, 0.9)]}
    axes = ("confidence", "accuracy")
    marks = {0: [("10 images", 0.25, 0.5, 3.0)]}
    dashed = {0: [(0.5, 0.5)]}
    chart = curves_figure("Bins", axes, curve, marks, ["a"], dashed=dashed, title="Bins").chart
    assert chart is not None
    (first,) = (path for path in elements(chart, "path", "curve") if "dashed" not in path.attributes["class"])
    assert first.attributes["d"] == "M155.5 134L362.5 33.2"  # x: 52 to 466, y: 260 to 8
    assert len(elements(chart, "path", "dashed")) == len(elements(chart, "line", "ideal")) == 1
    assert [circle.attributes["r"] for circle in elements(chart, "circle")] == ["3"]
    assert chart.description == "10 images: accuracy 0.500 at confidence 0.250"
    assert {"0", "1", "confidence", "accuracy"} <= set(texts(chart))


def test_a_distribution_has_marks_and_numbers() -> None:
    values = [0.1, 0.2, 0.2, 0.9]
    chart = distribution(values, {0: 0.5, 1: math.nan}, ["a", "b"], "fraction")
    assert len(elements(chart, "rect", "population")) == 3
    assert chart.description == "median of 4 models 0.200; a 0.500"
    large = distribution([float(number) for number in range(5000)], {0: 3.0}, ["a"], "fraction")
    assert len(walk(large.shapes)) < 60


def test_the_numbers_at_the_ends_of_a_distribution_stay_inside() -> None:
    chart = distribution([0.0, 0.5, 1.0], {}, ["a"], "fraction")
    anchors = [element.attributes["text-anchor"] for element in elements(chart, "text")[1:]]
    assert elements(chart, "text")[0].attributes.get("text-anchor") is None  # it starts at its tick
    assert anchors == ["middle"] * 3 + ["end"]


def test_a_distribution_of_parameters_is_logarithmic() -> None:
    chart = distribution([1.0, 10.0, 100.0], {0: 10.0}, ["a"], "millions")
    assert {"1", "3", "10", "30", "100"} <= set(texts(chart))
    assert chart.description == "median of 3 models 10.000 M; a 10.000 M"
