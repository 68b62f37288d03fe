"""`quba-check export`: files, standard output, and mistakes."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from support.tuned import record

from quba_check.cli.main import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the records a.json and b.json."""
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(record().to_json(), encoding="utf-8")
    Path("b.json").write_text(record(0.7).to_json(), encoding="utf-8")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], words: str) -> tuple[int, str, str]:
    code = main(words.split())
    return code, *capsys.readouterr()


def test_csv_on_standard_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "export a.json b.json a.json --to csv")
    values = [row["value"] for row in csv.DictReader(io.StringIO(out)) if row["dimension"] == "accuracy"]
    assert (code, values, err) == (0, ["0.9", "0.7"], "")


@pytest.mark.parametrize(("form", "start"), [("csv", b"model,"), ("parquet", b"PAR1")])
def test_files(folder: Path, capsys: pytest.CaptureFixture[str], form: str, start: bytes) -> None:
    assert run(capsys, f"export a.json b.json --to {form} -o out/x") == (0, "", "out/x: 2 records\n")
    assert run(capsys, f"export a.json --to {form} -o out/x")[2] == "out/x: 1 record\n"
    assert Path("out/x").read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "export a.json --to parquet",
            "quba-check export: --output: is missing. Allowed: --to parquet -o FILE.parquet.",
        ),
        ("export a.json --to mlflow", "quba-check export: --to: got 'mlflow'. Allowed: csv, parquet."),
    ],
)
def test_mistakes(folder: Path, capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    assert run(capsys, words) == (4, "", f"ERROR: {message}\n")
