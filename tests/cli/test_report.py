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
        ("", "quba-check report: RECORD.json: is missing. See 'quba-check report --help'."),
        ("demo.json", "quba-check report: -o/--output: is missing. See 'quba-check report --help'."),
        (
            "demo.json -o page.pdf",
            "quba-check report: -o/--output: got 'page.pdf'. Allowed: a file name that ends in .html.",
        ),
        ("demo.json -o .", "quba-check report: -o/--output: got '.', a folder. Allowed: a file name."),
        (
            "no.json -o page.html",
            "no.json: there is no such file. Allowed: a file that --quba-report wrote.",
        ),
        (
            "demo.json --baseline textre.json -o page.html",
            (
                "textre.json: there is no such file. Allowed: a file that --quba-report wrote. "
                "Did you mean 'textured.json'?"
            ),
        ),
        (
            "demo.json --population publishd -o page.html",
            (
                "quba-check report: --population: no such name or file, got 'publishd'. Allowed: published, "
                "screened, demo, or a file that 'quba-check population' made. Did you mean 'published'?"
            ),
        ),
        (
            "demo.json --data images -o page.html",
            "quba-check report: --data: got a folder without --pictures. Add --pictures N.",
        ),
    ],
)
def test_wrong_command_lines(
    folder: Path, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    assert run(words, capsys) == (4, f"{START}{message}\n")
    assert not (folder / "page.html").exists()


def test_a_record_is_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "demo.html").write_bytes((folder / "demo.json").read_bytes())
    code, text = run("demo.html -o demo.html", capsys)
    assert (code, text) == (
        4,
        f"{START}--output: got 'demo.html', which this command reads. Allowed: another file.\n",
    )


def test_a_page_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "file").write_text("", encoding="utf-8")
    assert run("demo.json -o file/page.html", capsys) == (
        4,
        f"{START}file/page.html: cannot be written (File exists). "
        "Allowed: a file in a folder that you may write to.\n",
    )
