"""Charts of single classes and of answers, from tables that a record may lack."""

from __future__ import annotations

from typing import Any

from page.test_drawing import elements
from support.tuned import quantity, record

from quba_check.comparison.stored_run import StoredRun
from quba_check.page.columns import Column, columns
from quba_check.page.drawing import Chart
from quba_check.page.figure import Figure, Tinted
from quba_check.page.figures import figures

CLASSES = [
    "class",
    "images",
    "recall",
    "recall_low",
    "recall_high",
    "precision",
    "precision_low",
    "precision_high",
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
ANSWERS = {
    "risk_coverage": {"columns": ["threshold", "share", "error"], "rows": [[0.9, 0.5, 0.0], [0.1, 1.0, 0.1]]},
    "thresholds": {
        "columns": ["score", "threshold", "answered", "wrong", "error", "confidence"],
        "rows": [["probability", 0.91234, 750, 15, 0.03, 0.95]],
    },
}


def runs(dimension: str, *tables: dict[str, Any]) -> tuple[Column, ...]:
    rows = [quantity(0.5, 0.01, "fraction", better="high", tables=each) for each in tables]
    return columns(
        [StoredRun(f"{k}.json", record(measurements={dimension: row})) for k, row in enumerate(rows)]
    )


def drawn(dimension: str, *tables: dict[str, Any]) -> list[Figure]:
    return figures(dimension, runs(dimension, *tables))


def of_classes(*rows: list[Any], **more: Any) -> dict[str, Any]:
    return {"classes": {"columns": CLASSES, "rows": rows}, "confusions": CONFUSIONS, **more}


def test_classes() -> None:
    matrix, table, recall, precision = drawn("classes", of_classes(CAT, DOG))
    assert matrix.caption.endswith(
        "Other cells stand out by their share of the class, which is at most 60.0 %."
    )
    assert matrix.rows == (("cat", Tinted("4"), Tinted("6", 0)), ("dog", "", ""))
    assert table.headings == ("class", "called", "images", "share of the class")
    assert table.rows == (("cat", "dog", "6", "60.0 %"),)
    assert recall is not None
    assert precision is not None
    assert words(recall) == {"cat": "0.400 (0.200 to 0.600)"}
    assert words(precision) == {"cat": "1.000 (0.500 to 1.000)", "dog": "0.000 (0.000 to 0.400)"}


def words(figure: Figure) -> dict[Any, str]:
    """The words of each row's strip."""
    return {row[0]: row[1].description for row in figure.rows if isinstance(row[1], Chart)}


def test_two_records_have_a_matrix_each_and_shared_charts() -> None:
    captions = [figure.caption for figure in drawn("classes", of_classes(CAT), of_classes(DOG))]
    assert [caption.partition(":")[0] for caption in captions] == [
        "Confusion matrix of r50 (0.json)",
        "The 1 largest confusions of r50 (0.json)",
        "Confusion matrix of r50 (1.json)",
        "The 1 largest confusions of r50 (1.json)",
        "Recall of each class",
        "Precision of each class",
    ]


def test_more_than_fifty_classes_have_no_matrix() -> None:
    rows = [[f"c{k}", 10, k / 51, 0.0, 1.0, 0.5, 0.4, 0.6, 0.5] for k in range(51)]
    table, recall, _ = drawn("classes", of_classes(*rows))
    assert table.caption == "The 1 largest confusions"
    assert recall.caption.endswith("The lowest 24 of 51.")


def test_the_operating_points_of_each_set_are_on_its_roc_curve() -> None:
    tables = {"roc.cat": ROC, "roc.cat@set=fog": ROC, "operating_points": POINTS}
    clean, fog = drawn("classes", tables)
    assert clean.caption == (
        "ROC of cat: its recall by the share of other images that are called so. "
        "Marked: probability 0.3: recall 0.950 at false positive rate 0.200."
    )
    assert (
        "specificity 0.75 on night, threshold 0.4124: recall 0.700 at false positive rate 0.250."
        in fog.caption
    )
    assert clean.chart is not None
    assert clean.chart.description == "probability 0.3: recall 0.950 at false positive rate 0.200"
    assert len(elements(clean.chart, "circle")) == 1
    (alone,) = drawn("classes", {"roc.cat": ROC})
    assert alone.chart is not None
    assert alone.chart.description == "no marked point"


def test_risk_and_coverage_with_the_demanded_threshold() -> None:
    (figure,) = drawn("answers", ANSWERS)
    assert figure.chart is not None
    marked = "probability from 0.9123: error 0.020 at share of answered images 0.750"
    assert figure.chart.description == marked
    assert figure.caption.endswith(f"Marked: {marked}.")


def test_tables_that_are_missing_or_of_another_form_draw_nothing() -> None:
    assert drawn("classes", {}) == []
    assert drawn("answers", {}) == []
    other = {"columns": ["class"], "rows": [["cat"]]}
    names = ("classes", "confusions", "operating_points", "risk_coverage", "thresholds")
    assert drawn("classes", dict.fromkeys(names, other)) == []
    assert drawn("answers", dict.fromkeys(names, other)) == []
