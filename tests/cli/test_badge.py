"""`quba-check badge`: file, standard output, and mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tuned import record

from quba_check.cli.main import main
from quba_check.reports.badge import badge_svg


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(record().to_json(), encoding="utf-8")
    return tmp_path


def test_file_and_standard_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["badge", "a.json", "-o", "out/badge.svg"]) == 0
    assert capsys.readouterr() == ("", "out/badge.svg: not judged\n")
    assert main(["badge", "a.json"]) == 0
    svg = badge_svg(record())
    assert (Path("out/badge.svg").read_text(encoding="utf-8"), capsys.readouterr().out) == (svg, svg)
