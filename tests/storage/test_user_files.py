"""Paths and files named by a user, with one-line messages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.errors import error_text

from quba_check.errors import OptionError, UserError
from quba_check.storage.user_files import file_kind, read_bytes, read_json, read_text, user_path

UNREADABLE = "cannot be read (Permission denied)."


@pytest.fixture
def no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make paths named `shut` unreadable, also for root, who runs these tests in CI."""
    plain = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        if "shut" in path.parts:
            raise PermissionError(13, "Permission denied")
        return plain(path, **options)

    monkeypatch.setattr(Path, "stat", stat)


def test_home_folder_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert user_path("~/images", "--quba-data", Path("/base")) == Path("/home/me/images")
    assert user_path("images", "--quba-data", Path("/base")) == Path("/base/images")
    assert user_path("images") == Path("images")


def test_home_folder_of_nobody() -> None:
    assert error_text(OptionError, user_path, "~nobody-here/images", "--quba-data") == (
        "--quba-data: got '~nobody-here/images', but the home folder of '~nobody-here' is not known. "
        "Allowed: a path without ~, or with the name of a user of this machine."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * 300, f"--quba-data: {'x' * 300}: cannot be read (File name too long)."),
        ("caf\udce9", "--quba-data: got 'caf\\udce9'. Allowed: a path that is UTF-8 text."),
        ("/dev/null", "--quba-data: /dev/null is a pipe or a device. Allowed: a file or a folder."),
        ("shut/x", f"--quba-data: shut/x: {UNREADABLE}"),
    ],
)
@pytest.mark.usefixtures("no_permission")
def test_paths_that_cannot_be(text: str, message: str) -> None:
    assert error_text(OptionError, user_path, text, "--quba-data") == message


def test_a_character_that_no_path_has() -> None:
    with pytest.raises(OptionError, match=r"^a\\x00b: cannot be read \("):
        user_path("a\0b")


def test_kinds_of_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    names = (".", "file", "pipe", "nothing", "file/below")
    assert [file_kind(tmp_path / name, name, UserError) for name in names] == [
        "folder",
        "file",
        "other",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "x: there is no such file."),
        ("folder", "x: this is a folder, not a file."),
        ("pipe", "x: this is a pipe or a device, not a file."),
        ("large", "x: the file is too large. Allowed: at most 1e-05 MiB."),
        ("shut", f"x: {UNREADABLE}"),
    ],
)
@pytest.mark.usefixtures("no_permission")
def test_files_that_cannot_be_read(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_text("12345678901")
    assert error_text(UserError, read_bytes, tmp_path / name, "x", UserError, largest=10) == message.replace(
        "1e-05", f"{10 / 2**20:g}"
    )


def test_text(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9")
    assert read_text(tmp_path / "x", "x", UserError) == "café"
    (tmp_path / "x").write_bytes("a\ncafé".encode("latin-1"))
    text = error_text(UserError, read_text, tmp_path / "x", "x", UserError)
    assert text == "x:2: the file is not UTF-8 text, got the byte 0xe9."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x: it is not JSON."),
        ('["\\ud800"]', "x: it has an escape that is half a character, such as \\ud800."),
    ],
)
def test_json_that_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x").write_text(text)
    assert error_text(UserError, read_json, tmp_path / "x", "x", UserError) == message


def test_json(tmp_path: Path) -> None:
    (tmp_path / "x").write_text('{"a": [-123456789012345678, 1e308, null]}')
    assert read_json(tmp_path / "x", "x", UserError) == {"a": [-123456789012345678, 1e308, None]}
    (tmp_path / "x").write_text('["\\ud83d\\ude00"]')
    assert read_json(tmp_path / "x", "x", UserError) == ["😀"]
