"""`quba-check compare` on terminals that lack characters."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from support.runs_compared import stored

from quba_check.cli.main import main


@pytest.mark.parametrize(
    ("kind", "title"), [("table", "r50 -> r50 on tiny"), ("markdown", "### `r50` -> `r50` on `tiny`")]
)
def test_an_arrow_that_a_terminal_cannot_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, title: str
) -> None:
    for name in ("a", "b"):
        text = stored(name, [0, 1, 2]).record.to_json()
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding="ascii"))
    assert main(["compare", "a.json", "b.json", "--format", kind]) == 0
    assert f"{title}, protocol standard" in content.getvalue().decode("ascii").splitlines()[:2]
