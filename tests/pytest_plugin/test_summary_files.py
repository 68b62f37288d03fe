"""Summaries that a run writes: the user's file and the job's page."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.runs_compared import stored
from support.tuned import record

from quba_check.comparison.stored_run import StoredRun
from quba_check.pytest_plugin.summary_files import remove_earlier, write_summaries


def gate(store: Path, markdown: Path | None = None, baseline: StoredRun | None = None) -> Any:
    options = SimpleNamespace(markdown=markdown, store_place=store)
    return SimpleNamespace(options=options, baseline=baseline)


def test_nothing_is_written_unasked(tmp_path: Path) -> None:
    assert write_summaries(gate(tmp_path), [record()], [None]) == ([], [])
    assert list(tmp_path.iterdir()) == []


def test_the_user_names_a_file(tmp_path: Path) -> None:
    file = tmp_path / "out" / "summary.md"
    assert write_summaries(gate(tmp_path, file), [record()], [None]) == ([], [])
    assert file.read_text(encoding="utf-8").startswith("### ❌ NOT JUDGED: `r50` · no demands\n")


def test_the_page_of_a_job_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("# tests\n\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    assert write_summaries(gate(tmp_path), [record()], [None]) == ([], [])
    assert page.read_text(encoding="utf-8").startswith("# tests\n\n### ❌ NOT JUDGED: `r50`")


def test_a_page_that_cannot_be_written_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    assert write_summaries(gate(tmp_path), [record()], [None]) == (
        [],
        ["$GITHUB_STEP_SUMMARY: the summary cannot be written (Is a directory)"],
    )


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    errors, warnings = write_summaries(gate(tmp_path, tmp_path), [record()], [None])
    assert (errors, warnings) == (
        [f"{tmp_path}: is a folder. Allowed: a file, which is replaced, or a new one."],
        [],
    )


def test_changes_from_the_baseline(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    before, after = stored("old.json", [0, 1, 2]), stored("new.json", [0, 1, 1], images=False)
    write_summaries(gate(tmp_path, file, before), [after.record], [None])
    assert "within noise" not in file.read_text(encoding="utf-8").partition("<details>")[0]
    assert "this run: its predictions per image are neither" in file.read_text(encoding="utf-8")


def test_a_baseline_that_cannot_be_compared(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    other = record().suite.model_copy(update={"name": "other"})
    before = StoredRun("old.json", record().model_copy(update={"suite": other}))
    write_summaries(gate(tmp_path, file, before), [record()], [None])
    assert "Not compared with the baseline: `old.json and this run cannot" in file.read_text(encoding="utf-8")


def test_the_summary_of_an_earlier_run_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    file.touch()
    remove_earlier(file, "--quba-markdown")
    remove_earlier(file, "--quba-markdown")
    assert not file.exists()


def test_an_earlier_summary_that_cannot_be_removed(tmp_path: Path) -> None:
    with pytest.raises(pytest.UsageError) as error:
        remove_earlier(tmp_path, "--quba-markdown")
    assert str(error.value).startswith(
        f"--quba-markdown: {tmp_path} belongs to another run and cannot be removed ("
    )
