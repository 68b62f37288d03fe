"""`quba-check report`: every format on standard output and in a file, and mistakes."""

import csv
import html
import io
import json
import re
from pathlib import Path

import pytest
from cli.conftest import Run
from support.parsed_page import parsed
from support.sample_records import write_samples
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

from quba_check.cli.formats import FORMATS
from quba_check.grading import population
from quba_check.verdicts.stored_verdicts import read_record

STARTS = {
    "html": ("-o out/x.html", b"<!doctype html>"),
    "text": ("-o out/x", b"demo-textured on demo, protocol standard\n"),
    "markdown": ("-o out/x", "### ❌ FAIL: `demo-textured` · 8 of 11 demands passed".encode()),
    "github": ("-o out/x", b"::error title=FAIL ood_robustness[min] (demo-textured)::ood_robustness 0.197"),
    "gitlab": (
        "--source-url https://x.test/ -o out/x.json",
        b'{\n  "quba-check": [\n    {\n      "external_link"',
    ),
    "badge": ("-o out/x.svg", b'<svg xmlns="http://www.w3.org/2000/svg"'),
    "csv": ("-o out/x.csv", b"model,fingerprint,protocol,suite,"),
    "parquet": ("-o out/x.parquet", b"PAR1"),
    "json": ("-o out/x.json", b'[\n  {\n    "schema": 1,\n    "model": {'),
}
"""The options of each format, and the first bytes of its file."""


@pytest.fixture
def run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in a folder with the records of the demo's models and another record."""
    write_samples(tmp_path)
    for name in ("CI_PROJECT_URL", "CI_COMMIT_SHA", "GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    Path("folder").mkdir()
    other = record().suite.model_copy(update={"name": "other"})
    Path("other.json").write_text(record().model_copy(update={"suite": other}).to_json(), encoding="utf-8")
    return lambda words: run(f"report {words}")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(run: Run, name: str) -> None:
    form = FORMATS[name]
    options, start = STARTS[name]
    file = Path(options.rpartition(" ")[2])
    for _ in range(2):  # the second one replaces the first
        code, out, err = run(f"textured.json textured.json --to {name} {options}")
        content = file.read_bytes()
        assert (code, out, err) == (0, "", f"{file}: 1 record, {len(content) / 1000:,.1f} kB\n")
        assert content.startswith(start)
    if not form.needs_file:
        assert run(f"textured.json --to {name} {options.rpartition('-o')[0]}") == (0, content.decode(), "")
    both = run(f"textured.json demo.json --to {name} {options}")
    if form.takes_one:
        assert both == (4, "", f"ERROR: quba-check report: --to {name}: got 2 records. Allowed: one.\n")
    else:
        assert both[2].startswith(f"{file}: 2 records, ")


# The page.


def test_a_page_of_one_record(run: Run) -> None:
    assert run("textured.json --baseline demo.json -o new/page.html")[0] == 0
    page = parsed(Path("new/page.html").read_text(encoding="utf-8"))
    assert page.one("title").text == "FAIL demo-textured · quba-check"
    assert "Compared with demo (demo.json)" in page.one(id="changes").text
    assert (
        "quba-check report textured.json --baseline demo.json -o report.html"
        in page.one(id="provenance").text
    )
    assert not page.all("img")


def test_a_page_of_two_records_by_another_population(run: Run) -> None:
    assert run("demo.json textured.json --population screened -o page.html")[0] == 0
    page = parsed(Path("page.html").read_text(encoding="utf-8"))
    assert [head.text for head in page.all("h1")] == ["demo", "demo-textured"]
    assert f"{population('screened').name} was measured on imagenet, this run on demo" in page.text


def test_pictures_of_failed_demands(run: Run) -> None:
    words = "textured.json --baseline demo.json -o page.html --pictures 4"
    assert run(words)[0] == 0
    page = Path("page.html").read_text(encoding="utf-8")
    sources = re.findall(r'<img src="(data:image/webp;base64,[^"]*)" alt="image of class (\w+)"', page)
    assert len(sources) == 12  # three demands failed
    assert "img-src data:;" in html.unescape(page)
    assert "Wrong images of the set &#39;silhouette&#39;: 134 of 150." in page
    assert page.count("right in the baseline") == 12
    assert run(words)[0] == 0
    assert Path("page.html").read_text(encoding="utf-8") == page


# Other formats.


def test_a_summary_with_changes(run: Run) -> None:
    text = run("demo.json textured.json --to markdown --baseline demo.json --page-url https://x.test/p")[1]
    assert text.startswith("## ❌ quba-check: 1 of 2 runs may be released\n")
    assert "| change from `demo.json` |" in text
    assert "| -0.788 (worse) |" in text
    assert "[Report page](<https://x.test/p>)" in text
    assert (
        "Not compared with the baseline: `other.json and textured.json cannot be compared: they differ in"
        in run("textured.json --to markdown --baseline other.json")[1]
    )


def test_tables_have_each_record_once(run: Run) -> None:
    rows = csv.DictReader(io.StringIO(run("demo.json textured.json demo.json --to csv")[1]))
    values = [row["value"] for row in rows if (row["dimension"], row["part"]) == ("accuracy", "")]
    records = json.loads(run("demo.json textured.json demo.json --to json")[1])
    assert values == [str(each["measurements"]["accuracy"]["value"]) for each in records] == ["0.975", "0.96"]
    assert records == [
        json.loads(read_record(Path(f"{each}.json")).to_json()) for each in ("demo", "textured")
    ]


# Mistakes.


@pytest.mark.parametrize(
    "words",
    [
        "--to mlflow",
        "",
        "--to parquet",
        "-o x.csv",
        "-o folder",
        "--to csv --pictures 2",
        "--to text --page-url https://x.test",
        "-o page.html --data images",
        "--to gitlab",
    ],
)
def test_mistakes(run: Run, words: str, snapshot: SnapshotAssertion) -> None:
    assert run(f"demo.json {words}") == (4, "", snapshot)
