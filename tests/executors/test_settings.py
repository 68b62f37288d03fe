"""The file of `--quba-executor-settings`."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.errors import error_text
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import OptionError
from quba_check.executors.settings import read_settings


def test_settings(tmp_path: Path) -> None:
    path = tmp_path / "workers.yaml"
    path.write_text("ray: {runtime_env: {pip: [einops]}, wait_minutes: 20}\n")
    settings = read_settings(path, "workers.yaml")
    assert settings.runtime_env == {"pip": ["einops"]}
    assert settings.wait_minutes == 20
    for allowed in (0, 0.25, 1, 2, 3.0):
        path.write_text(f"ray: {{gpus_per_worker: {allowed}}}\n")
        assert read_settings(path, "workers.yaml").gpus_per_worker == allowed


@pytest.mark.parametrize("line", ["cpus: 2", "gpus_per_worker: 1.5"])
def test_settings_that_are_refused(tmp_path: Path, line: str, snapshot: SnapshotAssertion) -> None:
    path = tmp_path / "workers.yaml"
    path.write_text(f"ray:\n  {line}\n")
    assert error_text(OptionError, read_settings, path, "workers.yaml") == snapshot
