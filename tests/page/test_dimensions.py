"""Sections of dimensions: words, ranks, charts from tables, and sentences without tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from page.test_drawing import elements
from support.rows import VERDICT
from support.sample_records import sample, write_samples
from support.tuned import quantity, record

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.dimensions import registry
from quba_check.grading.population import Population, PopulationRow
from quba_check.page import tables
from quba_check.page.columns import Column, Reference, columns, reference
from quba_check.page.dimensions import DimensionView, dimension_views, formula, paper
from quba_check.page.drawing import Chart
from quba_check.page.figure import Tinted
from quba_check.page.figures import figures
from quba_check.page.strips import Point

FAILED = VERDICT | {"outcome": "fail", "limit": 0.95}
CUES = {"columns": ["category", "images", "shape_hits", "texture_hits"]}
CLASSES = {"columns": ["class", "images", "accuracy", "true_probability"]}


def column(dimension: str, tables: dict[str, Any], parts: dict[str, Any] | None = None) -> Column:
    """A record with one dimension of value 0.5."""
    row = quantity(0.5, 0.01, "fraction", better="high", parts=parts or {}, tables=tables)
    (only,) = columns([StoredRun("r.json", record(measurements={dimension: row}))])
    return only


def views(*runs: StoredRun, population: Population | None = None) -> dict[str, DimensionView]:
    return {view.name: view for view in dimension_views(columns(runs), Reference(population))}


def run(**measurements: dict[str, Any]) -> StoredRun:
    return StoredRun("r.json", record(measurements=measurements))


def test_every_published_dimension_has_words(tmp_path: Path) -> None:
    write_samples(tmp_path)
    demo = sample(tmp_path, "demo")
    sections = dimension_views(columns([demo]), reference([demo]))
    assert tuple(view.name for view in sections) == PUBLISHED_DIMENSIONS
    for view in sections:
        assert view.registered == registry[view.name]
        assert formula(view.registered)
        assert paper(view.registered.source) == "https://arxiv.org/abs/2503.17110"
        assert view.figures
        assert view.parts


def test_a_custom_dimension() -> None:
    parts = {f"part{number}": quantity(0.1, None, "fraction") for number in range(120)}
    (view,) = views(run(speed=quantity(0.5, 0.1, "fraction", better="low", parts=parts))).values()
    assert (view.registered, view.better) == (None, "lower is better")
    assert len(view.parts) == 101
    assert view.parts[-1] == ("20 more in the record", "")
    assert view.figures == ()


def population(**values: list[float]) -> Population:
    rows = [
        PopulationRow(str(number), dict(zip(values, each, strict=True)))
        for number, each in enumerate(zip(*values.values(), strict=True))
    ]
    return Population("fleet", "standard", "tiny", tuple(rows), classes=10)


def test_ranks_count_worse_models() -> None:
    fleet = population(accuracy=[0.1, 0.5, 0.5, 0.9], calibration_error=[0.1, 0.5, 0.5, 0.9])
    row = quantity(0.5, 0.01, "fraction")
    sections = views(
        run(accuracy=row | {"better": "high"}, calibration_error=row | {"better": "low"}), population=fleet
    )
    assert sections["accuracy"].values[0].rank == "better than 25 % of fleet"
    assert sections["calibration_error"].values[0].rank == "better than 25 % of fleet"
    last = sections["accuracy"].figures[-1]
    assert last.caption == "4 models of the population fleet, with their median."


def test_an_adversarial_value_of_another_protocol_is_marked() -> None:
    fleet = Population(
        "fleet", "released", "tiny", (PopulationRow("a", {"adversarial_robustness": 0.2}),), classes=10
    )
    row = quantity(0.5, 0.01, "ratio", better="high")
    (view,) = views(run(adversarial_robustness=row), population=fleet).values()
    assert view.figures[-1].caption.endswith("so the values are not comparable.")


def test_a_dimension_without_a_value_has_no_section() -> None:
    one = run(accuracy={"unmeasurable": "no images"}, shape_bias={"not_measured": True})
    assert views(one) == {}
    other = run(accuracy=quantity(0.9, 0.01, "fraction", better="high"))
    (view,) = views(one, other).values()
    assert [value.problem for value in view.values] == ["unmeasurable: no images", ""]


def test_a_demand_on_a_part_gives_the_dimension_no_sign() -> None:
    row = quantity(0.5, 0.01, "fraction", better="high")
    failed = FAILED | {"part": "top5", "name": "accuracy.top5[min]"}
    for verdicts, label in ([[failed], None], [[failed, FAILED], "FAIL"]):
        (view,) = views(
            StoredRun("r.json", record(measurements={"accuracy": row}, verdicts=verdicts))
        ).values()
        assert view.values[0].label == label


def test_a_masked_value() -> None:
    row = quantity(0.5, 0.01, "ratio", better="high", masked=["PGD is weaker than FGSM"])
    (view,) = views(run(adversarial_robustness=row)).values()
    assert view.values[0].problem == "masked, no evidence of robustness: PGD is weaker than FGSM"


def test_the_heatmap_of_a_table() -> None:
    table = {"columns": ["corruption", "1", "2", "3", "4", "5"], "rows": [["fog", 1.2, 0.5, "", 0.7, 0.04]]}
    (figure,) = figures("corruption_robustness", [column("corruption_robustness", {"severities": table})])
    assert figure.headings == ("severity", "1", "2", "3", "4", "5")
    cells = ("fog", Tinted("1.20", 10), Tinted("0.50", 5), "–", Tinted("0.70", 7), Tinted("0.04", 0))
    assert figure.rows == (cells,)


@pytest.mark.parametrize(
    "dimension", ["corruption_robustness", "calibration_error", "class_balance", "shape_bias"]
)
def test_a_record_without_tables(dimension: str) -> None:
    assert figures(dimension, [column(dimension, {})]) == []


def test_a_table_without_a_needed_column_counts_as_missing() -> None:
    other = column("shape_bias", {"categories": {"columns": ["category"], "rows": [["cat"]]}})
    assert tables.shape_shares(other) == {}
    assert figures("shape_bias", [other]) == []


def test_cells_that_are_no_numbers_are_left_out() -> None:
    rows = [["cat", 5, 0.5, 0.4], ["dog", 5, "unknown", 0.4], ["owl", "many", 0.9, "unknown"]]
    cat, owl = tables.classes(column("class_balance", {"classes": CLASSES | {"rows": rows}}))
    assert (cat[0], cat[1], cat[2].value, cat[3]) == ("cat", 5, 0.5, 0.4)
    assert owl == ("owl", 0, Point(0.9), None)


def test_the_worst_ten_classes_are_named() -> None:
    rows = [[f"class {number}", 50, number / 100, 0.5] for number in range(100)]
    curve, worst = figures("class_balance", [column("class_balance", {"classes": CLASSES | {"rows": rows}})])
    assert curve.chart is not None
    assert worst.caption.startswith("The 10 classes with the lowest accuracy, ")
    assert [row[0] for row in worst.rows] == [f"class {number}" for number in range(10)]
    assert worst.rows[3][2:] == ("0.0300 (50)", "0.500")


def test_up_to_ten_classes_are_bars() -> None:
    rows = [[name, 20, accuracy, 0.5] for name, accuracy in (("cat", 0.75), ("dog", 1.0))]
    (figure,) = figures("class_balance", [column("class_balance", {"classes": CLASSES | {"rows": rows}})])
    assert figure.caption == "Accuracy of each class, and the mean probability of the true class (p)"
    (_, scale, *_), (name, strip, *texts) = figure.headings, figure.rows[0]
    assert isinstance(scale, Chart)
    assert [text.text for text in elements(scale, "text")] == ["0", "0.5", "1"]
    assert isinstance(strip, Chart)
    # The interval of 15 of 20, from statsmodels 0.14.4 (proportion_confint, method "beta")
    assert (name, strip.description, texts) == ("cat", "0.750 (0.509 to 0.913)", ["0.750 (20)", "0.500"])
    (filled,) = elements(strip, "rect", "fill")
    assert (filled.attributes["x"], filled.attributes["width"]) == ("2.0%", "72.0%")


def test_the_classes_of_a_second_record_have_its_colour() -> None:
    row = column("class_balance", {"classes": CLASSES | {"rows": [["cat", 20, 0.75, 0.5]]}}).run
    strips = [figure.rows[0][1] for figure in figures("class_balance", columns([row, row]))]
    assert all(isinstance(strip, Chart) for strip in strips)
    fills = [elements(strip, "rect", f"fill s{k}") for k, strip in enumerate(strips)]  # type: ignore[arg-type]
    assert [[fill.attributes["y"] for fill in each] for each in fills] == [["2"], ["2"]]


def test_classes_of_grouped_images_have_no_interval() -> None:
    sets = {"clean": {"images": 40, "groups": 8}}
    rows = {"classes": CLASSES | {"rows": [["cat", 20, 0.75, 0.5]]}}
    row = quantity(0.5, 0.01, "fraction", better="high", tables=rows)
    suite = record().suite.model_dump() | {"sets": sets}
    (grouped,) = columns([StoredRun("r.json", record(measurements={"class_balance": row}, suite=suite))])
    assert tables.classes(grouped) == [("cat", 20, Point(0.75), 0.5)]


def test_the_most_confident_unknown_images() -> None:
    columns = ["set", "image", "predicted", "probability"]
    rows = [["unknown/near", "near/a.png", "cat", 0.98765], ["unknown/far", "b.png", "dog", "high"]]
    shown = {"most_confident": {"columns": columns, "rows": rows}}
    (figure,) = figures("unknown_detection", [column("unknown_detection", shown)])
    assert (figure.headings, figure.rows[0]) == (
        tuple(columns),
        ("unknown/near", "near/a.png", "cat", "0.988"),
    )
    assert figure.caption == (
        "The most confident unknown images. A known class among them is a sign that the set leaks."
    )
    assert not figures("unknown_detection", [column("unknown_detection", {})])


def test_the_steps_of_pipelines() -> None:
    headings = ("pipeline", "step", "images", "share")
    rows = [["app", "resize", 85, 0.0425], ["app", "jpeg", 12, 0.006]]
    shown = {"steps": {"columns": [*headings], "rows": rows}}
    (figure,) = figures("serving", [column("serving", shown)])
    assert figure.caption == "Answers that one step of a pipeline alone changes"
    assert (figure.headings, figure.rows[0]) == (headings, ("app", "resize", "85", "4.2 %"))


def test_many_categories_are_cut() -> None:
    rows = [[f"c{number}", 100, number, 100 - number] for number in range(60)]
    (figure,) = figures("shape_bias", [column("shape_bias", {"categories": CUES | {"rows": rows}})])
    assert figure.caption.endswith("The lowest 24 of 60.")
    assert len(figure.rows) == 24


def test_many_sets_are_cut() -> None:
    parts = {f"set{number:02}": quantity(number / 100, 0.01, "ratio", better="high") for number in range(40)}
    (figure,) = figures("ood_robustness", [column("ood_robustness", {}, parts)])
    assert figure.caption.endswith("The lowest 24 of 40.")
    assert [row[0] for row in figure.rows] == [f"set{number:02}" for number in range(24)]


def test_the_temperature_is_stated() -> None:
    bins = {
        "columns": ["from", "to", "images", "confidence", "accuracy"],
        "rows": [[0.4, 0.47, 9, 0.45, 0.5]],
    }
    fitted = {
        "columns": ["temperature", "nll", "nll_scaled", "ece", "ece_scaled"],
        "rows": [[1.5, 0.3, 0.2, 0.05, 0.02]],
        "note": "on held-out halves",
    }
    both = {"reliability": bins, "reliability_scaled": bins, "temperature": fitted}
    (figure,) = figures("calibration_error", [column("calibration_error", both)])
    assert "T = 1.50, ECE 0.0500 → 0.0200; on held-out halves." in figure.caption


def test_several_records_share_a_chart(tmp_path: Path) -> None:
    write_samples(tmp_path)
    both = columns([sample(tmp_path, "demo"), sample(tmp_path, "textured")])
    counts = {name: len(figures(name, both)) for name in PUBLISHED_DIMENSIONS}
    assert counts == {
        "accuracy": 0,
        "adversarial_robustness": 1,
        "corruption_robustness": 3,  # a heatmap each, and both in one chart
        "ood_robustness": 1,
        "calibration_error": 1,
        "class_balance": 2,  # ten classes: their bars, for each record
        "object_focus": 1,
        "shape_bias": 1,
        "parameters": 0,
    }


def test_the_population_is_that_of_the_grade_or_the_suite(tmp_path: Path) -> None:
    write_samples(tmp_path)
    demo = sample(tmp_path, "demo")
    assert reference([demo]).name == "demo"
    ungraded = StoredRun("r.json", demo.record.model_copy(update={"grades": ()}))
    assert reference([ungraded]).name == "demo"
    assert reference([ungraded], "screened").name == "screened"
    assert reference([StoredRun("r.json", record())]).name == ""
