"""Paths and files from outside, with one-line messages, and hostile JSON."""

import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from support.errors import error_text
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import OptionError, UserError
from quba_check.gate.progress import read_states
from quba_check.storage.shard import DamagedShardError, decode_shards
from quba_check.storage.user_files import file_kind, read_bytes, read_json, read_text, user_path

HOSTILE = [
    b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5_000, b"1e999", b'{"a": 1, "b": 2, "a": 3}', b"", b"\xff",
]  # fmt: skip
NAMES = ["lists", "objects", "digits", "number", "key twice", "empty", "bytes", "half a character"]


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


@pytest.mark.parametrize(
    "text", ["~nobody-here/images", "x" * 300, "caf\udce9", "/dev/null", "shut/x"], ids=ascii
)
@pytest.mark.usefixtures("no_permission")
def test_paths_that_cannot_be(text: str, snapshot: SnapshotAssertion) -> None:
    assert error_text(OptionError, user_path, text, "--quba-data") == snapshot


def test_a_character_that_no_path_has() -> None:
    with pytest.raises(OptionError, match=r"^a\\x00b: cannot be read \("):
        user_path("a\0b")


def test_kinds_of_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    names = (".", "file", "pipe", "nothing", "file/below")
    kinds = [file_kind(tmp_path / name, name, UserError) for name in names]
    assert kinds == ["folder", "file", "other", None, None]


def test_a_wildcard_names_no_file_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError(22, "The filename, directory name, or volume label syntax is incorrect")
    error.winerror = 123
    monkeypatch.setattr(Path, "stat", Mock(side_effect=error))
    assert file_kind(Path("*.tar"), "", UserError) is None


@pytest.mark.parametrize("name", ["nothing", "folder", "pipe", "large", "shut"])
@pytest.mark.usefixtures("no_permission")
def test_files_that_cannot_be_read(tmp_path: Path, name: str, snapshot: SnapshotAssertion) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(2**20 + 1))
    assert error_text(UserError, read_bytes, tmp_path / name, "x", UserError, largest=2**20) == snapshot


def test_text(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9")
    assert read_text(tmp_path / "x", "x", UserError) == "café"
    (tmp_path / "x").write_bytes("a\ncafé".encode("latin-1"))
    text = error_text(UserError, read_text, tmp_path / "x", "x", UserError)
    assert text == "x:2: the file is not UTF-8 text, got the byte 0xe9."


@pytest.mark.parametrize("content", [*HOSTILE, b'["\\ud800"]'], ids=NAMES)
def test_json_that_is_refused(tmp_path: Path, content: bytes, snapshot: SnapshotAssertion) -> None:
    (tmp_path / "x").write_bytes(content)
    assert error_text(UserError, read_json, tmp_path / "x", "x", UserError) == snapshot


def test_json(tmp_path: Path) -> None:
    (tmp_path / "x").write_text('{"a": [-123456789012345678, 1e308, null]}')
    assert read_json(tmp_path / "x", "x", UserError) == {"a": [-123456789012345678, 1e308, None]}
    (tmp_path / "x").write_text('["\\ud83d\\ude00"]')
    assert read_json(tmp_path / "x", "x", UserError) == ["😀"]


@pytest.mark.parametrize("content", HOSTILE, ids=NAMES[:-1])
def test_a_damaged_file_counts_as_missing_and_a_damaged_header_as_a_damaged_shard(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "x.json").write_bytes(content)
    assert not read_states(tmp_path)
    with pytest.raises(DamagedShardError, match="cannot be read"):
        decode_shards(len(content).to_bytes(8, "little") + content, "x", "x")
