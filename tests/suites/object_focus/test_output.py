"""The folder of made sets: made again, never in place of other content."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quba_check.errors import SuiteError
from quba_check.suites.object_focus.output import ORIGINS, replace_folder

SETTINGS = {"data": "/d", "seed": 0, "per class": None}


def make(out, settings=SETTINGS, name="a.png"):
    with replace_folder(out, settings) as folder:
        (folder / name).touch()
        (folder / ORIGINS).write_text(json.dumps({"made_with": settings}))


def error_text(out, settings=SETTINGS):
    with pytest.raises(SuiteError) as raised:
        make(out, settings)
    return str(raised.value)


def test_new_empty_or_made_with_the_same_settings(tmp_path):
    make(tmp_path / "new" / "one")
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty")
    make(tmp_path / "empty", name="b.png")
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == ["b.png", "object-focus.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new"]


@pytest.mark.parametrize("content", [None, "[]", "no json", '{"made_with": 3}'])
def test_a_folder_of_something_else(tmp_path, content):
    (tmp_path / "x").touch()
    if content:
        (tmp_path / "object-focus.json").write_text(content, encoding="utf-8")
    assert error_text(tmp_path) == (
        f"{tmp_path}: the folder is not empty. Allowed: a new or empty one; name it with -o."
    )
    assert (tmp_path / "x").exists()


def test_a_folder_made_with_other_settings(tmp_path):
    out = tmp_path / "out"
    make(out)
    assert error_text(out, {**SETTINGS, "seed": 1}) == (
        f"{out}: was made with seed 0, got 1. Remove the folder, or name another with -o."
    )
    assert error_text(out, {**SETTINGS, "per class": 50}) == (
        f"{out}: was made with per class nothing, got 50. Remove the folder, or name another with -o."
    )


def test_a_file(tmp_path):
    (tmp_path / "out").touch()
    assert (
        error_text(tmp_path / "out") == f"{tmp_path / 'out'}: this is a file. Allowed: a new or empty folder."
    )


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    assert error_text(out) == f"{out}: cannot be written (File exists)."


def test_what_stood_there_stays_when_making_fails(tmp_path):
    out = tmp_path / "out"
    make(out)
    with pytest.raises(ZeroDivisionError), replace_folder(out, SETTINGS):
        raise ZeroDivisionError
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "object-focus.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_stood_there_comes_back_when_the_new_cannot_be_put_in_place(tmp_path, monkeypatch):
    out, rename = tmp_path / "out", Path.rename
    make(out)

    def failing(self, target):
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(SuiteError, match="No space left"):
        make(out, name="b.png")
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "object-focus.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
