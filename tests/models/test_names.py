"""What the models of a run are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from quba_check.errors import OptionError
from quba_check.models.names import names_of


def test_models_of_one_name_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "resnet50.pt").touch()
    specs = ["timm:resnet50", str(tmp_path / "resnet50.pt"), "demo"]
    assert names_of(specs) == {"resnet50": specs[0], "resnet50~2": specs[1], "demo": specs[2]}


def test_a_spec_that_is_given_twice() -> None:
    with pytest.raises(OptionError) as raised:
        names_of(["demo", "demo"])
    assert str(raised.value) == "--model: 'demo' is given twice. Name each model once."


def test_a_file_that_is_given_twice_in_two_spellings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.pt").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError) as raised:
        names_of(["net.pt", "./net.pt"])
    assert str(raised.value) == (
        "--model: './net.pt' is given twice, first as 'net.pt'. Name each model once."
    )
