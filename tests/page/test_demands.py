"""Demands of the page: order, addresses, charts, messages and next steps."""

import statistics

import pytest
from support.charts import elements
from support.gate import thresholds
from support.rows import GRADE, verdict
from support.runs_compared import stored
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.explanation import Explanation
from quba_check.grading import published_models
from quba_check.page.columns import Reference, columns, reference
from quba_check.page.demands import DemandView, demands
from quba_check.page.drawing import Chart
from quba_check.page.strips import Bounded, interval_chart, shared_range
from quba_check.records.record import Record
from quba_check.reports.verdict_labels import LOOKS
from quba_check.tuning.what_if import what_if
from quba_check.verdicts.explanation import verdict_row

NOWHERE = Reference(None)


def judged(run: StoredRun, text: str, file: str = "x.yaml", baseline: StoredRun | None = None) -> StoredRun:
    """The run with the verdicts of a threshold file."""
    verdicts = what_if(run, thresholds(text), baseline).verdicts
    rows = tuple(verdict_row(verdict, f"{file}::{verdict.demand.name}") for verdict in verdicts)
    rows = tuple(row.model_copy(update={"file": file, "threshold_file": file}) for row in rows)
    content = run.record.model_copy(update={"verdicts": (*run.record.verdicts, *rows)})
    return StoredRun(run.file, content, run.images)


def rows_of(
    *runs: StoredRun, baseline: StoredRun | None = None, population: Reference = NOWHERE
) -> list[DemandView]:
    return list(demands(columns(runs), baseline, population, {}))


def run(content: Record | None = None) -> StoredRun:
    return StoredRun("r.json", content or record())


def text(rows: list[DemandView]) -> str:
    """The words of each demand for its records."""
    lines = []
    for demand in rows:
        lines.append(f"{demand.row.target} {' or '.join(demand.bounds)} {demand.row.file}:{demand.row.line}")
        for cell in demand.cells.values():
            noise = " ~" if cell.is_noisy else ""
            lines.append(f"  {cell.label}{noise} [{LOOKS[cell.label].sign}] {cell.value} ({cell.interval})")
            lines += [f"    {line}" for line in (cell.headline, *cell.details)]
            lines += [f"    next: {advice} {command}".rstrip() for advice, command in cell.advice]
            lines += [f"    chart: {cell.chart.description}"] if cell.chart else []
    return "\n".join(lines)


FAILING = "dimensions: {accuracy: {min: 0.5}, corruption_robustness: {min: 0.7, parts: {fog: {min: 0.54}}}}"
BEFORE = stored("a.json", [0, 1, 2] * 20)
AFTER = stored("b.json", [0, 1, 1] * 20)
DROP = judged(AFTER, "dimensions: {accuracy: {max_drop: 0.1}}", baseline=BEFORE)
LETTER = record(
    grades=[GRADE | {"interval": (-0.5, 1.1), "letters": ("A", "B", "C")}],
    verdicts=[
        verdict(
            "quba.grade",
            "C",
            "pass",
            id="x.yaml::quba.grade[min]",
            explanation=Explanation("", value="B", unit="score", interval=(-0.5, 1.1)),
        )
    ],
)
EIGHTY = "dimensions: {accuracy: {min: 0.8}}"
CASES = {
    "failed demands come first": rows_of(judged(run(), FAILING)),
    "a pass has a headline": rows_of(judged(run(), "dimensions: {corruption_robustness: {min: 0.1}}")),
    "next steps name commands": rows_of(
        judged(stored("r 50.json", [0, 1, 1] * 20), "dimensions: {accuracy: {min: 0.99}}")
    ),
    "unmeasured": rows_of(judged(run(), "dimensions: {shape_bias: {min: 0.5}}")),
    "a bound within the noise": rows_of(judged(run(), "dimensions: {accuracy: {min: 0.905}}")),
    "two records": rows_of(judged(run(), EIGHTY), judged(run(record(accuracy=0.7)), EIGHTY)),
    "two bounds": rows_of(judged(run(), EIGHTY), judged(run(), EIGHTY.replace("0.8", "0.85"))),
    "a drop with its baseline": rows_of(DROP, baseline=BEFORE),
    "a drop without": rows_of(DROP),
    "a letter has the interval of its score": rows_of(run(LETTER)),
}


@pytest.mark.parametrize("name", CASES)
def test_texts(name: str, snapshot: SnapshotAssertion) -> None:
    assert text(CASES[name]) == snapshot


@pytest.mark.parametrize(
    ("bound", "headline"),
    [
        ("max_drop: 0.1", "accuracy drop 0.000 meets the bound ≤ 0.1"),
        ("max_relative_drop: 5%", "accuracy relative drop 0.0% meets the bound ≤ 5%"),
    ],
)
def test_a_drop_that_passes_is_named(bound: str, headline: str) -> None:
    (demand,) = rows_of(judged(BEFORE, f"dimensions: {{accuracy: {{{bound}}}}}", baseline=BEFORE))
    assert demand.worst.headline == headline


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


def test_a_demand_that_several_files_extend_has_its_most_severe_verdict() -> None:
    text = "uncertain: {}\ndimensions: {{accuracy: {{min: 0.89}}}}"
    for policies in (("fail", "point"), ("point", "fail")):
        both = run()
        for policy in policies:
            both = judged(both, text.format(policy))
        assert [demand.worst.label for demand in rows_of(both)] == ["UNCERTAIN"]


def test_records_of_one_demand_share_an_axis() -> None:
    (demand,) = CASES["two records"]
    assert demand.worst.label == "FAIL"
    charts = [cell.chart for cell in demand.cells.values()]
    assert places(charts[0], "bound") == places(charts[1], "bound") != []


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
