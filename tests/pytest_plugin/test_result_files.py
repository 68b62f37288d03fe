"""Page and summaries of a run: the user's files, the job's page, and errors."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.gate import Gate
from support.parsed_page import parsed
from support.runs_compared import stored
from support.sample_records import sample, write_samples
from support.tuned import record

from quba_check.comparison.stored_run import StoredRun
from quba_check.pytest_plugin.result_files import check_writable, write_results


def stub(
    store: Path, markdown: Path | None = None, baseline: StoredRun | None = None, html: Path | None = None
) -> Any:
    options = SimpleNamespace(markdown=markdown, html=html, pictures=None, store_location=store)
    return SimpleNamespace(options=options, approved=SimpleNamespace(run=baseline))


def test_nothing_is_written_unasked(tmp_path: Path) -> None:
    assert write_results(stub(tmp_path), [record()], [None]) == (None, [], [])
    assert write_results(stub(tmp_path, html=tmp_path / "page.html"), [], []) == (None, [], [])
    assert list(tmp_path.iterdir()) == []


def test_all_records_on_a_page_with_the_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_samples(tmp_path)
    monkeypatch.chdir(tmp_path)
    runs = [sample(tmp_path, name) for name in ("textured", "demo")]
    html = tmp_path / "page.html"
    markdown = tmp_path / "out" / "summary.md"
    session = stub(tmp_path / "store", markdown, runs[1], html)
    paths = [tmp_path / "textured.json", None]
    assert write_results(session, [run.record for run in runs], paths) == (html, [], [])
    page = parsed(html.read_text(encoding="utf-8"))
    assert [head.text for head in page.all("h1")] == ["demo-textured", "demo"]
    assert "16 lost, 10 gained" in page.one(id="changes").text  # from the predictions next to the record
    assert "this run: its predictions on clean images" in page.one(id="changes").text
    assert "page.html" in markdown.read_text(encoding="utf-8")


def test_pictures_of_failed_demands_if_asked_for(gate: Gate, tmp_path: Path) -> None:
    text = "dimensions: {accuracy: {min: 1.0}, ood_robustness: {min: 9.0}}"
    failed = gate.judge(text, record=tmp_path / "r.json")
    path = tmp_path / "r.json"
    html = tmp_path / "p.html"
    for pictures in (2, None):
        session = gate.session(text, html=html, pictures=pictures)
        assert write_results(session, [failed], [path]) == (html, [], [])
        images = parsed(html.read_text(encoding="utf-8")).all("img")
        assert {image.attributes["alt"].split()[-1] for image in images} <= {"apple", "brick", "cloud"}
        assert (1 <= len(images) <= 4) == (pictures == 2)


def test_files_that_cannot_be_written_are_errors(tmp_path: Path) -> None:
    html = tmp_path / "file" / "page.html"
    html.parent.write_text("", encoding="utf-8")
    page, errors, warnings = write_results(stub(tmp_path, tmp_path, html=html), [record()], [None])
    assert (page, warnings) == (None, [])
    assert errors == [
        f"{html}: cannot be written (File exists). Allowed: a file in a folder that you may write to.",
        f"{tmp_path}: is a folder. Allowed: a file, which is replaced, or a new one.",
    ]


def test_the_page_of_a_job_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("# tests\n\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    assert write_results(stub(tmp_path), [record()], [None]) == (None, [], [])
    assert page.read_text(encoding="utf-8").startswith("# tests\n\n### ❌ NOT JUDGED: `r50`")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    assert write_results(stub(tmp_path), [record()], [None])[1:] == (
        [],
        ["$GITHUB_STEP_SUMMARY: the summary cannot be written (Is a directory)"],
    )


def test_changes_from_the_baseline(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    before = stored("old.json", [0, 1, 2])
    after = stored("new.json", [0, 1, 1], images=False)
    write_results(stub(tmp_path, file, before), [after.record], [None])
    assert "within noise" not in file.read_text(encoding="utf-8").partition("<details>")[0]
    assert "this run: its predictions per image are neither" in file.read_text(encoding="utf-8")


def test_a_baseline_that_cannot_be_compared(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    other = record().suite.model_copy(update={"name": "other"})
    before = StoredRun("old.json", record().model_copy(update={"suite": other}))
    write_results(stub(tmp_path, file, before), [record()], [None])
    assert "Not compared with the baseline: `old.json and this run cannot" in file.read_text(encoding="utf-8")


def test_the_file_of_an_earlier_run_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "new" / "summary.md"
    check_writable(file, "--quba-markdown", removes=True)
    file.touch()
    check_writable(file, "--quba-markdown")
    assert file.exists()
    check_writable(file, "--quba-markdown", removes=True)
    assert not file.exists()


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(pytest.UsageError, match="cannot be written"):
        check_writable(tmp_path / "file" / "page.html", "--quba-html")
