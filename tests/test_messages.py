"""Similar words for suggestions, and paths in messages."""

import os
from pathlib import Path

import pytest

from quba_check.messages import did_you_mean, paths_as_typed


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("resnet5", "Did you mean 'resnet50'?"),
        ("RESNET50", "Did you mean 'resnet50'?"),
        ("ReSNet50", "Did you mean 'resnet50'?"),
        ("clip-resnet5", "Did you mean 'clip-resnet50'?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_capitals_make_no_other_name(word: str, meant: str) -> None:
    assert did_you_mean(word, ["clip-resnet50", "resnet50"]) == meant


@pytest.mark.parametrize(
    ("text", "typed", "shown"),
    [
        ("HERE/dat: there is no such data folder.", ["--data=dat"], "dat: there is no such data folder."),
        ("run 'init HERE/dat' or HERE/a b.", [], "run 'init dat' or a b."),
        ("HERE/dat: missing.", ["--data=HERE/dat"], "HERE/dat: missing."),
        ("net.pt: no such file in HERE.", [], "net.pt: no such file in HERE."),
        ("/otherHERE/dat, HERE2/dat", [], "/otherHERE/dat, HERE2/dat"),
    ],
)
def test_paths_below_the_current_folder_are_relative_unless_typed_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, typed: list[str], shown: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text, shown, *typed = (word.replace("HERE", str(tmp_path)) for word in (text, shown, *typed))
    assert paths_as_typed(text, typed) == shown


def test_paths_below_the_current_folder_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getcwd", lambda: "C:\\work")
    assert paths_as_typed("C:\\work\\data\\val: no image.", []) == "data\\val: no image."


def test_paths_in_a_folder_that_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert paths_as_typed(f"{folder}/x: missing.", []) == f"{folder}/x: missing."
