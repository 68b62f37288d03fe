"""The folder of a machine's workers."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from quba_check.errors import StoreError
from quba_check.executors.scratch import scratch_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_all_workers_of_a_user_share_it(temporary: Path) -> None:
    folder = scratch_folder()
    assert folder == scratch_folder() == temporary / f"quba-check-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_link_is_refused(temporary: Path) -> None:
    folder = temporary / f"quba-check-{os.getuid()}"
    (temporary / "elsewhere").mkdir()
    folder.symlink_to(temporary / "elsewhere")
    with pytest.raises(StoreError) as error:
        scratch_folder()
    assert str(error.value) == (
        f"{folder}: it belongs to another user. Name another temporary folder in the worker's environment "
        "variable TMPDIR."
    )


def test_a_file_in_its_place(temporary: Path) -> None:
    folder = temporary / f"quba-check-{os.getuid()}"
    folder.touch()
    with pytest.raises(StoreError) as error:
        scratch_folder()
    assert str(error.value) == (
        f"{folder}: a worker cannot create it (File exists). Name another temporary folder in the worker's "
        "environment variable TMPDIR."
    )
