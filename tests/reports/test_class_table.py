"""The table of single classes in the terminal and in Markdown."""

from __future__ import annotations

from support.tuned import quantity, record

from quba_check.records.record import Record
from quba_check.reports.cells import class_table
from quba_check.reports.markdown import Run, markdown_summary
from quba_check.reports.terminal import render

COLUMNS = ["class", "images", "recall", "recall_low", "recall_high", "precision", "f1"]
ROWS = [
    ["cat", 1200, 0.775, 0.7505, 0.7976, 1.0, 0.873239],
    ["d|og", 2, 0.0, 0.0, 0.98, "", 0.0],
    ["owl", 0, "", "", "", 0.05, 0.0],
]
TITLE = "recall, with its 95 % interval, and precision of each class"


def with_classes(columns: list[str], rows: list[list[str | int | float]]) -> Record:
    tables = {"classes": {"columns": columns, "rows": rows}}
    row = quantity(0.5, 0.01, "fraction", better="high", tables=tables)
    return record(measurements={"accuracy": quantity(0.9, 0.01, "fraction"), "classes": row})


def test_the_terminal_shows_each_class() -> None:
    text = render(with_classes(COLUMNS, ROWS), width=80, colour=False, classes=True)
    assert (
        f"\n{TITLE}:\n"
        "class  images  recall        interval  precision     F1\n"
        "cat     1,200   0.775    0.750..0.798      1.000  0.873\n"
        "d|og        2   0.000  too few images          -  0.000\n"
        "owl         0       -               -     0.0500  0.000\n\n"
    ) in text
    assert "owl" not in render(with_classes(COLUMNS, ROWS), width=80, colour=False)


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
        plain = render(other, width=80, colour=False)
        assert render(other, width=80, colour=False, classes=True) == plain
        assert "Classes" not in markdown_summary([Run(other)])


def test_the_summary_folds_the_table() -> None:
    text = markdown_summary([Run(with_classes(COLUMNS, ROWS))])
    assert (
        f"<details><summary>Classes: {TITLE}</summary>\n\n"
        "| class | images | recall | interval | precision | F1 |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| `cat` | 1,200 | 0.775 | 0.750..0.798 | 1.000 | 0.873 |\n"
        "| <code>d&#124;og</code> | 2 | 0.000 | too few images | - | 0.000 |\n"
        "| `owl` | 0 | - | - | 0.0500 | 0.000 |\n\n"
        "</details>\n"
    ) in text
