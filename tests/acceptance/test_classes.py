"""`--quba-classes`: the table of single classes, measured although no demand needs it."""

from __future__ import annotations

from acceptance.runs import Judge


def test_every_class_is_shown_and_recorded(judge: Judge) -> None:
    judge.write("thresholds/x.yaml", "schema: 1\ndimensions:\n  parameters: {max: 1}\n")
    result = judge("thresholds/x.yaml", "--quba-classes", "--quba-report=record.json")
    assert result.ret == 0
    lines = result.outlines
    start = lines.index("recall, with its 95 % interval, and precision of each class:")
    shown = [line.split()[:3] for line in lines[start + 2 : lines.index("", start)]]
    table = judge.record()["measurements"]["classes"]["tables"]["classes"]
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    assert shown == [[row["class"], str(row["images"]), f"{row['recall']:.3f}"] for row in rows]
    assert sum(row["images"] for row in rows) == 9
    assert judge.record()["measurements"]["accuracy"] == {"not_measured": True}


def test_a_run_without_the_option_measures_no_classes(judge: Judge) -> None:
    result = judge("thresholds/x.yaml", "--quba-report=record.json")
    assert "classes" not in judge.record()["measurements"]
    assert not [line for line in result.outlines if line.startswith("recall, with")]
