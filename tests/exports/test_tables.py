"""Records as CSV and Parquet: rows by hand, the same columns and types for all records."""

from __future__ import annotations

import csv
import io
import sys
from datetime import UTC, datetime

import pytest
from support.rows import GRADE, VERDICT
from support.tuned import record

from quba_check.errors import UserError
from quba_check.exports.tables import COLUMNS, csv_table, export_rows, parquet_table
from quba_check.records.record import Record

BOUNDED_GRADE = GRADE | {"interval": [-0.5, 1.5]}
UNITS = ("dimension", "part", "value", "lower", "upper", "unit", "n", "demand", "bound", "outcome", "tier")


def rows(*records: Record) -> list[tuple[object, ...]]:
    return [tuple(row[name] for name in UNITS) for row in export_rows(records)]


def on_quba(part: str, limit: object, **changed: object) -> dict[str, object]:
    demand = {"id": f"x.yaml::quba.{part}[min]", "dimension": "quba", "part": part, "limit": limit}
    return VERDICT | demand | changed


def test_the_columns() -> None:
    assert ",".join(COLUMNS) == (
        "model,fingerprint,protocol,suite,time,commit,dimension,part,value,lower,upper,unit,n,demand,bound,"
        "outcome,tier"
    )


def test_rows_by_hand() -> None:
    assert rows(record(verdicts=[VERDICT])) == [
        (
            *("accuracy", None, 0.9, pytest.approx(0.8804), pytest.approx(0.9196), "fraction", 1000),
            *(">= 0.85", 0.85, "pass", "block"),
        ),
        (
            *("corruption_robustness", None, 0.62, pytest.approx(0.5808), pytest.approx(0.6592)),
            *("ratio", 1000, None, None, None, None),
        ),
        (
            *("corruption_robustness", "fog", 0.55, pytest.approx(0.4912), pytest.approx(0.6088)),
            *("ratio", 1000, None, None, None, None),
        ),
        (
            *("calibration_error", None, 0.0312, pytest.approx(0.02336), pytest.approx(0.03904)),
            *("fraction", 1000, None, None, None, None),
        ),
        ("parameters", None, 5.289, None, None, "millions", None, None, None, None, None),
    ]


def test_of_several_demands_the_most_severe_is_shown() -> None:
    failed = VERDICT | {"bound": "max_drop", "limit": 0.01, "outcome": "fail"}
    assert rows(record(verdicts=[VERDICT, failed]))[0][-4:] == ("drop <= 0.01", 0.01, "fail", "block")


def test_what_could_not_be_measured_has_a_row_without_a_value() -> None:
    unmeasured = VERDICT | {"dimension": "shape_bias", "outcome": "unmeasurable"}
    part = VERDICT | {"part": "top5", "outcome": "unmeasurable", "tier": "warn"}
    measurements = {"accuracy": record().measurements["accuracy"], "shape_bias": {"unmeasurable": "no set"}}
    run = record(measurements=measurements, verdicts=[unmeasured, part])
    nothing = (None,) * 5
    assert rows(run)[1:] == [
        ("accuracy", "top5", *nothing, ">= 0.85", 0.85, "unmeasurable", "warn"),
        ("shape_bias", None, *nothing, ">= 0.85", 0.85, "unmeasurable", "block"),
    ]


def test_score_and_grade() -> None:
    run = record(
        measurements={},
        grades=[
            BOUNDED_GRADE,
            BOUNDED_GRADE | {"file": "y.yaml"},
            BOUNDED_GRADE | {"file": "z.yaml", "score": None},
        ],
        verdicts=[on_quba("grade", "A", outcome="fail"), on_quba("score", 0.1)],
    )
    assert rows(run) == [
        ("quba", "score", 0.5, -0.5, 1.5, "score", None, ">= 0.1", 0.1, "pass", "block"),
        ("quba", "grade", 81.25, None, None, "percentile", None, ">= A", None, "fail", "block"),
    ]


def test_a_masked_value_stands_as_measured() -> None:
    measured = record().measurements
    masked = measured["accuracy"].model_copy(update={"masked": ("FGSM helps the model",)})
    assert rows(record(measurements={**measured, "accuracy": masked})) == rows(record())


def test_csv_has_no_formulas() -> None:
    hostile = record().model.model_copy(update={"name": "=HYPERLINK(0)"})
    text = csv_table([record(model=hostile.model_dump())])
    table = list(csv.DictReader(io.StringIO(text)))
    assert {row["model"] for row in table} == {"'=HYPERLINK(0)"}
    assert list(table[0]) == list(COLUMNS)
    assert table[4]["lower"] == ""


@pytest.mark.parametrize("measurements", [{}, {"accuracy": {"unmeasurable": "x"}}])
def test_parquet_types_do_not_depend_on_the_rows(measurements: dict[str, object]) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    schemas = [
        pq.read_schema(io.BytesIO(parquet_table([run])))
        for run in (record(), record(measurements=measurements))
    ]
    assert schemas[0].equals(schemas[1])
    assert {str(schemas[0].field(name).type) for name in ("value", "lower", "upper", "bound")} == {"double"}
    assert [str(schemas[0].field(name).type) for name in ("n", "time")] == ["int64", "timestamp[ms, tz=UTC]"]
    assert schemas[0].names == list(COLUMNS)


def test_parquet_has_the_rows_of_the_csv_file() -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    runs = [record(verdicts=[VERDICT]), record(0.7)]
    table = pq.ParquetFile(io.BytesIO(parquet_table(runs))).read(use_threads=False).to_pylist()
    assert {row.pop("time") for row in table} == {datetime(2026, 1, 1, tzinfo=UTC)}
    written = list(csv.DictReader(io.StringIO(csv_table(runs))))
    assert len(table) == len(written) == 10
    for row, cells in zip(table, written, strict=True):
        assert {name: "" if cell is None else str(cell) for name, cell in row.items()} == {
            name: cells[name] for name in row
        }


def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError) as caught:
        parquet_table([record()])
    assert str(caught.value) == (
        '--to parquet needs pyarrow, which is not installed. Install it: pip install "quba-check[parquet]".'
    )
