"""Demands of the page: order, addresses, charts, messages and next steps."""

from __future__ import annotations

import statistics

import pytest
from page.test_drawing import elements
from support.gate import thresholds
from support.rows import GRADE, verdict
from support.runs_compared import stored
from support.tuned import record

from quba_check.comparison.stored_run import StoredRun
from quba_check.grading import published_models
from quba_check.page.columns import Reference, columns, reference
from quba_check.page.demands import DemandView, demands
from quba_check.page.drawing import Chart
from quba_check.page.strips import Bounded, interval_chart, shared_range
from quba_check.records.record import Record
from quba_check.tuning.what_if import what_if
from quba_check.verdicts.explanation import verdict_row

NOWHERE = Reference(None)


def judged(run: StoredRun, text: str, file: str = "x.yaml", baseline: StoredRun | None = None) -> StoredRun:
    """The run with the verdicts of a threshold file."""
    verdicts = what_if(run, thresholds(text), baseline).verdicts
    rows = tuple(verdict_row(verdict, f"{file}::{verdict.demand.name}") for verdict in verdicts)
    rows = tuple(row.model_copy(update={"file": file}) for row in rows)
    content = run.record.model_copy(update={"verdicts": (*run.record.verdicts, *rows)})
    return StoredRun(run.file, content, run.images)


def rows_of(
    *runs: StoredRun, baseline: StoredRun | None = None, population: Reference = NOWHERE
) -> list[DemandView]:
    return list(demands(columns(runs), baseline, population, {}))


def run(content: Record | None = None) -> StoredRun:
    return StoredRun("r.json", content or record())


FAILING = "dimensions: {accuracy: {min: 0.5}, corruption_robustness: {min: 0.7, parts: {fog: {min: 0.54}}}}"


def test_failed_demands_come_first() -> None:
    first, second, third = rows_of(judged(run(), FAILING))
    assert [demand.worst.label for demand in (first, second, third)] == ["FAIL", "PASS", "PASS"]
    targets = [demand.row.target for demand in (first, second, third)]
    assert targets == ["corruption_robustness", "accuracy", "corruption_robustness.fog"]
    assert first.bounds == ("≥ 0.7",)
    assert (first.row.file, first.row.line) == ("x.yaml", 2)


def test_the_message_of_the_record_without_its_place() -> None:
    cell = rows_of(judged(run(), FAILING))[0].worst
    assert cell.headline == "corruption_robustness 0.620 is below 0.700 (short by 0.080)"
    assert cell.details == ("worst parts: fog 0.550", "n = 1,000 images", "95 % interval 0.581 to 0.659")
    assert (cell.value, cell.interval, cell.kind) == ("0.620", "0.581 to 0.659", "bad")


def test_a_passed_demand_has_a_headline() -> None:
    whole = rows_of(judged(run(), "dimensions: {corruption_robustness: {min: 0.1}}"))[0].worst
    assert whole.details == ("worst part: fog 0.550", "n = 1,000 images")
    fog = rows_of(judged(run(), FAILING))[2].worst
    assert fog.headline == "corruption_robustness.fog 0.550 meets the bound ≥ 0.54"
    assert fog.details == ("n = 1,000 images",)
    assert fog.is_noisy
    assert fog.advice == ()


def test_next_steps_name_commands() -> None:
    (failed,) = rows_of(judged(stored("r 50.json", [0, 1, 1] * 20), "dimensions: {accuracy: {min: 0.99}}"))
    steps = failed.worst.advice
    assert [command for _, command in steps if command] == ["quba-check failures 'r 50.json'"]
    unmeasured = judged(run(), "dimensions: {shape_bias: {min: 0.5}}")
    (step,) = rows_of(unmeasured)[0].worst.advice
    assert step[1] == "quba-check suite describe /data"


def test_a_bound_within_the_noise_asks_for_more_images() -> None:
    cell = rows_of(judged(run(), "dimensions: {accuracy: {min: 0.905}}"))[0].worst
    assert "about 12,000 images would be enough to decide" not in cell.headline
    assert any(line.startswith("about") and "enough to decide" in line for line in cell.details)
    assert "more images decide" in cell.advice[-1][0]


def test_addresses_are_unique() -> None:
    twice = judged(run(), "dimensions: {accuracy: {min: 0.5}}")
    twice = judged(twice, "dimensions: {accuracy: {min: 0.6}, parameters: {max: 9}}", file="strict gate.yaml")
    assert {demand.address for demand in rows_of(twice)} == {
        "x.yaml::accuracy[min]",
        "strict_gate.yaml::accuracy[min]",
        "parameters",
    }
    links = {demand.link for demand in rows_of(twice)}
    assert "d=strict_gate.yaml%3A%3Aaccuracy%5Bmin%5D" in links


def test_records_of_one_file_share_rows_and_axes() -> None:
    good = judged(run(), "dimensions: {accuracy: {min: 0.8}}")
    bad = judged(run(record(accuracy=0.7)), "dimensions: {accuracy: {min: 0.8}}")
    (demand,) = rows_of(good, bad)
    assert [cell.label for cell in demand.cells.values()] == ["PASS", "FAIL"]
    assert demand.worst.label == "FAIL"
    charts = [cell.chart for cell in demand.cells.values()]
    assert places(charts[0], "bound") == places(charts[1], "bound") != []


def test_records_with_other_bounds_show_both() -> None:
    one, other = (judged(run(), f"dimensions: {{accuracy: {{min: {bound}}}}}") for bound in (0.8, 0.85))
    (demand,) = rows_of(one, other)
    assert demand.bounds == ("≥ 0.8", "≥ 0.85")


def places(chart: Chart | None, class_: str) -> list[str]:
    """Places of the vertical lines of a class."""
    assert chart is not None
    return [
        place.attributes["x"]
        for place in elements(chart, "svg")
        if any(child.tag == "line" and child.attributes["class"] == class_ for child in place.children)
    ]


def test_an_interval_is_drawn_against_the_bound() -> None:
    chart = interval_chart(
        Bounded(0.6, (0.5, 0.65), bound=0.7, is_minimum=True, baseline=0.68, median=0.55), (0.5, 0.7)
    )
    assert chart is not None
    assert places(chart, "bound") == ["84.0%"]  # 16 to 84 % of the width
    assert places(chart, "median") == ["33.0%"]
    assert places(chart, "interval") == ["16.0%", "67.0%"]
    assert [text.text for text in elements(chart, "text")] == ["0.5", "0.7", "0.7"]  # both ends, the bound
    (circle,) = (place for place in elements(chart, "svg") if place.children[0].tag == "circle")
    assert circle.attributes["x"] == "50.0%"
    assert chart.description == (
        "value 0.600; interval 0.500 to 0.650; bound: at least 0.7; baseline 0.680; "
        "median of the population 0.550"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_chart_of_a_number_that_is_not_finite(value: float) -> None:
    assert interval_chart(Bounded(value, bound=0.5, is_minimum=True)) is None
    assert interval_chart(Bounded(0.5, bound=value, is_minimum=True)) is None
    low, high = shared_range([Bounded(value, bound=0.5, is_minimum=True)])
    assert low < high


def test_the_baseline_and_the_population_have_ticks() -> None:
    before = run(record(accuracy=0.8))
    after = judged(
        run(), "dimensions: {accuracy: {min: 0.85}, corruption_robustness: {parts: {fog: {min: 0.1}}}}"
    )
    published = reference([after], "published")
    suite = after.record.suite.model_copy(update={"name": "imagenet"})
    model = after.record.model.model_copy(update={"classes": 1000})
    imagenet = after.record.model_copy(update={"suite": suite, "model": model})
    accuracy, fog = rows_of(StoredRun("r.json", imagenet), baseline=before, population=published)
    assert accuracy.worst.chart is not None
    median = statistics.median(model.values["accuracy"] for model in published_models())
    assert f"baseline 0.800; median of the population {median:.3f}" in accuracy.worst.chart.description
    assert fog.worst.chart is not None
    assert "median" not in fog.worst.chart.description


def test_a_drop_shows_the_loss() -> None:
    before = stored("a.json", [0, 1, 2] * 20)
    after = judged(
        stored("b.json", [0, 1, 1] * 20), "dimensions: {accuracy: {max_drop: 0.1}}", baseline=before
    )
    (demand,) = rows_of(after, baseline=before)
    assert demand.bounds == ("drop ≤ 0.1",)
    assert demand.worst.value == "0.333"
    assert demand.worst.advice[0][1] == "quba-check compare a.json b.json --flips flips.csv"
    (without,) = rows_of(after)
    assert without.worst.value == "0.333", "the record has it"


def test_a_letter_has_the_interval_of_its_score() -> None:
    graded = GRADE | {"interval": (-0.5, 1.1), "letters": ("A", "B", "C")}
    row = verdict("quba.grade", "C", "pass", id="x.yaml::quba.grade[min]")
    (demand,) = rows_of(run(record(grades=[graded], verdicts=[row])))
    assert demand.row.is_on_grade
    assert demand.worst.value == "B"
    assert demand.worst.interval == "score -0.500 to 1.100"
    assert demand.worst.chart is None
