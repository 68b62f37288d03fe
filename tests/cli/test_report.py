"""`quba-check report`: the page of stored runs, and messages about wrong command lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.parsed_page import parsed
from support.sample_records import write_samples

from quba_check.cli.main import main
from quba_check.grading import population

START = "ERROR: "


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the records of the demo's models."""
    write_samples(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["report", *words.split()])
    captured = capsys.readouterr()
    assert captured.out == ""
    return code, captured.err


def test_a_page_of_one_record(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run("textured.json --baseline demo.json -o new/page.html", capsys)
    content = (folder / "new" / "page.html").read_bytes()
    assert (code, text) == (0, f"new/page.html: {len(content) / 1000:,.0f} kB\n")
    page = parsed(content.decode("utf-8"))
    assert page.one("title").text == "FAIL demo-textured · quba-check"
    assert "Compared with demo (demo.json)" in page.one(id="changes").text
    assert (
        "quba-check report textured.json --baseline demo.json -o report.html"
        in page.one(id="provenance").text
    )


def test_a_page_of_two_records_by_another_population(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("demo.json textured.json --population screened -o page.html", capsys)[0] == 0
    page = parsed((folder / "page.html").read_text(encoding="utf-8"))
    assert [head.text for head in page.all("h1")] == ["demo", "demo-textured"]
    assert f"{population('screened').name} was measured on imagenet, this run on demo" in page.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "demo.json --data images -o page.html",
            "quba-check report: --data: got a folder without --pictures. Add --pictures N.",
        )
    ],
)
def test_wrong_command_lines(
    folder: Path, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    assert run(words, capsys) == (4, f"{START}{message}\n")
    assert not (folder / "page.html").exists()
