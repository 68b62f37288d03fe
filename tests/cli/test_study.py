"""`quba-check published study` as people type it."""

import csv
import io

import pytest
from cli.conftest import Run
from syrupy.assertion import SnapshotAssertion


@pytest.mark.parametrize("name", ["published", "screened", "demo"])
def test_it_fits_eighty_columns(run: Run, name: str) -> None:
    code, out, err = run(f"published study --population {name}")
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if len(line) > 80] == []


def test_what_the_tables_show(run: Run, snapshot: SnapshotAssertion) -> None:
    assert run("published study")[1] == snapshot


def test_csv_has_every_number(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("published study --population screened --format csv")[1])))
    assert len(rows) == 36 + 9 * 9
    assert {row["population"] for row in rows} == {"screened"}
    first = rows[0]
    assert (first["analysis"], first["dimension"], first["second_dimension"], first["n"]) == (
        "spearman",
        "accuracy",
        "adversarial_robustness",
        "219",
    )
    assert float(first["lower"]) < float(first["estimate"]) < float(first["upper"])
    untested = [row for row in rows if not row["estimate"]]
    assert all(min(int(row["n"]), int(row["n_reference"])) < 5 and not row["p"] for row in untested)
    assert len(untested) == 14
