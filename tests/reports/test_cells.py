"""Texts of demands from messages as the gate writes them, and the table of single classes."""

from dataclasses import replace

import pytest
from support.gate import markdown_text, terminal_text
from support.gated import CALIBRATION, CORRUPTION, FILE, GRADE, SCORE, corruption
from support.tuned import quantity, record
from syrupy.assertion import SnapshotAssertion

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.measurement import Drop, Unmeasurable
from quba_check.demands.demand import Demand, Policy
from quba_check.number_format import RELATIVE
from quba_check.records.record import Record
from quba_check.records.verdict import BoundKey
from quba_check.reports.cells import DemandCells, class_table, demand_cells
from quba_check.reports.terminal import render
from quba_check.verdicts import decide
from quba_check.verdicts.explanation import grade_row, verdict_row


def drop(value: float, error: float, *, unit: str = "ratio", **changes: object) -> Drop:
    curve = ConfidenceCurve(tuple(value + score * error for score in SCORES))
    loss = Drop(value, unit, 500, curve, before=0.66, after=0.62, baseline="old (v2).json", paired=True)
    return replace(loss, **changes)


def cells(demand: Demand, evidence: Drop, policy: Policy | None = None) -> DemandCells:
    verdict = decide(demand, evidence, policy or Policy("point", 0.95))
    return demand_cells(verdict_row(verdict, "t.yaml::x"), record())


@pytest.mark.parametrize(
    ("key", "bound", "policy", "texts"),
    [
        ("max_drop", 0.01, "point", ("drop <= 0.01", "0.0400", "0.0071..0.0729", "over by 0.0300")),
        (
            "max_relative_drop",
            0.01,
            "point",
            ("relative drop <= 1%", "4.00%", "0.71%..7.29%", "over by 3.00%"),
        ),
        ("max_drop", 0.05, "fail", ("drop <= 0.05", "0.0400", "0.0071..0.0729", "not shown to be met")),
        ("max_drop", 0.05, "point", ("drop <= 0.05", "0.0400", "0.0071..0.0729", "-")),
    ],
)
def test_a_drop_is_shown_with_its_interval(
    key: BoundKey, bound: float, policy: str, texts: tuple[str, ...]
) -> None:
    unit = RELATIVE if key == "max_relative_drop" else "ratio"
    loss = drop(0.04, 0.02, unit=unit)
    found = cells(replace(CORRUPTION, key=key, bound=bound), loss, Policy(policy, 0.9))
    assert found == DemandCells(*texts)


def test_a_higher_error_is_a_worsening() -> None:
    demand = replace(CALIBRATION, key="max_drop", bound=0.01)
    verdict = decide(demand, drop(0.04, 0.02, unit="fraction"))
    row = verdict_row(verdict, "t.yaml::x")
    errors = {"calibration_error": quantity(0.09, 0.01, "fraction", better="low")}
    assert demand_cells(row, record(measurements=errors)).bound == "worsening <= 0.01"


def test_a_score_has_the_interval_at_the_level_of_its_file() -> None:
    curve = ConfidenceCurve(tuple(-0.4 + 0.1 * score for score in SCORES))
    grade = replace(GRADE, score=-0.4, curve=curve)
    row = verdict_row(decide(replace(SCORE, threshold_file=FILE), grade, Policy("point", 0.8)), "t.yaml::x")
    texts = demand_cells(row, record(grades=[grade_row(grade, FILE)]))
    assert texts == DemandCells(">= 0", "-0.400", "-0.528..-0.272", "short by 0.400")


def test_a_drop_without_baseline() -> None:
    demand = replace(CORRUPTION, key="max_drop", bound=0.1)
    verdict = decide(demand, Unmeasurable("corruption_robustness", "there is no baseline"))
    row = verdict_row(verdict, "t.yaml::x")
    assert demand_cells(row, record()).gap == "there is no baseline"


def test_a_demand_has_the_value_that_was_judged() -> None:
    row = verdict_row(decide(CORRUPTION, corruption(0.6)), "t.yaml::x")
    texts = DemandCells(">= 0.5", "0.600")
    assert (row.outcome, demand_cells(row, record(measurements={}))) == ("pass", texts)


COLUMNS = ["class", "images", "recall", "recall_lower", "recall_upper", "precision", "f1"]
ROWS = [
    ["cat", 1200, 0.775, 0.7505, 0.7976, 1.0, 0.873239],
    ["d|og", 2, 0.0, 0.0, 0.98, "", 0.0],
    ["owl", 0, "", "", "", 0.05, 0.0],
]


def with_classes(columns: list[str], rows: list[list[str | int | float]]) -> Record:
    tables = {"classes": {"columns": columns, "rows": rows}}
    row = quantity(0.5, 0.01, "fraction", better="high", tables=tables)
    return record(measurements={"accuracy": quantity(0.9, 0.01, "fraction"), "classes": row})


def test_each_class_is_shown(snapshot: SnapshotAssertion) -> None:
    content = with_classes(COLUMNS, ROWS)
    shown = render(content, width=80, colour=False, classes=True)
    assert f"{shown}\n{markdown_text(content)}" == snapshot
    assert "owl" not in terminal_text(content)


def test_long_names_fit_the_terminal() -> None:
    rows = [["a very long name of a class " * 3, *ROWS[0][1:]]]
    text = render(with_classes(COLUMNS, rows), width=80, colour=False, classes=True)
    assert max(map(len, text.splitlines())) <= 80


def test_of_many_classes_the_lowest_recalls_are_shown() -> None:
    rows: list[list[str | int | float]] = [
        [f"c{k}", 10, (k * 7 % 31) / 31, 0.0, 0.9, 0.5, 0.5] for k in range(31)
    ]
    title, shown = class_table(with_classes(COLUMNS, [*rows, ["none", 0, "", "", "", "", ""]]))
    assert title == "the 30 of 32 classes with the lowest recall; the record has all"
    recalls = [float(row[2]) for row in shown]
    assert recalls == sorted(recalls)
    assert [len(shown), shown[0][0]] == [30, "c0"]


def test_without_the_table_nothing_is_shown() -> None:
    for other in (record(), with_classes(["class", "images"], [["cat", 3]])):
        assert class_table(other) == ("", [])
        plain = terminal_text(other)
        assert render(other, width=80, colour=False, classes=True) == plain
        assert "Classes" not in markdown_text(other)
