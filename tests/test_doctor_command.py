"""The command: the gate's options, exit codes, what is shown, and what is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import write_models, write_suite

from quba_check.cli import main

GATE = """\
schema: 1
dimensions:
  accuracy: {min: 0.1}
  ood_robustness: {min: 0.1}
  shape_bias: {min: 0.1, optional: true}
"""
NETS = "doctors_models"
CHECKS = 3
SHOWN = 20


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_suite(tmp_path / "data")
    write_models(tmp_path, NETS)
    (tmp_path / "g.yaml").write_text(GATE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def doctor(*arguments: str, model: str = "net") -> int:
    return main(["doctor", "g.yaml", "--data=data", "--store=store", f"--model={NETS}:{model}", *arguments])


def test_a_healthy_model_gets_one_line_and_0(here, capsys) -> None:
    assert doctor() == 0
    assert capsys.readouterr() == (
        f"{NETS}:net on tiny: healthy ({CHECKS} checks; 87 images decoded, {SHOWN} shown)\n",
        "",
    )


def test_the_second_time_nothing_is_done_anew(here, capsys) -> None:
    doctor()
    first = capsys.readouterr().out
    import doctors_models

    doctors_models.COUNTS.update(forward=0)
    assert doctor() == 0
    assert doctors_models.COUNTS["forward"] == 0
    again = " ".join(capsys.readouterr().out.split())
    assert again == first.strip().replace(" shown)", " shown; as found before)")
