"""Atomic replacement of files."""

import stat
from pathlib import Path

import pytest

from quba_check.storage import atomic
from quba_check.storage.atomic import write_atomically


def test_a_file_is_replaced_as_a_whole_with_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    file = tmp_path / "record.json"
    usual.write_bytes(b"")
    file.write_bytes(b"a longer text")
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"
    assert {*tmp_path.iterdir()} == {file, usual}
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


def test_a_failed_check_leaves_the_old_content(tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_bytes(b"old")

    def check(written: Path) -> None:
        assert written.read_bytes() == b"new"
        raise ValueError("not a manifest")

    with pytest.raises(ValueError, match="not a manifest"):
        write_atomically(file, b"new", check)
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "absent" / "file", b"")


@pytest.mark.parametrize("tries", [1, 3])
def test_a_file_that_windows_refuses_to_replace_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tries: int
) -> None:
    plain = Path.replace
    refusals = iter(range(2))

    def replace(path: Path, target: Path) -> Path:
        if next(refusals, None) is not None:
            raise PermissionError(13, "Access is denied")
        return plain(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(atomic, "_PAUSES", [0.0] * (tries - 1))
    if tries == 1:
        with pytest.raises(PermissionError):
            write_atomically(tmp_path / "file", b"new")
        assert list(tmp_path.iterdir()) == []
    else:
        write_atomically(tmp_path / "file", b"new")
        assert (tmp_path / "file").read_bytes() == b"new"
