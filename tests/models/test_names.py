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


@pytest.mark.parametrize("order", ["aab", "aba", "baa"])
def test_a_model_that_is_called_like_a_number_of_another(tmp_path: Path, order: str) -> None:
    specs = []
    for number, letter in enumerate(order):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / {"a": "a.pt", "b": "a~2.pt"}[letter]
        path.touch()
        specs.append(str(path))
    names = names_of(specs)
    assert list(names.values()) == specs
    assert next(iter(names)) == {"a": "a", "b": "a~2"}[order[0]]


def test_names_that_differ_in_capitals_alone(tmp_path: Path) -> None:
    for folder, name in (("x", "Net.pt"), ("y", "net.pt")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    assert list(names_of([f"{tmp_path}/x/Net.pt", f"{tmp_path}/y/net.pt"])) == ["Net", "net~2"]


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
