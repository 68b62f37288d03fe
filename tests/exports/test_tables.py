"""Records as CSV and Parquet: rows by hand, the same columns and types for all records."""

import csv
import io
import sys
from datetime import UTC, datetime

import pytest
from support.errors import error_text
from support.rows import GRADE, VERDICT
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import UserError
from quba_check.exports.tables import COLUMNS, csv_table, parquet_table

BOUNDED_GRADE = GRADE | {"interval": [-0.5, 1.5]}


def on_quba(part: str, bound: object, **changed: object) -> dict[str, object]:
    demand = {"id": f"x.yaml::quba.{part}[min]", "dimension": "quba", "part": part, "bound": bound}
    return VERDICT | demand | changed


LOST = {
    "key": "max_drop",
    "bound": 0.01,
    "outcome": "fail",
    "judged": {"value": 0.02, "unit": "fraction", "n": 1000, "interval": [0.01, 0.03], "better": "low"},
}
MEASURED = record().measurements
CASES = {
    "values": record(verdicts=[VERDICT]),
    "of several demands the most severe": record(
        verdicts=[VERDICT, VERDICT | {"bound": 0.95, "outcome": "fail"}]
    ),
    "drops have rows of their own": record(
        verdicts=[VERDICT, VERDICT | LOST, VERDICT | LOST | {"key": "max_relative_drop", "judged": None}]
    ),
    "without a value": record(
        measurements={"accuracy": MEASURED["accuracy"], "shape_bias": {"unmeasurable": "no set"}},
        verdicts=[
            VERDICT | {"dimension": "shape_bias", "outcome": "unmeasurable"},
            VERDICT | {"part": "top5", "outcome": "unmeasurable", "tier": "warn"},
        ],
    ),
    "under conditions": record(
        measurements={"accuracy": MEASURED["accuracy"]},
        verdicts=[VERDICT | {"part": "@set=night", "outcome": "not run"}],
    ),
    "score and grade": record(
        measurements={},
        grades=[
            BOUNDED_GRADE | change for change in ({}, {"file": "y.yaml"}, {"file": "z.yaml", "score": None})
        ],
        verdicts=[on_quba("grade", "A", outcome="fail"), on_quba("score", 0.1)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_csv(name: str, snapshot: SnapshotAssertion) -> None:
    assert csv_table([CASES[name]]) == snapshot


def test_a_masked_value_stands_as_measured() -> None:
    masked = MEASURED["accuracy"].model_copy(update={"masked": ("FGSM helps the model",)})
    assert csv_table([record(measurements={**MEASURED, "accuracy": masked})]) == csv_table([record()])


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
    assert error_text(UserError, parquet_table, [record()]) == (
        '--to parquet needs pyarrow, which is not installed. Install it: pip install "quba-check[parquet]".'
    )
