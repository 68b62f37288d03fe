"""Scales, marks, heatmaps and charts by hand-computed coordinates."""

from __future__ import annotations

import math
import re
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.contrast import contrast, luminance

from quba_check.page.distribution import distribution
from quba_check.page.drawing import MARKS, Chart, Scale, Shape, hull, mark
from quba_check.page.heatmap import LEVELS, heatmap
from quba_check.page.plots import Bin, Point, class_curve, dot_plot, fit, reliability_diagram

FINITE = st.floats(-1e6, 1e6).map(lambda number: round(number, 9))


def walk(shapes: tuple[Shape, ...]) -> list[Shape]:
    """The elements, in groups too."""
    return [element for shape in shapes for element in (shape, *walk(shape.children))]


def elements(chart: Chart, tag: str, class_: str = "") -> list[Shape]:
    return [
        element
        for element in walk(chart.shapes)
        if element.tag == tag and set(class_.split()) <= set(element.attributes.get("class", "").split())
    ]


def texts(chart: Chart) -> list[str]:
    return [element.text for element in elements(chart, "text")]


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
    light, dark = brightness[: LEVELS + 1], brightness[LEVELS + 1 :]
    assert light == sorted(light)
    assert dark == sorted(dark, reverse=True)


def test_a_heatmap_is_a_table_of_numbers() -> None:
    rows = {"fog": [1.0, 0.5, 0.0, None, math.nan], "snow": [1.2, 0.9, 0.8, 0.7, 0.6]}
    chart = heatmap("Loss", ["1", "2", "3", "4", "5"], rows)
    assert chart.role == "table"
    assert [group.attributes["role"] for group in chart.shapes] == ["row"] * 3
    assert [cell.text for cell in chart.shapes[1].children if cell.tag == "text"] == [
        "fog", "1.00", "0.50", "0.00", "–", "–"
    ]  # fmt: skip
    assert [cell.attributes["class"] for cell in chart.shapes[1].children if cell.tag == "rect"] == [
        "h10", "h5", "h0"
    ]  # fmt: skip
    roles = {element.attributes["role"] for element in elements(chart, "text")}
    assert roles == {"columnheader", "rowheader", "cell"}


def test_a_dot_plot_of_one_record_has_numbers() -> None:
    rows = {"sketch": {0: Point(0.5, (0.4, 0.6), "ratio")}, "edge": {0: Point(1.0, None, "ratio")}}
    chart = dot_plot("Sets", rows, names=["a"])
    assert [circle.attributes["cx"] for circle in elements(chart, "circle")] == ["232", "336"]  # 128 to 336
    (interval,) = elements(chart, "line", "interval")
    assert (interval.attributes["x1"], interval.attributes["x2"]) == ("211.2", "252.8")
    assert {"sketch", "edge", "0.500", "1.000"} <= set(texts(chart))
    assert chart.description == "sketch 0.500 (0.400 to 0.600); edge 1.000"


def test_a_dot_plot_of_two_records_has_two_marks_a_row() -> None:
    rows = {"sketch": {0: Point(0.5), 1: Point(0.7)}, "edge": {1: Point(math.nan)}}
    chart = dot_plot("Sets", rows, names=["a", "b"])
    assert len(elements(chart, "circle", "s0")) == len(elements(chart, "path", "mark s1")) == 1
    assert chart.description == "sketch, a: 0.500; sketch, b: 0.700"


def test_a_reliability_diagram_counts_images() -> None:
    bins = [Bin(10, 0.25, 0.5, 0.2, 0.27), Bin(2_500, 0.75, 1.0, 0.73, 0.8)]
    scaled = [Bin(10, 0.5, 0.5, 0.47, 0.53)]
    chart = reliability_diagram({0: bins}, {0: scaled}, ["a"])
    (curve,) = (path for path in elements(chart, "path", "curve") if "dashed" not in path.attributes["class"])
    assert curve.attributes["d"] == "M130.5 134L287.5 8"  # x: 52 to 366, y: 260 to 8
    assert len(elements(chart, "path", "dashed")) == 1
    assert {"10", "2.5k"} <= set(texts(chart))
    assert "confidence 0.75 accuracy 1.00 (2,500 images)" in chart.description


def test_sorted_class_accuracies_are_one_path() -> None:
    chart = class_curve({0: [0.5, 0.1, 0.9, 0.7]}, ["a"])
    assert len(elements(chart, "path", "curve")) == 1
    assert chart.description == "4 classes, lowest 0.100, median 0.500, highest 0.900"
    assert len(walk(class_curve({0: list(range(1000))}, ["a"]).shapes)) < 40


def test_a_distribution_is_one_path_with_marks() -> None:
    values = [0.1, 0.2, 0.2, 0.9]
    chart = distribution(values, {0: 0.5, 1: math.nan}, ["a", "b"], "fraction")
    (bars,) = elements(chart, "path", "population")
    assert bars.attributes["d"].count("M") == 3
    assert chart.description == "median of 4 models 0.200; a 0.500"
    large = distribution([float(number) for number in range(5000)], {0: 3.0}, ["a"], "fraction")
    assert len(walk(large.shapes)) < 40


def test_a_distribution_of_parameters_is_logarithmic() -> None:
    chart = distribution([1.0, 10.0, 100.0], {0: 10.0}, ["a"], "millions")
    assert {"1", "3", "10", "30", "100"} <= set(texts(chart))
    assert chart.description == "median of 3 models 10.000 M; a 10.000 M"


def test_long_names_are_cut() -> None:
    assert fit("elastic_transform") == "elastic_transform"
    assert fit("x" * 300) == "x" * 17 + "…"
