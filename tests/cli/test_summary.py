"""`quba-check summary`: records as Markdown, on standard output or in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.runs_compared import stored
from support.tuned import record

from quba_check.cli.main import main

Run = Callable[..., tuple[int, str, str]]


def verdict(limit: float, outcome: str) -> dict[str, object]:
    return {
        "id": "t.yaml::accuracy[min]",
        "dimension": "accuracy",
        "part": None,
        "bound": "min",
        "limit": limit,
        "tier": "block",
        "outcome": outcome,
        "file": "t.yaml",
        "line": 3,
    }


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in a folder with records and per-image files."""
    monkeypatch.chdir(tmp_path)
    for name, top1 in (("old", [0, 1, 2] * 10), ("new", [0, 1, 0] * 10)):
        outcome = "pass" if name == "old" else "fail"
        ours = stored(f"{name}.json", top1, verdicts=[verdict(0.9, outcome)])
        Path(f"{name}.json").write_text(ours.record.to_json(), encoding="utf-8")
    other = record().suite.model_copy(update={"name": "other"})
    Path("other.json").write_text(record().model_copy(update={"suite": other}).to_json(), encoding="utf-8")

    def command(*words: str) -> tuple[int, str, str]:
        code = main(["summary", *words])
        output = capsys.readouterr()
        return code, output.out, output.err

    return command


def test_it_prints_a_summary(run: Run) -> None:
    code, text, _ = run("new.json", "--page-url", "https://ci.example/page.html")
    assert code == 0
    assert text.startswith("### ❌ FAIL: `r50` · 0 of 1 demand passed, 1 failed\n")
    assert "[Report page](<https://ci.example/page.html>)" in text


def test_it_writes_a_file_with_changes(run: Run) -> None:
    code, text, _ = run("old.json", "new.json", "--baseline", "old.json", "-o", "out/summary.md")
    assert (code, text) == (0, "")
    written = Path("out/summary.md").read_text(encoding="utf-8")
    assert written.startswith("## ❌ quba-check: 1 of 2 runs may be released\n")
    assert "| change from `old.json` |" in written
    assert "| -0.333 (worse) |" in written


def test_a_baseline_of_another_suite_is_a_note(run: Run) -> None:
    code, text, _ = run("new.json", "--baseline", "other.json")
    assert code == 0
    assert (
        "Not compared with the baseline: `other.json and new.json cannot be compared: they differ in" in text
    )
