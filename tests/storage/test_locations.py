from __future__ import annotations

import os
from pathlib import Path

import pytest

from quba_check.errors import OptionError
from quba_check.storage.locations import default_location, folder_of, local_folder


def test_a_store_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUBA_STORE", "~nobody-here/store")
    with pytest.raises(OptionError) as caught:
        default_location()
    assert str(caught.value) == (
        "$QUBA_STORE: got '~nobody-here/store', but the home folder of '~nobody-here' is not known. "
        "Allowed: a path without ~, or with the name of a user of this machine."
    )


def test_the_environment_names_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QUBA_STORE", str(tmp_path))
    assert default_location() == tmp_path
    monkeypatch.setenv("QUBA_STORE", "s3://bucket/store")
    assert default_location() == "s3://bucket/store"
    monkeypatch.delenv("QUBA_STORE")
    assert Path(default_location()).name == "quba-check"
    assert os.environ.get("QUBA_STORE") is None


@pytest.mark.parametrize(
    "scheme", ["s3", "S3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "file", "https", "sftp"]
)
def test_a_url_with_one_slash_is_no_folder(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUBA_STORE", f"{scheme}:/key:secret@bucket/x")
    with pytest.raises(OptionError) as caught:
        default_location()
    assert str(caught.value) == (
        f"$QUBA_STORE: a URL has two slashes, got '{scheme}:/'. Did you mean '{scheme}://***@bucket/x'?"
    )


def test_a_folder_is_its_own(tmp_path: Path) -> None:
    assert folder_of(tmp_path) == local_folder(tmp_path) == tmp_path


def test_each_url_has_a_folder_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, second = local_folder("s3://bucket/a"), local_folder("s3://bucket/b")
    assert first != second
    assert first == local_folder("s3://bucket/a/")
    assert first.parent == tmp_path / "quba-check" / "stores"
    assert folder_of("s3://bucket/a") is None
