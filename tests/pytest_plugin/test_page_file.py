"""The page of a run: its records, its baseline, and errors."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.parsed_page import parsed
from support.sample_records import sample, write_samples
from support.tuned import record

from quba_check.comparison.stored_run import StoredRun
from quba_check.pytest_plugin.page_file import shown_path, write_page


def gate_of(html: Path | None, baseline: StoredRun | None = None) -> Any:
    options = SimpleNamespace(html=html, pictures=None, store_place=Path("no-store"))
    return SimpleNamespace(options=options, baseline=baseline)


def test_all_records_with_the_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_samples(tmp_path)
    monkeypatch.chdir(tmp_path)
    runs = [sample(tmp_path, name) for name in ("textured", "demo")]
    html = tmp_path / "page.html"
    paths = [tmp_path / "textured.json", None]
    assert write_page(gate_of(html, runs[1]), [run.record for run in runs], paths) == []
    page = parsed(html.read_text(encoding="utf-8"))
    assert [head.text for head in page.all("h1")] == ["demo-textured", "demo"]
    assert "16 lost, 10 gained" in page.one(id="changes").text  # from the predictions next to the record
    assert "this run: its predictions on clean images" in page.one(id="changes").text


def test_nothing_is_written_unless_asked_for(tmp_path: Path) -> None:
    assert write_page(gate_of(None), [record()], [None]) == []
    assert write_page(gate_of(tmp_path / "page.html"), [], []) == []
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    html = tmp_path / "file" / "page.html"
    html.parent.write_text("", encoding="utf-8")
    assert write_page(gate_of(html), [record()], [None]) == [
        f"{html}: cannot be written (File exists). Allowed: a file in a folder that you may write to."
    ]


def test_paths_are_shown_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "a" / "b.html") == str(Path("a") / "b.html")
    assert shown_path(Path("/elsewhere/b.html")) == "/elsewhere/b.html"
