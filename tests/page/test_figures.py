"""Charts of dimensions, from tables and parts that a record may lack."""

from pathlib import Path
from typing import Any

import pytest
from support.charts import elements, figure_text
from support.sample_records import sample, write_samples
from support.tuned import quantity, record
from syrupy.assertion import SnapshotAssertion

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.page import tables
from quba_check.page.columns import Column, columns
from quba_check.page.drawing import Chart
from quba_check.page.figures import figures
from quba_check.page.strips import Point

CLASSES = [
    "class",
    "images",
    "recall",
    "recall_lower",
    "recall_upper",
    "precision",
    "precision_lower",
    "precision_upper",
    "f1",
]
CAT = ["cat", 10, 0.4, 0.2, 0.6, 1.0, 0.5, 1.0, 0.571]
DOG = ["dog", 0, "", "", "", 0.0, 0.0, 0.4, 0.0]
CONFUSIONS = {
    "columns": ["label", "predicted", "images", "share"],
    "rows": [["cat", "dog", 6, 0.6], ["cat", "cat", 4, 0.4]],
}
ROC = {"columns": ["threshold", "false_positive_rate", "recall"], "rows": [[0.9, 0.0, 0.5], [0.1, 1.0, 1.0]]}
POINTS = {
    "columns": ["target", "set", "rule", "threshold", "recall", "specificity"],
    "rows": [
        ["cat", "clean", "probability 0.3", 0.3, 0.95, 0.8],
        ["cat", "fog", "specificity 0.75 on night", 0.41239, 0.7, 0.75],
    ],
}
TRUE_CLASSES = {"columns": ["class", "images", "accuracy", "true_probability"]}
ANSWERS = {
    "risk_coverage": {"columns": ["threshold", "share", "error"], "rows": [[0.9, 0.5, 0.0], [0.1, 1.0, 0.1]]},
    "thresholds": {
        "columns": ["score", "set", "pipeline", "threshold", "answered", "wrong"],
        "rows": [
            ["probability", "clean", "", 0.91234, 750, 15],
            ["probability", "val", "", 0.8, 90, 9],
            ["probability", "clean", "app", 0.7, 90, 9],
        ],
    },
}


FITTED = {
    "columns": ["temperature", "nll", "nll_scaled", "ece", "ece_scaled"],
    "rows": [[1.5, 0.3, 0.2, 0.05, 0.02]],
    "note": "on held-out halves",
}
BINS = {"columns": ["from", "to", "images", "confidence", "accuracy"], "rows": [[0.4, 0.47, 9, 0.45, 0.5]]}
OTHER = {"columns": ["class"], "rows": [["cat"]]}


def of_classes(*rows: list[Any], **more: Any) -> dict[str, Any]:
    return {"classes": {"columns": CLASSES, "rows": rows}, "confusions": CONFUSIONS, **more}


def accuracies(*rows: list[Any]) -> dict[str, Any]:
    return {"classes": TRUE_CLASSES | {"rows": rows}}


def listing(name: str, columns: str, *rows: list[Any]) -> dict[str, Any]:
    return {name: {"columns": columns.split(), "rows": rows}}


CASES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "classes": ("classes", [of_classes(CAT, DOG)]),
    "classes of two records": ("classes", [of_classes(CAT), of_classes(DOG)]),
    "more than fifty classes have no matrix": (
        "classes",
        [of_classes(*([f"c{k}", 10, k / 51, 0.0, 1.0, 0.5, 0.4, 0.6, 0.5] for k in range(51)))],
    ),
    "the operating points of each set": (
        "classes",
        [{"roc.cat": ROC, "roc.cat@set=fog": ROC, "roc.dog": ROC, "operating_points": POINTS}],
    ),
    "risk and coverage": ("answers", [ANSWERS]),
    "severities": (
        "corruption_robustness",
        [listing("severities", "corruption 1 2 3 4 5", ["fog", 1.2, 0.5, "", 0.7, 0.04])],
    ),
    "the worst ten classes": (
        "class_balance",
        [accuracies(*([f"class {k}", 50, k / 100, 0.5] for k in range(100)))],
    ),
    "cells that are no numbers": (
        "class_balance",
        [accuracies(["cat", 5, 0.5, 0.4], ["dog", 5, "unknown", 0.4], ["owl", "many", 0.9, "unknown"])],
    ),
    "unknown images": (
        "unknown_detection",
        [
            listing(
                *("most_confident", "set image predicted probability"),
                ["unknown/near", "near/a.png", "cat", 0.98765],
                ["unknown/far", "b.png", "dog", "high"],
            )
        ],
    ),
    "steps of a pipeline": (
        "parity",
        [
            listing(
                *("steps", "pipeline step images share"),
                ["app", "resize", 85, 0.0425],
                ["app", "jpeg", 12, 0.006],
            )
        ],
    ),
    "the lowest of many categories": (
        "shape_bias",
        [
            listing(
                *("categories", "category images shape_hits texture_hits"),
                *([f"c{k}", 100, k, 100 - k] for k in range(60)),
            )
        ],
    ),
    "temperatures of two records": ("calibration_error", [{"reliability": BINS, "temperature": FITTED}] * 2),
    "the temperature": (
        "calibration_error",
        [{"reliability": BINS, "reliability_scaled": BINS, "temperature": FITTED}],
    ),
}


def runs(dimension: str, *tables: dict[str, Any]) -> tuple[Column, ...]:
    rows = [quantity(0.5, 0.01, "fraction", better="high", tables=each) for each in tables]
    return columns(
        [StoredRun(f"{k}.json", record(measurements={dimension: row})) for k, row in enumerate(rows)]
    )


@pytest.mark.parametrize("name", CASES)
def test_charts(name: str, snapshot: SnapshotAssertion) -> None:
    dimension, given = CASES[name]
    assert "\n\n".join(map(figure_text, figures(dimension, runs(dimension, *given)))) == snapshot


def test_a_curve_has_its_marked_points() -> None:
    (clean, *_) = figures("classes", runs("classes", {"roc.cat": ROC, "operating_points": POINTS}))
    assert clean.chart is not None
    assert len(elements(clean.chart, "circle")) == 1


def test_the_title_of_a_curve_has_the_whole_name_of_its_class() -> None:
    (curve, *_) = figures("classes", runs("classes", {"roc.stage: late": ROC}))
    assert curve.chart is not None
    assert curve.chart.title == "ROC of stage: late"


@pytest.mark.parametrize(
    "dimension",
    [
        *("corruption_robustness", "calibration_error", "class_balance", "shape_bias"),
        *("classes", "answers", "unknown_detection"),
    ],
)
def test_tables_that_are_missing_or_of_another_form_draw_nothing(dimension: str) -> None:
    names = ("classes", "confusions", "operating_points", "risk_coverage", "thresholds", "categories")
    for given in ({}, dict.fromkeys(names, OTHER)):
        assert figures(dimension, runs(dimension, given)) == []


def test_the_classes_of_each_record_have_its_colour_and_intervals() -> None:
    two = runs("class_balance", *[accuracies(["cat", 20, 0.75, 0.5], ["dog", 20, 1.0, 0.5])] * 2)
    for k, figure in enumerate(figures("class_balance", two)):
        name, strip, *texts = figure.rows[0]
        assert isinstance(strip, Chart)
        # The interval of 15 of 20, from statsmodels 0.14.4 (proportion_confint, method "beta")
        assert (name, strip.description, texts) == ("cat", "0.750 (0.509 to 0.913)", ["0.750 (20)", "0.500"])
        (filled,) = elements(strip, "rect", f"fill s{k}")
        assert [filled.attributes[name] for name in ("x", "width", "y")] == ["2.0%", "72.0%", "2"]


def test_classes_of_grouped_images_have_no_interval() -> None:
    suite = record().suite.model_dump() | {"sets": {"clean": {"images": 40, "groups": 8}}}
    row = quantity(0.5, 0.01, "fraction", better="high", tables=accuracies(["cat", 20, 0.75, 0.5]))
    (grouped,) = columns([StoredRun("r.json", record(measurements={"class_balance": row}, suite=suite))])
    assert tables.classes(grouped) == [("cat", 20, Point(0.75), 0.5)]


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
