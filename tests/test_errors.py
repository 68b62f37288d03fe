"""Bugs, and messages on one line."""

import pickle
from pathlib import Path

import pytest

from quba_check.errors import UserError, describe_bug
from quba_check.messages import MOST_CHARACTERS


def test_a_bug_is_one_line_and_its_traceback_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    try:
        {}["row"]
    except KeyError as error:
        line = describe_bug(error)
    (saved,) = tmp_path.iterdir()
    assert line == (
        "quba-check: this is a bug in quba-check, not in your files (KeyError: 'row'). "
        f"The traceback is in {saved}; please report it."
    )
    assert saved.read_text(encoding="utf-8").endswith("KeyError: 'row'\n")


def test_a_bug_whose_traceback_cannot_be_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert describe_bug(ValueError()) == (
        "quba-check: this is a bug in quba-check, not in your files (ValueError). "
        "The traceback could not be saved (No such file or directory)."
    )


def test_messages_are_one_line_that_can_be_printed() -> None:
    text = str(UserError("caf\udce9: got 'a\nb\x1b[31m'\u2028. Allowed: é, 猫, →."))
    assert text == "caf\\udce9: got 'a\\nb\\x1b[31m'\\u2028. Allowed: é, 猫, →."


def test_messages_are_cut_in_the_middle() -> None:
    text = str(UserError("begin " + "x" * 10_000 + " end"))
    assert len(text) == MOST_CHARACTERS
    assert text.startswith("begin xxx")
    assert text.endswith("xxx end")


def test_an_error_carries_the_pieces_of_its_message() -> None:
    error = UserError(
        "no such class", where="a.yaml:3", got="'cta'", allowed="cat, dog", hint="See s3://me:pw@x."
    )
    assert str(error) == "a.yaml:3: no such class, got 'cta'. Allowed: cat, dog. See s3://***@x."
    copied = pickle.loads(pickle.dumps(error))
    assert (copied.where, copied.problem, copied.got) == ("a.yaml:3", "no such class", "'cta'")
    assert (copied.allowed, copied.hint, str(copied)) == ("cat, dog", "See s3://***@x.", str(error))
    assert str(UserError("it is empty.", where="b.yaml", hint="Fill it.")) == "b.yaml: it is empty. Fill it."
    assert str(UserError(where="b.yaml", got="3", allowed="1")) == "b.yaml: got 3. Allowed: 1."
