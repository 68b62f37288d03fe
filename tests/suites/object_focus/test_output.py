"""The folder of made sets: new as a whole, never in place of other content."""

from __future__ import annotations

import pytest

from quba_check.errors import SuiteError
from quba_check.suites.object_focus.output import new_folder


def make(out):
    with new_folder(out) as folder:
        (folder / "a.png").touch()


def error_text(out):
    with pytest.raises(SuiteError) as raised:
        make(out)
    return str(raised.value)


def test_new_or_empty(tmp_path):
    make(tmp_path / "new" / "one")
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty")
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == ["a.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new"]


def test_a_folder_that_is_not_empty(tmp_path):
    (tmp_path / "x").touch()
    assert error_text(tmp_path) == (
        f"{tmp_path}: the folder is not empty. Allowed: a new or empty one; name it with -o."
    )
    assert (tmp_path / "x").exists()


def test_a_file(tmp_path):
    (tmp_path / "out").touch()
    assert (
        error_text(tmp_path / "out") == f"{tmp_path / 'out'}: this is a file. Allowed: a new or empty folder."
    )


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    assert error_text(out) == f"{out}: cannot be written (File exists)."


def test_nothing_is_left_when_making_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "out"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
